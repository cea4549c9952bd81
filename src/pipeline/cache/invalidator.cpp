#include "pipeline/cache/invalidator.h"

namespace tidegate::cache {

// Announced first: what another loop reads from Redis meanwhile is refused, and cannot come in behind the store's own count.

std::uint64_t Invalidator::erase(const Key& key, UnixMillis now) {
    if (coherence_ != nullptr) coherence_->announce_key(key);
    return store_.erase(key, now);
}

std::uint64_t Invalidator::erase_prefix(std::string_view path_prefix, UnixMillis now) {
    if (coherence_ != nullptr) coherence_->announce_prefix(path_prefix);
    return store_.erase_prefix(path_prefix, now);
}

std::uint64_t Invalidator::erase_tag(std::uint64_t tag, UnixMillis now) {
    if (coherence_ != nullptr) coherence_->announce_tag(tag);
    return store_.erase_tag(tag, now);
}

std::uint64_t Invalidator::clear(UnixMillis now) {
    if (coherence_ != nullptr) coherence_->announce_all();
    return store_.clear(now);
}

void Invalidator::invalidate_tag(std::uint64_t tag) {
    if (coherence_ != nullptr) coherence_->announce_tag(tag);
    store_.invalidate_tag(tag);
}

void Invalidator::invalidate_key(const Key& key, SecondLevel* level) {
    if (coherence_ != nullptr) coherence_->announce_key(key);
    store_.invalidate_key(key);
    if (level != nullptr) level->forget(key);
}

}  // namespace tidegate::cache
