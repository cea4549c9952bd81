// Producer: hands blocks to Kafka and says when the broker has them.
//
// Position    Under the Shipper and the tools; librdkafka stays inside producer.cpp.
// Guarantee   `done` runs once for each message that send() took: without an error only when the broker has acknowledged it with
//             acks=all and idempotence, so once and in the order of sending within its partition. A message with one key always goes to
//             the same partition, as long as their number stays.
// Memory      queue_bytes_max of messages at most.
// Threads     send() from one thread at a time; `done` on the producer's own thread: short, no throw.
// When full   send() gives kUnavailable at once, wait_for_room() waits: the caller is held back, nothing is dropped.
// When it fails  Brokers that are away are waited for, without end unless `message_max` says otherwise; health() says so. A fatal error of the
//             protocol ends this producer: everything that waits gets it, fatal() says it. The caller opens another one and sends again what was
//             not acknowledged; the workers tell by the label what they have already.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "base/clock.h"
#include "base/result.h"

namespace tidegate::bus {

/// How to reach the brokers.
struct Brokers {
    std::string list;  // host:port,...
    bool tls = false;
    std::string ca_file;
    std::string username;
    std::string password;
};

struct ProducerOptions {
    Brokers brokers;
    std::string topic;
    std::uint64_t queue_bytes_max = 64ULL * 1024 * 1024;
    Duration message_max{};  // 0: a message waits for its broker as long as it takes.
};

struct ProducerHealth {
    std::uint64_t sent = 0;  // Messages taken.
    std::uint64_t acknowledged = 0;
    std::uint64_t acknowledged_bytes = 0;
    std::uint64_t failed = 0;
    std::uint64_t refused_full = 0;
    std::uint64_t queue_bytes = 0;  // Waiting now.
    std::uint64_t errors = 0;       // Of connections, mostly: librdkafka goes on by itself.
    bool all_brokers_down = false;  // Since the last acknowledgement.
    std::string last_error;
};

class Producer {
  public:
    using Done = std::move_only_function<void(Result<void>)>;

    /// Does not wait for a broker. kInvalidArgument: librdkafka does not take the options.
    static Result<std::unique_ptr<Producer>> open(const ProducerOptions& options);
    ~Producer();
    Producer(const Producer&) = delete;
    Producer& operator=(const Producer&) = delete;

    /// Refused, `done` is not called: kUnavailable (full, or a fatal error before), kTooLarge.
    Result<void> send(std::string_view key, std::string message, Done done);
    /// False: after `most` there is still no room for a message of that size.
    bool wait_for_room(std::size_t bytes, Duration most);
    /// Waits until everything sent is acknowledged or failed. False: not after `most`.
    bool flush(Duration most);
    std::optional<std::string> fatal() const;
    ProducerHealth health() const;

  private:
    struct Impl;
    explicit Producer(std::unique_ptr<Impl> impl);
    std::unique_ptr<Impl> impl_;
};

}  // namespace tidegate::bus
