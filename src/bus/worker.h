// Worker: one member of the consumer group: a thread and a log for each partition that the group gives it.
//
// Position    Run by `tidegate kafka worker`, or by the server in the mode `consume`.
// Guarantee   What PartitionLog promises, over rebalances and deaths: a partition that comes is read from the offset in its log, never from the
//             group's; one that goes is flushed and its folder's lock let go before the group hears of it. The group's committed offsets
//             are for lag displays only. Two workers on one partition cannot be: the folder's lock refuses the second, which tries again.
// Algorithm   Cooperative-sticky assignment: a rebalance stops only the partitions that move.
// Threads     One that polls the group and signs checkpoints, one a partition. health() from any.
// When it fails  A partition whose log or whose messages fail is closed and opened again each second, visibly. An offset that the broker has
//             let go is an event in the log and counted; one that it does not have yet (another topic of that name) stops the partition.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/json_writer.h"
#include "base/random.h"
#include "bus/partition_log.h"
#include "bus/producer.h"
#include "observe/log.h"
#include "observe/metrics.h"

namespace tidegate::bus {

struct WorkerOptions {
    Brokers brokers;
    std::string topic;
    std::string group;
    std::string folder;  // Of the partitions' folders.
    std::string origin;  // Name of the logs in their checkpoints.
    audit::segments::SegmentLogOptions log;
    std::uint64_t queue_bytes_max = 64ULL * 1024 * 1024;  // Fetched and not written, all partitions together.
    Duration checkpoint_interval = std::chrono::seconds(1);
    Duration session_max = std::chrono::seconds(10);  // A worker that is silent so long is dead to the group.
};

/// One partition that this worker has, or waits for.
struct PartitionState {
    std::uint32_t partition = 0;
    bool open = false;
    PartitionHealth log;
    std::uint64_t lag_messages = 0;
    double lag_seconds = 0;  // Since the newest message taken was sent, while others wait; 0 when none does.
    std::string reason;      // Why it is not open, or why no checkpoint is signed.
};

struct WorkerHealth {
    std::vector<PartitionState> partitions;
    std::uint64_t rebalances = 0;
    std::uint64_t reopened = 0;
    std::uint64_t errors = 0;
    std::string last_error;  // Of the connection or the group.
    std::uint64_t super_checkpoints = 0;
    std::string super_reason;  // Why none is signed.
    bool is_degraded() const;
};

class Worker {
  public:
    /// Does not wait for a broker. Errors: options, the folder, its key. All references outlive the worker; `log` may be null.
    static Result<std::unique_ptr<Worker>> start(const WorkerOptions& options, const Clock& clock, Random& random,
                                                 observe::Logger* log);
    ~Worker();
    Worker(const Worker&) = delete;
    Worker& operator=(const Worker&) = delete;

    /// Leaves the group with everything durable and the last heads signed. Once; the destructor does it too.
    void stop();
    WorkerHealth health() const;

  private:
    struct Impl;
    explicit Worker(std::unique_ptr<Impl> impl);
    std::unique_ptr<Impl> impl_;
};

void append_status(JsonWriter& writer, const WorkerHealth& health);
/// `worker` outlives the registry.
void declare_metrics(observe::Registry& registry, const Worker& worker);

}  // namespace tidegate::bus
