#include "pipeline/cache/invalidation_log.h"

#include <algorithm>
#include <utility>

namespace tidegate::cache {

std::uint64_t InvalidationLog::next() {
    const std::uint64_t sequence = sequence_.load(std::memory_order_relaxed) + 1;
    sequence_.store(sequence, std::memory_order_release);
    return sequence;
}

void InvalidationLog::everything() {
    all_.sequence = next();
    // What has a lower number is covered by this item now; what was credited and not yet asked for goes with it.
    tags_.clear();
    prefixes_.clear();
}

Cause InvalidationLog::add_tag(std::uint64_t tag) {
    const SpinGuard guard(lock_);
    if (tags_.size() >= kTagsMax && !tags_.contains(tag)) {
        everything();
        return Cause::kAll;
    }
    tags_[tag].sequence = next();
    return Cause::kTag;
}

Cause InvalidationLog::add_prefix(std::string_view prefix) {
    const SpinGuard guard(lock_);
    auto found = std::ranges::find(prefixes_, prefix, &Prefix::text);
    if (found == prefixes_.end()) {
        if (prefixes_.size() >= kPrefixesMax) {
            everything();
            return Cause::kAll;
        }
        found = prefixes_.insert(prefixes_.end(), Prefix{.text = std::string(prefix), .item = {}});
    }
    found->item.sequence = next();
    return Cause::kPrefix;
}

void InvalidationLog::add_all() {
    const SpinGuard guard(lock_);
    all_.sequence = next();
}

InvalidationLog::Verdict InvalidationLog::check(const Subject& subject, bool credit) {
    const SpinGuard guard(lock_);
    Verdict verdict{.checked = sequence_.load(std::memory_order_relaxed)};
    Item* first = nullptr;
    const auto consider = [&](Item& item, Cause cause) {
        if (item.sequence <= subject.since || (first != nullptr && first->sequence < item.sequence)) return;
        first = &item;
        verdict.cause = cause;
    };
    if (subject.since < floor_) verdict.good = false;  // Too old to tell: an entry never is, a fill may be.
    consider(all_, Cause::kAll);
    if (!tags_.empty()) {
        for (const auto tags : {subject.tags, subject.more_tags}) {
            for (const std::uint64_t tag : tags) {
                if (const auto found = tags_.find(tag); found != tags_.end()) consider(found->second, Cause::kTag);
            }
        }
    }
    for (Prefix& prefix : prefixes_) {
        if (subject.path.starts_with(prefix.text)) consider(prefix.item, Cause::kPrefix);
    }
    if (first == nullptr) return verdict;
    verdict.good = false;
    if (credit) ++first->dropped;
    return verdict;
}

std::uint64_t InvalidationLog::take_tag_credit(std::uint64_t tag) {
    const SpinGuard guard(lock_);
    const auto found = tags_.find(tag);
    return found == tags_.end() ? 0 : std::exchange(found->second.dropped, 0);
}

std::uint64_t InvalidationLog::take_prefix_credit(std::string_view prefix) {
    const SpinGuard guard(lock_);
    const auto found = std::ranges::find(prefixes_, prefix, &Prefix::text);
    return found == prefixes_.end() ? 0 : std::exchange(found->item.dropped, 0);
}

std::uint64_t InvalidationLog::take_all_credit() {
    const SpinGuard guard(lock_);
    return std::exchange(all_.dropped, 0);
}

void InvalidationLog::forget(std::uint64_t sequence) {
    const SpinGuard guard(lock_);
    std::erase_if(tags_, [&](const auto& tag) { return tag.second.sequence <= sequence; });
    std::erase_if(prefixes_, [&](const Prefix& prefix) { return prefix.item.sequence <= sequence; });
    floor_ = std::max(floor_, sequence);
}

std::size_t InvalidationLog::size() const {
    const SpinGuard guard(lock_);
    return tags_.size() + prefixes_.size();
}

std::size_t InvalidationLog::memory_bytes() const {
    const SpinGuard guard(lock_);
    std::size_t bytes = tags_.size() * 48 + tags_.bucket_count() * sizeof(void*);
    for (const Prefix& prefix : prefixes_) bytes += sizeof(Prefix) + prefix.text.capacity();
    return bytes;
}

}  // namespace tidegate::cache
