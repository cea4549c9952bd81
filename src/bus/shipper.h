// Shipper: sends this server's durable record to Kafka, in the background, from where it was left.
//
// Position    A follower of the log that only wants to hear of new records: it reads them from the log itself, so a broker that is away
//             holds nobody back. The server in the mode `produce` has one.
// Guarantee   Every durable record reaches the topic, in the log's order within its tenant. What is written down as sent has been
//             acknowledged; a death between the two sends a round again, cut as before, and the workers tell by its labels what they have.
// Algorithm   Rounds of at most round_bytes_max: the round is written down, cut into blocks of one tenant each, sent in the order of
//             their first leaves, and noted as sent when the broker has all of it.
// Memory      One round, twice (here and waiting for the broker).
// Threads     follow() on the log's finisher; a thread of its own; health() from any.
// When it fails  No broker: it waits, and `behind` grows. Records that retention removed before they were sent are counted, logged and shown.
#pragma once

#include <atomic>
#include <memory>
#include <string>
#include <thread>

#include "audit/follower.h"
#include "audit/log_reader.h"
#include "base/json_writer.h"
#include "bus/block_sender.h"
#include "bus/packed_block.h"
#include "observe/log.h"
#include "observe/metrics.h"

namespace tidegate::bus {

struct ShipperOptions {
    ProducerOptions producer;
    std::string position_path;
    std::uint32_t block_bytes = kBlockBytesUsual;
    Duration linger = std::chrono::milliseconds(50);
    std::uint64_t round_bytes_max = 8ULL * 1024 * 1024;
};

/// What the position file says.
struct ShipPosition {
    LogId log_id{};
    std::string topic;
    std::uint64_t shipped = 0;      // Records below it have been acknowledged.
    std::uint64_t round_end = 0;    // Over `shipped`: the round [shipped, round_end) may have been sent in part,
    std::uint32_t block_bytes = 0;  // cut into blocks of that size.
    friend bool operator==(const ShipPosition&, const ShipPosition&) = default;
};
std::string encode_position(const ShipPosition& position);
std::optional<ShipPosition> decode_position(std::string_view text);

struct ShipperHealth {
    std::uint64_t shipped = 0;  // Records of the log that the broker has.
    std::uint64_t behind = 0;   // Durable records that it has not.
    std::uint64_t lost = 0;     // Removed by retention before they were sent.
    std::uint64_t rounds = 0;
    std::string failure;  // Of the last attempt; empty: none.
    SenderHealth sender;
};

class Shipper final : public audit::Follower {
  public:
    /// `reader` and `log` (may be null) outlive it. kConflict: the position is another log's. kDataLoss: it cannot be read, or is beyond
    /// the end of the log.
    static Result<std::unique_ptr<Shipper>> open(ShipperOptions options, const audit::LogReader& reader,
                                                 const LogId& log_id, observe::Logger* log);
    ~Shipper() override;

    std::string_view name() const noexcept override { return "kafka"; }
    std::uint64_t position() const noexcept override { return seen_.load(std::memory_order_acquire); }
    Result<void> follow(const audit::DurableRecords& records) override;

    void start();
    /// Leaves what is not sent for the next start. Once; the destructor does it too.
    void stop();
    ShipperHealth health() const;

  private:
    Shipper(ShipperOptions options, const audit::LogReader& reader, observe::Logger* log, ShipPosition position);
    void run();
    bool wait_for_work();
    Result<bool> ship_round();
    Result<std::uint64_t> begin_round();
    struct Cut;
    Result<void> cut(std::uint64_t first, std::uint64_t end, Cut& out) const;
    Result<void> save(const ShipPosition& position);

    const ShipperOptions options_;
    const audit::LogReader& reader_;
    observe::Logger* const log_;
    BlockSender sender_;
    std::atomic<std::uint64_t> seen_;
    ShipPosition position_;  // The thread's.

    mutable Mutex mutex_;
    Condition wake_;
    bool stopping_ TG_GUARDED_BY(mutex_) = false;
    ShipperHealth health_ TG_GUARDED_BY(mutex_);
    std::thread thread_;
};

void append_status(JsonWriter& writer, const ShipperHealth& health);
/// `shipper` outlives the registry.
void declare_metrics(observe::Registry& registry, const Shipper& shipper);

}  // namespace tidegate::bus
