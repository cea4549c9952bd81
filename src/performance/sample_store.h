// SampleStore: samples on the disk, as they were taken for some time, rolled up to 5 minutes and to an hour for as long or longer.
//
// Guarantee   A sample that append() took survives the death of the process (not of the power: Synchronous::kNormal, a lost minute of
//             samples is no lost answer). A five-minute sample is the merge of what is stored of these minutes, also after a restart in
//             the middle of them; an hour's is that of its five-minute ones. The file holds no more than bytes_max of pages in use: the
//             oldest fine samples go first.
// Algorithm   Once five minutes are over their fine samples are put into one compressed block (pack_block) and leave their own rows.
// Memory      The words of the samples' names; a block of samples at a time while they are read.
// Threads     append() and look_after() on one thread, the recorder's; scan() and the rest on any, over a connection of their own.
// When it fails  What SQLite says (store/sqlite.h); a sample that cannot be read is skipped and counted.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/mutex.h"
#include "base/result.h"
#include "performance/sample.h"
#include "performance/scan_plan.h"
#include "store/sqlite.h"

namespace tidegate::performance {

struct StoreOptions {
    std::string path;
    std::int64_t keep_fine_ms = 0;
    std::int64_t keep_ms = 0;
    std::uint64_t bytes_max = 0;
};

/// A database statement that took long. Its text is ours: values stand in it as `?`.
struct SlowStatement {
    UnixMillis time = 0;
    double ms = 0;
    std::string text;
};

class SampleStore {
  public:
    static constexpr std::int64_t kRolledMs = 5LL * 60 * 1000;
    static constexpr std::int64_t kHourMs = 60LL * 60 * 1000;
    static constexpr std::int64_t kSlowMax = 1000;  // Slow statements kept.

    static Result<std::unique_ptr<SampleStore>> open(const StoreOptions& options, const Clock& clock);

    Result<void> append(const Sample& sample, const std::vector<SlowStatement>& slow = {});
    /// Rolls up what is complete by `now` and takes away what is too old or too much.
    Result<void> look_after(UnixMillis now);

    /// Samples that end in (from, to], oldest first. Of those that were rolled up the coarsest whose step is at most a third of
    /// `step_ms`, where they lie within the period; with 0 the fine ones wherever they are kept. Visit says whether to go on.
    Result<void> scan(UnixMillis from, UnixMillis to, std::int64_t step_ms, const std::function<bool(Sample&&)>& visit);
    /// The longest first.
    Result<std::vector<SlowStatement>> slow(UnixMillis from, UnixMillis to, std::size_t limit);
    /// End of the first sample; kNotFound when there is none.
    Result<UnixMillis> first();
    struct Size {
        std::uint64_t bytes = 0;  // Pages in use.
        std::uint64_t fine = 0;
        std::uint64_t rolled = 0;  // To 5 minutes and to hours.
    };
    Result<Size> size();
    std::uint64_t unreadable() const noexcept { return unreadable_.load(std::memory_order_relaxed); }

  private:
    SampleStore(const StoreOptions& options, store::Database writer, store::Database reader)
        : options_(options), writer_(std::move(writer)), reader_(std::move(reader)) {}
    Result<void> read_names();
    Result<void> write_names(std::size_t known);
    using Visit = std::function<bool(Sample&&)>;
    Result<void> put(std::string_view table, const Sample& sample);
    Result<void> put_block(UnixMillis end, std::span<const Sample> samples);
    Result<void> store_names();
    Result<std::optional<Sample>> find(std::string_view table, UnixMillis end);
    Result<void> roll_up(UnixMillis now);
    Result<void> pack_five_minutes(UnixMillis begin);
    Result<void> merge_hour(UnixMillis begin);
    Result<void> merge_hour_again(UnixMillis begin);
    Result<void> merge_hours(UnixMillis now);
    Result<void> drop_old(UnixMillis now);
    Result<void> keep_to_size();
    Result<std::uint64_t> bytes_used();
    Result<HeldSteps> held() TG_REQUIRES(reader_mutex_);
    Result<void> scan_stretches(std::span<const Stretch> stretches, const Visit& visit) TG_REQUIRES(reader_mutex_);
    /// False: visit() wants no more.
    Result<bool> scan_table(store::Database& database, std::string_view table, UnixMillis from, UnixMillis to,
                            const Visit& visit);
    Result<bool> scan_blocks(store::Database& database, UnixMillis from, UnixMillis to, const Visit& visit);

    const StoreOptions options_;
    store::Database writer_;
    Mutex reader_mutex_;
    store::Database reader_ TG_GUARDED_BY(reader_mutex_);
    Mutex names_mutex_;
    Names names_ TG_GUARDED_BY(names_mutex_);
    std::atomic<std::uint64_t> unreadable_{0};
};

}  // namespace tidegate::performance
