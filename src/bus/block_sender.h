// BlockSender: sends labelled blocks in order until the broker has them, over producers that fail for good.
//
// Guarantee   Every block that send() took is acknowledged in the end, or still here. Blocks of one key arrive in the order of sending; one
//             can arrive twice, after a producer had to be replaced, and is told by its label (bus/packed_block.h).
// Memory      queue_bytes_max of blocks, twice: here and in librdkafka.
// Threads     One caller; health() from any.
// When full   send() waits: who makes the blocks is held back.
// When it fails  A broker that is away is waited for. A producer that fails for good, or a broker that refuses a block, is replaced each second;
//             health() says why.
#pragma once

#include <atomic>
#include <deque>
#include <memory>
#include <string>

#include "base/mutex.h"
#include "bus/producer.h"

namespace tidegate::bus {

struct SenderHealth {
    std::uint64_t blocks = 0;  // Acknowledged.
    std::uint64_t bytes = 0;
    std::uint64_t waiting = 0;
    std::uint64_t producers_replaced = 0;
    std::string reason;  // Of the last failure.
};

class BlockSender {
  public:
    explicit BlockSender(ProducerOptions options) : options_(std::move(options)) {}
    ~BlockSender();
    BlockSender(const BlockSender&) = delete;
    BlockSender& operator=(const BlockSender&) = delete;

    /// Waits for room. False: stopped. Errors: the options of the producer, kTooLarge.
    Result<bool> send(std::string key, std::string block);
    /// Waits until the broker has everything sent. False: stopped.
    Result<bool> wait_all();
    /// Ends every wait, now and later. Any thread.
    void stop();
    /// Blocks acknowledged; for tests and tools, which watch it while another thread sends.
    std::uint64_t acknowledged() const noexcept { return acknowledged_.load(std::memory_order_relaxed); }
    SenderHealth health() const;

  private:
    struct Waiting {
        std::uint64_t number = 0;
        std::string key;
        std::string block;
        bool acknowledged = false;
    };
    Result<void> ensure_producer();
    Result<void> hand_over(const Waiting& waiting);
    void on_done(std::uint64_t number, std::uint64_t generation, const Result<void>& outcome);
    bool is_full(std::size_t bytes) const TG_REQUIRES(mutex_);

    const ProducerOptions options_;
    std::unique_ptr<Producer> producer_;

    std::atomic<std::uint64_t> acknowledged_{0};
    mutable Mutex mutex_;
    Condition changed_;
    std::deque<Waiting> waiting_ TG_GUARDED_BY(mutex_);
    std::size_t waiting_bytes_ TG_GUARDED_BY(mutex_) = 0;
    std::uint64_t next_number_ TG_GUARDED_BY(mutex_) = 0;
    std::uint64_t generation_ TG_GUARDED_BY(mutex_) =
        0;  // Of the producer: what an older one says late does not count as a failure.
    bool broken_ TG_GUARDED_BY(mutex_) = false;
    bool stopped_ TG_GUARDED_BY(mutex_) = false;
    SenderHealth health_ TG_GUARDED_BY(mutex_);
};

}  // namespace tidegate::bus
