#include "services/compliance/ingest/recent_requests.h"

namespace tidegate::compliance::ingest {

void RecentRequests::add(const KnownRequest& known) {
    const std::uint64_t key = filter_key(known.id);
    Part& part = parts_[key % kParts];
    const Lock lock(part.mutex);
    if (part.ring.size() < max_of_part_) {
        part.slots.insert_or_assign(key, static_cast<std::uint32_t>(part.ring.size()));
        part.ring.push_back(known);
        return;
    }
    KnownRequest& oldest = part.ring[part.next];
    const auto slot = part.slots.find(filter_key(oldest.id));
    // Two requests of one key share a place in the index: it is the newer one's.
    if (slot != part.slots.end() && slot->second == part.next) part.slots.erase(slot);
    oldest = known;
    part.slots.insert_or_assign(key, static_cast<std::uint32_t>(part.next));
    part.next = (part.next + 1) % max_of_part_;
}

std::optional<KnownRequest> RecentRequests::find(const RequestKey& key) const {
    const std::uint64_t short_key = filter_key(key);
    const Part& part = parts_[short_key % kParts];
    const Lock lock(part.mutex);
    const auto slot = part.slots.find(short_key);
    if (slot == part.slots.end()) return std::nullopt;
    const KnownRequest& known = part.ring[slot->second];
    if (known.id != decision_id(key, unix_ms_of(known.id))) return std::nullopt;
    return known;
}

std::size_t RecentRequests::size() const {
    std::size_t size = 0;
    for (const Part& part : parts_) {
        const Lock lock(part.mutex);
        size += part.ring.size();
    }
    return size;
}

}  // namespace tidegate::compliance::ingest
