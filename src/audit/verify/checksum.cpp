#include "audit/verify/checksum.h"

#include <cstring>

#if defined(__x86_64__)
#include <cpuid.h>
#include <nmmintrin.h>
#endif

namespace tidegate::audit::verify {
namespace {

constexpr std::array<std::uint32_t, 256> kTable = [] {
    std::array<std::uint32_t, 256> table{};
    for (std::uint32_t i = 0; i < table.size(); ++i) {
        std::uint32_t value = i;
        for (int bit = 0; bit < 8; ++bit) value = value >> 1U ^ ((value & 1U) != 0 ? 0x82F63B78U : 0U);
        table[i] = value;
    }
    return table;
}();

std::uint32_t by_table(Bytes bytes, std::uint32_t crc) noexcept {
    for (const std::uint8_t byte : bytes) crc = crc >> 8U ^ kTable[(crc ^ byte) & 0xFFU];
    return crc;
}

#if defined(__x86_64__)
[[gnu::target("sse4.2")]] std::uint32_t by_instruction(Bytes bytes, std::uint32_t crc) noexcept {
    std::uint64_t wide = crc;
    std::size_t i = 0;
    for (; i + 8 <= bytes.size(); i += 8) {
        std::uint64_t word = 0;
        std::memcpy(&word, bytes.data() + i, sizeof word);
        wide = _mm_crc32_u64(wide, word);
    }
    crc = static_cast<std::uint32_t>(wide);
    for (; i < bytes.size(); ++i) crc = _mm_crc32_u8(crc, bytes[i]);
    return crc;
}
#endif

using Step = std::uint32_t (*)(Bytes, std::uint32_t) noexcept;

Step best_step() noexcept {
#if defined(__x86_64__)
    unsigned a = 0;
    unsigned b = 0;
    unsigned c = 0;
    unsigned d = 0;
    if (__get_cpuid(1, &a, &b, &c, &d) != 0 && (c & bit_SSE4_2) != 0) return by_instruction;
#endif
    return by_table;
}

const Step kStep = best_step();

}  // namespace

std::uint32_t checksum(Bytes bytes, std::uint32_t before) noexcept {
    return ~kStep(bytes, ~before);
}

std::uint32_t checksum_plain(Bytes bytes, std::uint32_t before) noexcept {
    return ~by_table(bytes, ~before);
}

}  // namespace tidegate::audit::verify
