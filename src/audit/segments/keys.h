// What an index knows of a record: three 8-byte keys, and what a whole segment can be skipped by.
//
// Guarantee   Equal ids have equal keys; different ones may too: whoever looks up compares the record. A zone map says
//             "no" only when no record of the segment can match.
// Algorithm   Keys: docs/audit-format.md. Runs are sorted by least-significant-digit radix sort, 8 bits a pass, which skips a pass
//             whose digit is the same in all keys.
#pragma once

#include <array>
#include <cstdint>
#include <string_view>
#include <vector>

#include "audit/segments/record.h"

namespace tidegate::audit::segments {

std::uint64_t key_of(std::uint64_t seed, Bytes bytes) noexcept;
inline std::uint64_t key_of(std::uint64_t seed, std::string_view text) noexcept {
    return key_of(seed, bytes_of(text));
}
inline std::uint64_t key_of(std::uint64_t seed, const Uuid& id) noexcept {
    return key_of(seed, Bytes(id.bytes));
}
inline std::uint64_t key_of(const Sha256& input_hash) noexcept {
    return get<std::uint64_t>(input_hash.data());
}

struct RecordKeys {
    std::uint64_t id = 0;
    std::uint64_t request = 0;
    std::uint64_t input = 0;
    std::uint64_t service = 0;
    std::uint64_t tenant = 0;
    std::uint64_t model = 0;
    UnixMillis time = 0;
    UnixMillis recorded = 0;
    std::uint8_t status = 0;
};
RecordKeys keys_of(std::uint64_t seed, const Decision& decision, UnixMillis recorded) noexcept;
RecordKeys keys_of(std::uint64_t seed, const RecordView& view) noexcept;

/// At most 64 different names; over that, anything may be there.
class NameSet {
  public:
    static constexpr std::size_t kNamesMax = 64;
    static constexpr std::uint8_t kOverflowed = 255;

    void add(std::uint64_t hash) noexcept {
        // Records come in runs of one name.
        if (size_ != 0 && hash == last_) return;
        add_new(hash);
    }
    bool may_contain(std::uint64_t hash) const noexcept;
    /// 0 to 64, or kOverflowed.
    std::uint8_t size() const noexcept { return size_; }
    const std::array<std::uint64_t, kNamesMax>& hashes() const noexcept { return hashes_; }
    static NameSet restore(std::uint8_t size, const std::array<std::uint64_t, kNamesMax>& hashes) noexcept;

  private:
    void add_new(std::uint64_t hash) noexcept;
    std::array<std::uint64_t, kNamesMax> hashes_{};
    std::uint64_t last_ = 0;
    std::uint8_t size_ = 0;
};

struct ZoneMap {
    UnixMillis time_min = 0;
    UnixMillis time_max = 0;
    UnixMillis recorded_min = 0;
    UnixMillis recorded_max = 0;
    std::uint16_t statuses = 0;
    std::uint64_t records = 0;
    NameSet services;
    NameSet tenants;
    NameSet models;

    void add(const RecordKeys& keys) noexcept;
};

/// What to look for in many segments; unset members match everything.
struct ZoneFilter {
    std::optional<UnixMillis> from;  // Inclusive, time of the id.
    std::optional<UnixMillis> to;    // Exclusive.
    std::optional<std::string> service, tenant, model;
    std::optional<Status> status;
};
bool may_contain(const ZoneMap& zone, const ZoneFilter& filter, std::uint64_t seed) noexcept;

struct KeyRow {
    std::uint64_t key = 0;
    std::uint32_t record = 0;
};
/// Ascending by key, stable. `spare` is working memory, resized as needed.
void sort_by_key(std::vector<KeyRow>& rows, std::vector<KeyRow>& spare);

}  // namespace tidegate::audit::segments
