// RequestKey: which decision from elsewhere it is: tenant and request id, hashed for this log.
//
// Algorithm   First 16 bytes of SHA-256 over a label, the log's id, the tenant's length, tenant and request id. The log's id is the
//             key: it lies in every segment and cannot be lost while there is a log to look into.
// Collisions  Two requests share a key at random once in 2^128 pairs, an id (74 bits of it) once in 2^74 of one millisecond.
#pragma once

#include <array>
#include <compare>
#include <cstdint>
#include <string_view>

#include "audit/segments/format.h"
#include "base/ids.h"

namespace tidegate::compliance::ingest {

struct RequestKey {
    std::array<std::uint8_t, 16> bytes{};
    friend auto operator<=>(const RequestKey&, const RequestKey&) = default;
};

RequestKey request_key(const audit::segments::LogId& log, std::string_view tenant, std::string_view request_id);
/// UUIDv7 of that time (0 or later) whose other 74 bits are the key's.
Uuid decision_id(const RequestKey& key, UnixMillis time) noexcept;
/// What the filter knows of a request: 62 bits that are also in the id of its decision.
std::uint64_t filter_key(const RequestKey& key) noexcept;
std::uint64_t filter_key(const Uuid& id) noexcept;

}  // namespace tidegate::compliance::ingest
