#include "services/compliance/ingest/request_key.h"

#include <algorithm>
#include <cstring>

#include "base/hash.h"

namespace tidegate::compliance::ingest {
namespace {

std::uint64_t big_endian_62(const std::uint8_t* at) noexcept {
    std::uint64_t value = at[0] & 0x3fU;
    for (int i = 1; i < 8; ++i) value = value << 8U | at[i];
    return value;
}

}  // namespace

RequestKey request_key(const audit::segments::LogId& log, std::string_view tenant, std::string_view request_id) {
    std::string text("tidegate ingest 1");
    text.reserve(text.size() + log.size() + 1 + tenant.size() + request_id.size());
    text.append(log.begin(), log.end());
    // A tenant is at most 200 bytes.
    text.push_back(static_cast<char>(static_cast<std::uint8_t>(tenant.size())));
    text.append(tenant);
    text.append(request_id);
    const Sha256 digest = sha256(text);
    RequestKey key;
    std::copy_n(digest.begin(), key.bytes.size(), key.bytes.begin());
    return key;
}

Uuid decision_id(const RequestKey& key, UnixMillis time) noexcept {
    Uuid id;
    const auto ms = static_cast<std::uint64_t>(time);
    for (unsigned i = 0; i < 6; ++i) id.bytes[i] = static_cast<std::uint8_t>(ms >> (40U - 8U * i));
    std::copy_n(key.bytes.begin(), 10, id.bytes.begin() + 6);
    id.bytes[6] = static_cast<std::uint8_t>(0x70U | (id.bytes[6] & 0x0fU));
    id.bytes[8] = static_cast<std::uint8_t>(0x80U | (id.bytes[8] & 0x3fU));
    return id;
}

std::uint64_t filter_key(const RequestKey& key) noexcept {
    return big_endian_62(key.bytes.data() + 2);
}

std::uint64_t filter_key(const Uuid& id) noexcept {
    return big_endian_62(id.bytes.data() + 8);
}

}  // namespace tidegate::compliance::ingest
