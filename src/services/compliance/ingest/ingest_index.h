// IngestIndex: whether a decision from elsewhere is surely new, without asking the log.
//
// Position    A follower of the log, so that it knows each request before its sender hears of it. Intake asks it, then the newest
//             requests that it holds whole (recent_requests.h), and the log where these two leave it open.
// Guarantee   "New" is never wrong. "Perhaps" is wrong for about one new request in 1,000 for each filter that is full (see Speed).
// Algorithm   Blocked Bloom filters (Putze, Sanders, Singler 2007): 16 bits a key, 8 of them in one cache line. A filter that is
//             full is followed by one twice as large, up to 16 million keys; full ones never change.
// Memory      2 bytes a key, at most twice that while the newest fills: 2 to 4 MB for 1 million, 200 to 230 MB for 100 million.
//             Keys of decisions that retention has removed stay; rebuild by removing the folder while the server is stopped.
// Speed       One cache line a filter: 5 filters for 4 million requests, 12 for 100 million.
// On disk     `ingest-N`: a filter; `ingest-state`: which log, up to which leaf. Written by a thread of its own each kSaveLeaves leaves and
//             at stop(). At start at most what came since is read from the log: 2 million records, some 1.5 s.
// When it fails  Saving: said in health(), tried again with the next kSaveLeaves. What is there does not check out: all is made again
//             from the log.
// Threads     follow() on the log's; surely_new() from any.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <memory>
#include <string>
#include <thread>

#include "audit/follower.h"
#include "audit/segments/log_file.h"
#include "base/mutex.h"
#include "services/compliance/ingest/key_filter.h"
#include "services/compliance/ingest/recent_requests.h"
#include "services/compliance/ingest/request_key.h"

namespace tidegate::compliance::ingest {

struct IndexHealth {
    std::uint64_t position = 0;
    std::uint64_t saved = 0;  // Leaves that a restart would not read again.
    std::uint64_t keys = 0;
    std::uint64_t bytes = 0;
    std::uint64_t recent = 0;  // Requests that are held whole.
    std::uint64_t save_failures = 0;
    std::string reason;  // Of the last failure; empty when none ever was.
};

class IngestIndex final : public audit::Follower {
  public:
    struct Options {
        std::uint64_t first_capacity = 256 * 1024;
        std::uint64_t capacity_max = 16 * 1024 * 1024;
        std::uint64_t save_leaves = 2'000'000;
        // At start so many leaves are followed once more, so that the newest requests are at hand: 200'000 take some 0.2 s.
        std::uint64_t warm_leaves = 0;
    };
    /// Takes up what `folder` holds of this log, up to `log_end`; nothing of it when it does not check out.
    static Result<std::unique_ptr<IngestIndex>> open(std::unique_ptr<audit::segments::LogFolder> folder,
                                                     const Options& options, const audit::segments::LogId& log,
                                                     std::uint64_t log_end);
    ~IngestIndex() override;

    std::string_view name() const noexcept override { return "ingest"; }
    std::uint64_t position() const noexcept override { return position_.load(std::memory_order_acquire); }
    Result<void> follow(const audit::DurableRecords& records) override;

    bool surely_new(std::uint64_t key) const noexcept;
    /// The request's record, where it is one of the newest.
    std::optional<KnownRequest> recent(const RequestKey& key) const { return recent_.find(key); }
    IndexHealth health() const;
    /// Saves and ends the thread. After the log is closed. Once; the destructor does it too.
    void stop();

  private:
    static constexpr std::size_t kFiltersMax = 64;
    IngestIndex(std::unique_ptr<audit::segments::LogFolder> folder, const Options& options,
                const audit::segments::LogId& log);
    void load(std::uint64_t log_end);
    void grow();
    void run();
    void try_to_save();
    Result<void> save();

    const std::unique_ptr<audit::segments::LogFolder> folder_;
    const Options options_;
    const audit::segments::LogId log_;
    // Slots are filled in order by follow() and never change: readers take count_ first.
    std::array<std::unique_ptr<KeyFilter>, kFiltersMax> filters_;
    std::atomic<std::size_t> count_{0};
    RecentRequests recent_;
    std::atomic<std::uint64_t> position_{0};
    std::atomic<std::uint64_t> saved_{0};
    std::atomic<std::uint64_t> tried_{0};  // Where the last attempt to save stood.
    std::size_t whole_on_disk_ = 0;        // Filters that were saved when they were full. The thread's.

    mutable Mutex mutex_;
    Condition wake_;
    bool stopping_ TG_GUARDED_BY(mutex_) = false;
    std::uint64_t save_failures_ TG_GUARDED_BY(mutex_) = 0;
    std::string reason_ TG_GUARDED_BY(mutex_);
    std::thread thread_;
};

}  // namespace tidegate::compliance::ingest
