#include "audit/segments/keys.h"

#include <algorithm>
#include <array>

namespace tidegate::audit::segments {

std::uint64_t key_of(std::uint64_t seed, Bytes bytes) noexcept {
    constexpr std::uint64_t kGolden = 0x9e3779b97f4a7c15ULL;
    std::uint64_t hash = seed;
    const std::uint8_t* at = bytes.data();
    std::size_t left = bytes.size();
    for (; left >= 8; left -= 8, at += 8) hash = mix64(hash ^ get<std::uint64_t>(at)) + kGolden;
    if (left > 0) {
        std::array<std::uint8_t, 8> last{};
        std::memcpy(last.data(), at, left);
        hash = mix64(hash ^ get<std::uint64_t>(last.data())) + kGolden;
    }
    return mix64(hash ^ bytes.size());
}

RecordKeys keys_of(std::uint64_t seed, const Decision& d, UnixMillis recorded) noexcept {
    return {.id = key_of(seed, d.id),
            .request = key_of(seed, d.request_id),
            .input = key_of(d.input_hash),
            .service = key_of(seed, d.service),
            .tenant = key_of(seed, d.tenant),
            .model = key_of(seed, d.model),
            .time = d.time(),
            .recorded = recorded,
            .status = static_cast<std::uint8_t>(d.status)};
}

RecordKeys keys_of(std::uint64_t seed, const RecordView& v) noexcept {
    return {.id = key_of(seed, v.id),
            .request = key_of(seed, v.request_id),
            .input = key_of(v.input_hash),
            .service = key_of(seed, v.service),
            .tenant = key_of(seed, v.tenant),
            .model = key_of(seed, v.model),
            .time = unix_ms_of(v.id),
            .recorded = v.recorded,
            .status = static_cast<std::uint8_t>(v.status)};
}

bool NameSet::may_contain(std::uint64_t hash) const noexcept {
    if (size_ == kOverflowed) return true;
    return std::find(hashes_.begin(), hashes_.begin() + size_, hash) != hashes_.begin() + size_;
}

NameSet NameSet::restore(std::uint8_t size, const std::array<std::uint64_t, kNamesMax>& hashes) noexcept {
    NameSet set;
    set.size_ = size <= kNamesMax ? size : kOverflowed;
    set.hashes_ = hashes;
    if (set.size_ > 0 && set.size_ <= kNamesMax) set.last_ = hashes[0];
    return set;
}

void NameSet::add_new(std::uint64_t hash) noexcept {
    last_ = hash;
    if (may_contain(hash)) return;
    if (size_ == kNamesMax) {
        size_ = kOverflowed;
    } else {
        hashes_[size_++] = hash;
    }
}

void ZoneMap::add(const RecordKeys& keys) noexcept {
    if (records++ == 0) {
        time_min = time_max = keys.time;
        recorded_min = recorded_max = keys.recorded;
    }
    time_min = std::min(time_min, keys.time);
    time_max = std::max(time_max, keys.time);
    recorded_min = std::min(recorded_min, keys.recorded);
    recorded_max = std::max(recorded_max, keys.recorded);
    statuses = static_cast<std::uint16_t>(statuses | (1U << keys.status));
    services.add(keys.service);
    tenants.add(keys.tenant);
    models.add(keys.model);
}

bool may_contain(const ZoneMap& zone, const ZoneFilter& filter, std::uint64_t seed) noexcept {
    if (zone.records == 0) return false;
    if (filter.from && zone.time_max < *filter.from) return false;
    if (filter.to && zone.time_min >= *filter.to) return false;
    if (filter.status && ((zone.statuses >> static_cast<unsigned>(*filter.status)) & 1U) == 0) return false;
    const auto named = [&](const NameSet& set, const std::optional<std::string>& name) {
        return !name || set.may_contain(key_of(seed, *name));
    };
    return named(zone.services, filter.service) && named(zone.tenants, filter.tenant) &&
           named(zone.models, filter.model);
}

void sort_by_key(std::vector<KeyRow>& rows, std::vector<KeyRow>& spare) {
    spare.resize(rows.size());
    // All eight histograms in one pass over the rows.
    std::array<std::array<std::uint32_t, 256>, 8> counts{};
    for (const KeyRow& row : rows) {
        for (unsigned digit = 0; digit < 8; ++digit) ++counts[digit][(row.key >> (8 * digit)) & 0xFFU];
    }
    for (unsigned digit = 0; digit < 8; ++digit) {
        auto& count = counts[digit];
        if (!rows.empty() && count[(rows[0].key >> (8 * digit)) & 0xFFU] == rows.size()) continue;
        std::uint32_t begin = 0;
        for (std::uint32_t& slot : count) begin += std::exchange(slot, begin);
        for (const KeyRow& row : rows) spare[count[(row.key >> (8 * digit)) & 0xFFU]++] = row;
        rows.swap(spare);
    }
}

}  // namespace tidegate::audit::segments
