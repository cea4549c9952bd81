#include "audit/follower_feed.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "audit/segments/merkle.h"

namespace tidegate::audit {
namespace {

// A follower that is far behind must not hold back the acknowledgements of those who append now.
constexpr Duration kCatchUpPerBatch = std::chrono::milliseconds(50);

/// Records of a scan, gathered until they are worth a call.
class Gathered {
  public:
    explicit Gathered(Follower& follower) : follower_(follower) {}

    bool full() const noexcept { return ends_.size() >= kRecords || bytes_.size() >= kBytes; }
    void add(std::uint64_t leaf, segments::Bytes record) {
        if (ends_.empty()) first_ = leaf;
        bytes_.insert(bytes_.end(), record.begin(), record.end());
        ends_.push_back(bytes_.size());
        leaves_.push_back(segments::leaf_hash(record));
    }
    Result<void> give() {
        if (ends_.empty()) return {};
        views_.clear();
        std::size_t begin = 0;
        for (const std::size_t end : ends_) {
            TG_TRY(segments::RecordView view, segments::decode(segments::Bytes(bytes_).subspan(begin, end - begin)));
            views_.push_back(view);
            begin = end;
        }
        auto taken = follower_.follow({first_, views_, leaves_});
        bytes_.clear();
        ends_.clear();
        leaves_.clear();
        return taken;
    }

  private:
    static constexpr std::size_t kRecords = 4096;
    static constexpr std::size_t kBytes = 1024 * 1024;
    Follower& follower_;
    std::uint64_t first_ = 0;
    std::vector<std::uint8_t> bytes_;
    std::vector<std::size_t> ends_;
    std::vector<Sha256> leaves_;
    std::vector<segments::RecordView> views_;
};

}  // namespace

FollowerFeed::FollowerFeed(Scan scan, FirstLeaf first_leaf, Duration retry, const Clock& clock)
    : scan_(std::move(scan)), first_leaf_(std::move(first_leaf)), retry_(retry), clock_(clock) {}

Result<void> FollowerFeed::follow(std::vector<Follower*> followers, std::uint64_t end) {
    for (Follower* follower : followers) {
        if (follower->position() > end) {
            return fail(
                ErrorCode::kDataLoss,
                fmt::format("{} holds {} decisions and the log only {}: it is another log's, or this is an older "
                            "copy whose next checkpoints would contradict those signed since; bring the newer "
                            "log back, or move the file of {} away to go on all the same",
                            follower->name(), follower->position(), end, follower->name()));
        }
        TG_CHECK(catch_up(*follower, end, SteadyTime::max()));
        watched_.push_back({.follower = follower});
        const Lock lock(shown_mutex_);
        shown_.emplace_back();
    }
    return {};
}

Result<void> FollowerFeed::catch_up(Follower& follower, std::uint64_t end, SteadyTime until) {
    Gathered gathered(follower);
    const std::uint64_t from = std::max(follower.position(), first_leaf_());
    if (from >= end) return {};
    Result<void> given;
    TG_CHECK(scan_(from, end, [&](std::uint64_t leaf, segments::Bytes record) {
        gathered.add(leaf, record);
        if (!gathered.full()) return true;
        given = gathered.give();
        return given.has_value() && clock_.now() < until;
    }));
    TG_CHECK(std::move(given));
    return gathered.give();
}

void FollowerFeed::deliver(const DurableRecords& records) {
    for (std::size_t i = 0; i < watched_.size(); ++i) give(i, records);
}

void FollowerFeed::give(std::size_t index, const DurableRecords& records) {
    Watched& watched = watched_[index];
    Follower& follower = *watched.follower;
    if (watched.behind) {
        const SteadyTime now = clock_.now();
        if (now < watched.retry_at) return;
        if (auto caught = catch_up(follower, records.first_leaf, now + kCatchUpPerBatch); !caught) {
            return note_failure(index, caught.error());
        }
        // Retention may have removed what it misses; else it goes on with the next batch.
        if (std::max(follower.position(), first_leaf_()) < records.first_leaf) return;
        watched.behind = false;
        const Lock lock(shown_mutex_);
        shown_[index].behind = false;
    }
    const std::uint64_t from = std::max(follower.position(), records.first_leaf);
    if (from >= records.end()) return;
    if (auto followed = follower.follow(records.from(from)); !followed) note_failure(index, followed.error());
}

void FollowerFeed::note_failure(std::size_t index, const Error& error) {
    watched_[index].behind = true;
    watched_[index].retry_at = clock_.now() + retry_;
    const Lock lock(shown_mutex_);
    shown_[index] = {.behind = true, .reason = error.message};
}

std::vector<FollowerHealth> FollowerFeed::health() const {
    std::vector<FollowerHealth> all;
    const Lock lock(shown_mutex_);
    for (std::size_t i = 0; i < shown_.size(); ++i) {
        const Follower& follower = *watched_[i].follower;
        all.push_back({std::string(follower.name()), follower.position(), shown_[i].behind, shown_[i].reason});
    }
    return all;
}

}  // namespace tidegate::audit
