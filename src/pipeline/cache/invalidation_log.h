// InvalidationLog: what was invalidated and when, so that an invalidation costs the same whatever the cache holds.
//
// Guarantee   Every entry and every fill carries the sequence number up to which nothing concerns it. It is good as long as no
//             item of the log with a higher number names it. The item that first named an entry is credited with dropping it,
//             by whoever comes across it, so that the counts are true.
// Memory      At most kTagsMax tags and kPrefixesMax prefixes. forget() lets go of what every entry has been compared with;
//             over the limit everything is invalidated instead, which is safe.
// Threads     Any thread; sequence() without the lock.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "pipeline/cache/spin_lock.h"

namespace tidegate::cache {

enum class Cause : std::uint8_t { kPrefix, kTag, kAll };

class InvalidationLog {
  public:
    /// What the log is asked about.
    struct Subject {
        std::string_view path;
        std::span<const std::uint64_t> tags, more_tags;
        std::uint64_t since;  // Known to be good up to here.
    };
    struct Verdict {
        bool good = true;
        Cause cause = Cause::kAll;
        std::uint64_t checked = 0;  // The sequence number that the answer holds for.
    };
    static constexpr std::size_t kTagsMax = 16384;
    static constexpr std::size_t kPrefixesMax = 1024;

    std::uint64_t sequence() const noexcept { return sequence_.load(std::memory_order_acquire); }

    /// kAll instead of its own cause where the log was full.
    Cause add_tag(std::uint64_t tag) TG_EXCLUDES(lock_);
    Cause add_prefix(std::string_view prefix) TG_EXCLUDES(lock_);
    void add_all() TG_EXCLUDES(lock_);

    /// `credit`: the subject was an entry that leaves because of this.
    Verdict check(const Subject& subject, bool credit) TG_EXCLUDES(lock_);

    /// How many entries were credited to it since the last call.
    std::uint64_t take_tag_credit(std::uint64_t tag) TG_EXCLUDES(lock_);
    std::uint64_t take_prefix_credit(std::string_view prefix) TG_EXCLUDES(lock_);
    std::uint64_t take_all_credit() TG_EXCLUDES(lock_);

    /// Every entry has been compared with items up to `sequence`: they may go. A fill that began before is refused.
    void forget(std::uint64_t sequence) TG_EXCLUDES(lock_);
    std::size_t size() const TG_EXCLUDES(lock_);
    std::size_t memory_bytes() const TG_EXCLUDES(lock_);

  private:
    struct Item {
        std::uint64_t sequence = 0;
        std::uint64_t dropped = 0;
    };
    struct Prefix {
        std::string text;
        Item item;
    };

    std::uint64_t next() TG_REQUIRES(lock_);
    void everything() TG_REQUIRES(lock_);

    mutable SpinLock lock_;
    std::atomic<std::uint64_t> sequence_{1};
    std::unordered_map<std::uint64_t, Item> tags_ TG_GUARDED_BY(lock_);
    std::vector<Prefix> prefixes_ TG_GUARDED_BY(lock_);
    Item all_ TG_GUARDED_BY(lock_);
    std::uint64_t floor_ TG_GUARDED_BY(lock_) = 0;  // Items up to here are forgotten.
};

}  // namespace tidegate::cache
