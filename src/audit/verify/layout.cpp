#include "audit/verify/layout.h"

#include <algorithm>
#include <bit>
#include <charconv>
#include <cstring>

#include "audit/verify/checksum.h"

namespace tidegate::audit::verify {
namespace {

// Byte by byte, so that the machine's own order does not matter; compilers make one load of it.
std::uint64_t number(const std::uint8_t* at, std::size_t bytes) noexcept {
    std::uint64_t value = 0;
    for (std::size_t i = bytes; i-- > 0;) value = value << 8U | at[i];
    return value;
}
std::uint64_t u64(Bytes bytes, std::size_t at) noexcept {
    return number(bytes.data() + at, 8);
}
std::uint32_t u32(Bytes bytes, std::size_t at) noexcept {
    return static_cast<std::uint32_t>(number(bytes.data() + at, 4));
}
std::uint16_t u16(Bytes bytes, std::size_t at) noexcept {
    return static_cast<std::uint16_t>(number(bytes.data() + at, 2));
}
std::int64_t i64(Bytes bytes, std::size_t at) noexcept {
    return static_cast<std::int64_t>(u64(bytes, at));
}

bool zero(Bytes bytes, std::size_t from, std::size_t to) noexcept {
    return std::ranges::all_of(bytes.subspan(from, to - from), [](std::uint8_t byte) { return byte == 0; });
}

template <std::size_t N>
std::array<std::uint8_t, N> copy(Bytes bytes, std::size_t at) noexcept {
    std::array<std::uint8_t, N> out;
    std::memcpy(out.data(), bytes.data() + at, N);
    return out;
}

// 0xF5, seven letters, the version.
bool begins(Bytes bytes, const char* letters, unsigned version) noexcept {
    return bytes[0] == 0xF5 && std::memcmp(bytes.data() + 1, letters, 7) == 0 && u16(bytes, 8) == version;
}

bool block_holds(Bytes block) noexcept {
    return block.size() == kBlockSize && checksum(block.first(kBlockSize - 4)) == u32(block, kBlockSize - 4);
}

// Their number at 12, they themselves from 128 on, zeroes behind them.
bool read_peaks(Bytes block, std::uint64_t leaves, std::vector<Digest>& out) {
    const std::uint32_t peaks = u32(block, 12);
    if (peaks > 64 || peaks != static_cast<std::uint32_t>(std::popcount(leaves))) return false;
    for (std::size_t i = 0; i < peaks; ++i) out.push_back(copy<32>(block, 128 + 32 * i));
    return zero(block, 128 + std::size_t{32} * peaks, kBlockSize - 4);
}

std::optional<std::uint64_t> decimal(std::string_view text) {
    std::uint64_t value = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
    return value;
}

bool unhex(std::string_view text, std::span<std::uint8_t> out) {
    if (text.size() != 2 * out.size()) return false;
    for (std::size_t i = 0; i < text.size(); ++i) {
        const char c = text[i];
        const bool digit = c >= '0' && c <= '9';
        if (!digit && (c < 'a' || c > 'f')) return false;
        const auto nibble = static_cast<std::uint8_t>(digit ? c - '0' : c - 'a' + 10);
        out[i / 2] = static_cast<std::uint8_t>(i % 2 == 0 ? nibble << 4U : out[i / 2] | nibble);
    }
    return true;
}

/// `NAME A B`; false: not such a line.
bool two_numbers(std::string_view line, std::string_view name, std::uint64_t& a, std::uint64_t& b) {
    if (!line.starts_with(name) || line.size() <= name.size() || line[name.size()] != ' ') return false;
    line.remove_prefix(name.size() + 1);
    const std::size_t space = line.find(' ');
    if (space == std::string_view::npos) return false;
    const auto first = decimal(line.substr(0, space));
    const auto second = decimal(line.substr(space + 1));
    if (!first || !second) return false;
    a = *first;
    b = *second;
    return true;
}

}  // namespace

std::optional<SegmentHeader> parse_segment_header(Bytes block) {
    if (!block_holds(block) || !begins(block, "TGSEGMT", 2) || !zero(block, 10, 12) || !zero(block, 64, 96)) {
        return std::nullopt;
    }
    SegmentHeader header{copy<16>(block, 16), u64(block, 32), u64(block, 40), u64(block, 48), copy<32>(block, 96), {}};
    if (!read_peaks(block, header.first_leaf, header.peaks)) return std::nullopt;
    return header;
}

std::optional<BatchHeader> parse_batch_header(Bytes bytes) {
    // Version 2 states where the records came from, in bytes that version 1 has as zeroes.
    const bool plain = begins(bytes, "TGBATCH", 1) && zero(bytes, 60, 64) && zero(bytes, 72, 124);
    const bool sourced = begins(bytes, "TGBATCH", 2) && zero(bytes, 120, 124);
    if ((!plain && !sourced) || !zero(bytes, 10, 12)) return std::nullopt;
    BatchHeader header{copy<16>(bytes, 16), u64(bytes, 32), u64(bytes, 40), u64(bytes, 48),
                       u32(bytes, 12),      u32(bytes, 56), u32(bytes, 124)};
    if (header.records == 0 || header.payload > kPayloadMax) return std::nullopt;
    return header;
}

std::optional<SegmentFooter> parse_segment_footer(Bytes block) {
    if (!block_holds(block) || !begins(block, "TGFOOTR", 1) || !zero(block, 10, 12) || !zero(block, 88, 96)) {
        return std::nullopt;
    }
    SegmentFooter footer{copy<16>(block, 16), u64(block, 32), u64(block, 40), u64(block, 48),      u64(block, 56),
                         u64(block, 64),      i64(block, 72), i64(block, 80), copy<32>(block, 96), {}};
    if (!read_peaks(block, footer.first_leaf + footer.records, footer.peaks)) return std::nullopt;
    return footer;
}

std::optional<Head> parse_head(std::string_view text) {
    constexpr std::string_view kNames[] = {"tidegate audit head 1", "log ", "sealed", "kept", "root ", "crc32c "};
    const std::string_view whole = text;
    Head head;
    for (std::size_t i = 0; i < std::size(kNames); ++i) {
        const auto before = static_cast<std::size_t>(text.data() - whole.data());
        const std::size_t end = text.find('\n');
        if (end == std::string_view::npos || !text.starts_with(kNames[i])) return std::nullopt;
        const std::string_view line = text.substr(0, end);
        const std::string_view value = line.substr(kNames[i].size());
        std::array<std::uint8_t, 4> crc{};
        bool good = true;
        if (i == 0) good = value.empty();
        if (i == 1) good = unhex(value, head.log_id);
        if (i == 2) good = two_numbers(line, kNames[i], head.sealed_generation, head.sealed_leaves);
        if (i == 3) good = two_numbers(line, kNames[i], head.kept_generation, head.kept_leaf);
        if (i == 4) good = unhex(value, head.root);
        if (i == 5) {
            const auto* bytes = reinterpret_cast<const std::uint8_t*>(whole.data());
            const std::uint32_t sum = checksum({bytes, before});
            good = unhex(value, crc) && (std::uint32_t{crc[0]} << 24U | std::uint32_t{crc[1]} << 16U |
                                         std::uint32_t{crc[2]} << 8U | crc[3]) == sum;
        }
        if (!good) return std::nullopt;
        text.remove_prefix(end + 1);
    }
    if (!text.empty()) return std::nullopt;
    return head;
}

std::optional<std::uint64_t> parse_segment_name(std::string_view name) {
    constexpr std::string_view kSuffix = ".segment";
    if (!name.ends_with(kSuffix) || name.size() < 12 + kSuffix.size()) return std::nullopt;
    return decimal(name.substr(0, name.size() - kSuffix.size()));
}

std::string hex_of(Bytes bytes) {
    std::string text;
    for (const std::uint8_t byte : bytes) {
        text.push_back("0123456789abcdef"[byte >> 4U]);
        text.push_back("0123456789abcdef"[byte & 15U]);
    }
    return text;
}

}  // namespace tidegate::audit::verify
