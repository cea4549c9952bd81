// PartitionReader: the thread that takes one partition's messages into its log. For worker.cpp.
//
// Threads     Made, stopped and asked by the worker's polling thread; state() from any.
#pragma once

#include <atomic>
#include <memory>
#include <string>
#include <thread>

#include "bus/kafka_handles.h"
#include "bus/partition_log.h"
#include "bus/super_checkpoint.h"
#include "bus/worker.h"

namespace tidegate::bus {

class PartitionReader {
  public:
    /// Takes over the log, and the partition's queue: from now on its messages come here instead of to the consumer, so make it before the
    /// partition is assigned, or the first messages go astray. start() once it is assigned.
    PartitionReader(rd_kafka_t* kafka, std::string topic, std::unique_ptr<PartitionLog> log, HeadSigner signer,
                    const Clock& clock);
    ~PartitionReader();

    void start();
    /// Ends the thread, signs a last head and closes the log. Once.
    void stop();
    /// Set when the log or a message failed: it is to be closed and opened again.
    bool has_failed() const noexcept { return failed_.load(std::memory_order_acquire); }
    bool offset_is_gone() const noexcept { return offset_gone_.load(std::memory_order_acquire); }
    /// The message that came where an earlier one was expected; nothing: none did.
    std::optional<std::uint64_t> jumped_to() const;
    /// When that very jump comes again, from a fresh assignment, the messages between are not there: an event says so.
    void accept_jump_to(std::uint64_t offset) { accepted_jump_ = offset; }

    void sign_head();
    PartitionLog& log() noexcept { return *log_; }
    std::string reason() const;
    PartitionState state() const;

  private:
    void run();
    void take(const rd_kafka_message_t& message);
    void fail_with(std::string reason);

    rd_kafka_t* const kafka_;
    const std::string topic_;
    const std::unique_ptr<PartitionLog> log_;
    HeadSigner signer_;
    const Clock& clock_;
    KafkaQueue queue_;
    std::thread thread_;
    std::atomic<bool> stopping_{false};
    std::atomic<bool> failed_{false};
    std::atomic<bool> offset_gone_{false};
    std::optional<std::uint64_t> accepted_jump_;  // Set before start().
    std::atomic<std::int64_t> newest_ms_{0};      // Time of the newest message taken.
    mutable Mutex mutex_;
    std::string reason_ TG_GUARDED_BY(mutex_);
    std::optional<std::uint64_t> jumped_to_ TG_GUARDED_BY(mutex_);
    std::string sign_reason_ TG_GUARDED_BY(mutex_);
};

}  // namespace tidegate::bus
