// Levels: what the server measured last, a number by name: what alerts and the state of the server judge.
//
// Guarantee   A name that is absent was not measured in that time (no request: no latency); nothing stands for it.
// Names       Those of kMeasures (performance/measures.h) and of the series that app/ declares: `latency_p95_ms`, `error_percent`,
//             `requests_per_second`, `cpu_percent`, `memory_percent`, `hit_percent`, `loop_lag_ms`, `resident_bytes`, `pool_waiting.cpu`.
// Threads     Any.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "base/clock.h"
#include "base/mutex.h"

namespace tidegate::performance {

struct Reading {
    UnixMillis time = 0;  // Its end.
    Duration covered{};
    std::map<std::string, double, std::less<>> values;
};

class Levels {
  public:
    /// The last sample; null before the first.
    std::shared_ptr<const Reading> read() const {
        const Lock lock(mutex_);
        return reading_;
    }
    /// One number of it.
    std::optional<double> find(std::string_view name) const {
        const auto reading = read();
        if (!reading) return std::nullopt;
        const auto found = reading->values.find(name);
        return found == reading->values.end() ? std::nullopt : std::optional(found->second);
    }
    void publish(std::shared_ptr<const Reading> reading) {
        const Lock lock(mutex_);
        reading_ = std::move(reading);
    }

  private:
    mutable Mutex mutex_;
    std::shared_ptr<const Reading> reading_ TG_GUARDED_BY(mutex_);
};

}  // namespace tidegate::performance
