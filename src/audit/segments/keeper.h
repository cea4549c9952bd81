// Keeper: the slow work around the log's files that no append should wait for: new segments, seals, retention.
//
// Position    The log's writer takes segments from it; the log's finisher hands it what is to be sealed.
// Algorithm   One segment always lies ready under its name; behind it spares, written through with zeroes. Segments that retention lets go
//             become spares. A segment is needed before the zeroes are written: its space is reserved only, which costs the writer more.
// When it fails  A segment that cannot be made is told to whoever waits for it; a seal is tried again each retry_interval,
//             its keys stay in memory meanwhile, and after kSealsWaitingMax of them no new segment is given out.
// Threads     One of its own. take_segment() waits; the others do not.
#pragma once

#include <array>
#include <deque>
#include <memory>
#include <string>
#include <thread>

#include "audit/segments/catalog.h"
#include "audit/segments/recovery.h"
#include "base/mutex.h"

namespace tidegate::audit::segments {

struct KeeperOptions {
    std::uint64_t segment_bytes = 64ULL * 1024 * 1024;
    std::size_t spares_ahead = 2;
    std::size_t index_handles_max = 256;
    Duration retry_interval = std::chrono::seconds(1);
};

struct KeeperHealth {
    std::uint64_t seals = 0;
    std::uint64_t seals_waiting = 0;
    std::uint64_t failures = 0;
    std::string reason;  // Of the last failure, empty once things went well again.
    std::uint64_t spares = 0;
    std::uint64_t segments_removed = 0;  // By retention.
};

class Keeper {
  public:
    /// 4 segments of 220,000 records hold 28 MiB of keys each.
    static constexpr std::size_t kSealsWaitingMax = 4;

    /// Both outlive the keeper.
    Keeper(KeeperOptions options, LogFolder& folder, Catalog& catalog, Head head, std::uint64_t next_generation,
           std::vector<std::string> spares);
    ~Keeper();
    Keeper(const Keeper&) = delete;
    Keeper& operator=(const Keeper&) = delete;

    struct Ready {
        std::uint64_t generation = 0;
        std::uint64_t file_bytes = 0;
        std::unique_ptr<LogFile> file;
    };
    /// The next segment, named but not begun. Waits for it to be made; an error when that has failed.
    Result<Ready> take_segment();
    void seal(SealJob job);
    /// Lets go, soon and oldest first, the segments that are sealed by then and whose records lie before `leaf`. The newest
    /// sealed one stays: the hash tree goes on from it.
    void drop_before(std::uint64_t leaf);
    /// Waits until nothing is left to do but what keeps failing.
    void settle();
    /// Does what can be done without a retry and ends the thread.
    void stop();
    KeeperHealth health() const;

  private:
    enum class Work : std::uint8_t { kStop, kSegment, kSeal, kDrop, kSpare };
    void run();
    Work next_work();
    Result<void> make_segment();
    Result<void> seal_one();
    Result<void> drop();
    Result<void> make_spare();
    void finished(Work work, const Result<void>& result);
    Result<void> write_footer(const SealJob& job);
    Result<void> write_head(const Head& head);

    const KeeperOptions options_;
    LogFolder& folder_;
    Catalog& catalog_;
    Head head_;  // The thread's.

    mutable Mutex mutex_;
    Condition wake_;
    Condition progressed_;
    std::deque<SealJob> jobs_ TG_GUARDED_BY(mutex_);
    std::optional<Ready> ready_ TG_GUARDED_BY(mutex_);
    std::vector<std::string> spares_ TG_GUARDED_BY(mutex_);
    std::uint64_t next_generation_ TG_GUARDED_BY(mutex_);
    std::uint64_t next_spare_ TG_GUARDED_BY(mutex_) = 1;
    std::uint64_t drop_before_ TG_GUARDED_BY(mutex_) = 0;
    std::uint64_t dropped_before_ TG_GUARDED_BY(mutex_) = 0;
    std::size_t waiting_ TG_GUARDED_BY(mutex_) = 0;
    bool working_ TG_GUARDED_BY(mutex_) = false;
    bool stopping_ TG_GUARDED_BY(mutex_) = false;
    // What failed last waits for the next retry; the others go on.
    std::array<bool, 5> failed_ TG_GUARDED_BY(mutex_){};
    KeeperHealth health_ TG_GUARDED_BY(mutex_);
    std::thread thread_;
};

}  // namespace tidegate::audit::segments
