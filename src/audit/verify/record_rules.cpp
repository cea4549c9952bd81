// The rules of a record, in the order of the table in docs/audit-format.md.
#include <algorithm>
#include <bit>
#include <cstring>

#include "audit/verify/layout.h"

namespace tidegate::audit::verify {
namespace {

constexpr std::size_t kFixed = 136;
constexpr std::uint64_t kNumberMax = std::uint64_t{1} << 40U;

template <class T>
T at(Bytes record, std::size_t offset) noexcept {
    T value = 0;
    for (std::size_t i = sizeof(T); i-- > 0;)
        value = static_cast<T>(static_cast<std::uint64_t>(value) << 8U | record[offset + i]);
    return value;
}

const char* numbers_fault(Bytes r) noexcept {
    if (r[0] != 1) return "its version is unknown";
    if (r[1] != 1 && r[1] != 2) return "its kind is unknown";
    if (r[2] > 4) return "its status is unknown";
    if (r[3] > 3) return "its cache state is unknown";
    if (r[4] > 15) return "it has unknown flags";
    if (r[5] > 64) return "it has over 64 stages";
    if (r[6] > 64) return "it has over 64 tags";
    if (r[7] != 0 || at<std::uint16_t>(r, 134) != 0) return "a byte that must be zero is not";
    if (r[15] >= 0x80) return "it was recorded before 1970";
    if (r[22] >> 4U != 7 || r[24] >> 6U != 2) return "its id is no UUIDv7";
    if (at<std::uint64_t>(r, 80) > std::uint64_t{1} << 62U) return "its input size is out of range";
    const auto bits = at<std::uint64_t>(r, 88);
    const auto confidence = std::bit_cast<double>(bits);
    const bool present = (r[4] & 1U) != 0;
    if (present ? !(confidence >= 0 && confidence <= 1) || bits >> 63U != 0 : bits != 0)
        return "its confidence is out of range";
    // As unsigned, so that a negative one is too large.
    if (at<std::uint64_t>(r, 96) > kNumberMax) return "its latency is out of range";
    if (at<std::uint64_t>(r, 104) > kNumberMax) return "its spend is out of range";
    if (at<std::uint64_t>(r, 112) > kNumberMax) return "its tokens are out of range";
    if ((r[4] & 2U) != 0 && at<std::uint64_t>(r, 96) != 0) return "it has a latency that it does not state";
    if ((r[4] & 4U) != 0 && at<std::uint64_t>(r, 80) != 0) return "it has an input size that it does not state";
    if ((r[4] & 8U) != 0 && at<std::uint64_t>(r, 112) != 0) return "it has tokens that it does not state";
    return nullptr;
}

const char* lengths_fault(Bytes r) noexcept {
    if (at<std::uint32_t>(r, 120) > 4'194'304) return "its output is too long";
    const auto error = at<std::uint16_t>(r, 124);
    if (error > 4096 || (error == 0) != (r[2] == 0)) return "its error does not fit its status";
    if (r[126] == 0 || r[126] > 128) return "its request id is empty or too long";
    for (const std::size_t name : {127, 128, 129, 130, 131, 132, 133}) {
        if (r[name] > 200) return "a name is too long";
    }
    if (r[129] == 0 || r[130] == 0) return "it has no service or no operation";
    return nullptr;
}

/// Moves over `count` stages or tags; false: one is malformed.
bool skip_list(Bytes r, std::size_t& offset, unsigned count, bool tags) noexcept {
    for (; count != 0; --count) {
        const std::size_t fixed = tags ? 3 : 1;
        if (r.size() - offset < fixed) return false;
        const std::size_t name = r[offset];
        const std::size_t value = tags ? at<std::uint16_t>(r, offset + 1) : 8;
        if (name == 0 || name > 200 || value > 256 || r.size() - offset - fixed < name + value) return false;
        offset += fixed + name + value;
        // The sign of a stage's time is in its last byte.
        if (!tags && r[offset - 1] >= 0x80) return false;
    }
    return true;
}

}  // namespace

const char* record_fault(Bytes record, RecordFacts& facts) {
    if (record.size() < kFixed || record.size() > kRecordMax) return "it is too short or too long";
    if (const char* fault = numbers_fault(record)) return fault;
    if (const char* fault = lengths_fault(record)) return fault;
    std::size_t offset = kFixed + at<std::uint32_t>(record, 120) + at<std::uint16_t>(record, 124);
    for (std::size_t i = 126; i < 134; ++i) offset += record[i];
    if (offset > record.size()) return "its texts are longer than it is";
    const Bytes request = record.subspan(kFixed, record[126]);
    if (std::ranges::any_of(request, [](std::uint8_t c) { return c < 0x21 || c > 0x7E; }))
        return "its request id is not visible ASCII";
    if (!skip_list(record, offset, record[5], false)) return "a stage is malformed";
    if (!skip_list(record, offset, record[6], true)) return "a tag is malformed";
    if (offset != record.size()) return "it does not end where it should";
    facts.recorded = at<std::int64_t>(record, 8);
    std::memcpy(facts.id.data(), record.data() + 16, facts.id.size());
    return nullptr;
}

}  // namespace tidegate::audit::verify
