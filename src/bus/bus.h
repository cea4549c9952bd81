// Bus: the part of the server that speaks to Kafka: a Shipper, a Worker, or nothing, as `kafka.mode` says.
//
// Order       open() once the log is open; follower(), when there is one, goes to the log with the others; start(); stop() before the log closes.
// Threads     open(), start(), stop() on the main thread; the rest from any.
#pragma once

#include <memory>
#include <string>

#include "bus/settings.h"
#include "bus/shipper.h"
#include "bus/worker.h"

namespace tidegate::bus {

/// All of it outlives the Bus.
struct BusNeeds {
    const std::string& data_dir;
    const audit::LogReader& reader;  // Of the server's own log.
    const LogId& log_id;
    const Clock& clock;
    Random& random;
    observe::Logger& log;
};

/// kInvalidArgument: no brokers are set.
Result<WorkerOptions> worker_options(const BusSettings& settings, const std::string& data_dir);

class Bus {
  public:
    static Result<std::unique_ptr<Bus>> open(const BusSettings& settings, const BusNeeds& needs);

    /// Null unless the mode is `produce`.
    audit::Follower* follower() noexcept { return shipper_.get(); }
    Result<void> start();
    void stop();
    bool is_on() const noexcept { return mode_ != "off"; }
    /// The server's own record goes on; what it sends or keeps for others does not, or not all of it.
    bool is_degraded() const;
    /// One object: the value of `kafka` in /health.
    void append_status(JsonWriter& writer) const;
    void declare_metrics(observe::Registry& registry) const;

  private:
    Bus(std::string mode, const BusNeeds& needs) : mode_(std::move(mode)), needs_(needs) {}
    const std::string mode_;
    const BusNeeds needs_;
    WorkerOptions worker_options_;
    std::unique_ptr<Shipper> shipper_;
    std::unique_ptr<Worker> worker_;
};

}  // namespace tidegate::bus
