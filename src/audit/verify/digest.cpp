#include "audit/verify/digest.h"

#include <algorithm>
#include <bit>
#include <cstring>

#if defined(__x86_64__)
#include <cpuid.h>
#include <immintrin.h>
#endif

namespace tidegate::audit::verify {
namespace {

using State = std::array<std::uint32_t, 8>;
constexpr std::size_t kBlock = 64;

// Fractions of the square roots of the first 8 primes, and of the cube roots of the first 64 (FIPS 180-4, 4.2.2 and 5.3.3).
constexpr State kStart{0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a, 0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19};
alignas(16) constexpr std::array<std::uint32_t, 64> kRounds{
    0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4, 0xab1c5ed5,
    0xd807aa98, 0x12835b01, 0x243185be, 0x550c7dc3, 0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174,
    0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc, 0x2de92c6f, 0x4a7484aa, 0x5cb0a9dc, 0x76f988da,
    0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7, 0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967,
    0x27b70a85, 0x2e1b2138, 0x4d2c6dfc, 0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85,
    0xa2bfe8a1, 0xa81a664b, 0xc24b8b70, 0xc76c51a3, 0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070,
    0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f, 0x682e6ff3,
    0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7, 0xc67178f2};

std::uint32_t big_endian(const std::uint8_t* at) noexcept {
    return std::uint32_t{at[0]} << 24U | std::uint32_t{at[1]} << 16U | std::uint32_t{at[2]} << 8U | at[3];
}

void compress_plain(State& state, const std::uint8_t* data, std::size_t blocks) noexcept {
    for (; blocks != 0; --blocks, data += kBlock) {
        std::array<std::uint32_t, 64> w;
        for (std::size_t t = 0; t < 16; ++t) w[t] = big_endian(data + 4 * t);
        for (std::size_t t = 16; t < 64; ++t) {
            const std::uint32_t s0 = std::rotr(w[t - 15], 7) ^ std::rotr(w[t - 15], 18) ^ w[t - 15] >> 3U;
            const std::uint32_t s1 = std::rotr(w[t - 2], 17) ^ std::rotr(w[t - 2], 19) ^ w[t - 2] >> 10U;
            w[t] = w[t - 16] + s0 + w[t - 7] + s1;
        }
        State v = state;
        for (std::size_t t = 0; t < 64; ++t) {
            const auto [a, b, c, d, e, f, g, h] = v;
            const std::uint32_t t1 =
                h + (std::rotr(e, 6) ^ std::rotr(e, 11) ^ std::rotr(e, 25)) + ((e & f) ^ (~e & g)) + kRounds[t] + w[t];
            const std::uint32_t t2 =
                (std::rotr(a, 2) ^ std::rotr(a, 13) ^ std::rotr(a, 22)) + ((a & b) ^ (a & c) ^ (b & c));
            v = {t1 + t2, a, b, c, d + t1, e, f, g};
        }
        for (std::size_t i = 0; i < state.size(); ++i) state[i] += v[i];
    }
}

#if defined(__x86_64__)
// Four rounds, and the words of the message that are needed four steps later. A template, so that every compiler unrolls it.
template <unsigned kStep>
[[gnu::target("sha,sse4.1"), gnu::always_inline]] inline void four_rounds(__m128i& abef, __m128i& cdgh,
                                                                          __m128i (&w)[4]) noexcept {
    const __m128i k = _mm_load_si128(reinterpret_cast<const __m128i*>(kRounds.data() + std::size_t{4} * kStep));
    const __m128i sum = _mm_add_epi32(w[kStep % 4], k);
    cdgh = _mm_sha256rnds2_epu32(cdgh, abef, sum);
    abef = _mm_sha256rnds2_epu32(abef, cdgh, _mm_shuffle_epi32(sum, 0x0E));
    if constexpr (kStep < 12) {
        const __m128i last = w[(kStep + 3) % 4];
        const __m128i middle = _mm_alignr_epi8(last, w[(kStep + 2) % 4], 4);
        const __m128i first = _mm_sha256msg1_epu32(w[kStep % 4], w[(kStep + 1) % 4]);
        w[kStep % 4] = _mm_sha256msg2_epu32(_mm_add_epi32(first, middle), last);
    }
}

[[gnu::target("sha,sse4.1")]] void compress_fast(State& state, const std::uint8_t* data, std::size_t blocks) noexcept {
    const __m128i swap = _mm_set_epi64x(0x0c0d0e0f08090a0bLL, 0x0405060700010203LL);
    auto* words = reinterpret_cast<__m128i*>(state.data());
    const __m128i cdab = _mm_shuffle_epi32(_mm_loadu_si128(words), 0xB1);
    const __m128i efgh = _mm_shuffle_epi32(_mm_loadu_si128(words + 1), 0x1B);
    __m128i abef = _mm_alignr_epi8(cdab, efgh, 8);
    __m128i cdgh = _mm_blend_epi16(efgh, cdab, 0xF0);
    for (; blocks != 0; --blocks, data += kBlock) {
        const __m128i abef_before = abef;
        const __m128i cdgh_before = cdgh;
        const auto* input = reinterpret_cast<const __m128i*>(data);
        __m128i w[4];
        for (int i = 0; i < 4; ++i) w[i] = _mm_shuffle_epi8(_mm_loadu_si128(input + i), swap);
        four_rounds<0>(abef, cdgh, w);
        four_rounds<1>(abef, cdgh, w);
        four_rounds<2>(abef, cdgh, w);
        four_rounds<3>(abef, cdgh, w);
        four_rounds<4>(abef, cdgh, w);
        four_rounds<5>(abef, cdgh, w);
        four_rounds<6>(abef, cdgh, w);
        four_rounds<7>(abef, cdgh, w);
        four_rounds<8>(abef, cdgh, w);
        four_rounds<9>(abef, cdgh, w);
        four_rounds<10>(abef, cdgh, w);
        four_rounds<11>(abef, cdgh, w);
        four_rounds<12>(abef, cdgh, w);
        four_rounds<13>(abef, cdgh, w);
        four_rounds<14>(abef, cdgh, w);
        four_rounds<15>(abef, cdgh, w);
        abef = _mm_add_epi32(abef, abef_before);
        cdgh = _mm_add_epi32(cdgh, cdgh_before);
    }
    const __m128i feba = _mm_shuffle_epi32(abef, 0x1B);
    const __m128i dchg = _mm_shuffle_epi32(cdgh, 0xB1);
    _mm_storeu_si128(words, _mm_blend_epi16(feba, dchg, 0xF0));
    _mm_storeu_si128(words + 1, _mm_alignr_epi8(dchg, feba, 8));
}

bool has_sha_extensions() noexcept {
    unsigned a = 0;
    unsigned b = 0;
    unsigned c = 0;
    unsigned d = 0;
    if (__get_cpuid(1, &a, &b, &c, &d) == 0 || (c & bit_SSE4_1) == 0) return false;
    return __get_cpuid_count(7, 0, &a, &b, &c, &d) != 0 && (b & bit_SHA) != 0;
}
#endif

using Compress = void (*)(State&, const std::uint8_t*, std::size_t) noexcept;

Compress best_compress() noexcept {
#if defined(__x86_64__)
    if (has_sha_extensions()) return compress_fast;
#endif
    return compress_plain;
}

const Compress kCompress = best_compress();

Digest finish(const State& state) noexcept {
    Digest out;
    for (std::size_t i = 0; i < out.size(); ++i) {
        out[i] = static_cast<std::uint8_t>(state[i / 4] >> (24U - 8U * (i % 4)));
    }
    return out;
}

Digest digest_with(Compress compress, Bytes bytes) noexcept {
    State state = kStart;
    const std::size_t whole = bytes.size() / kBlock;
    compress(state, bytes.data(), whole);
    // One 0x80, zeroes, and the length in bits: one block, or two when fewer than 9 bytes are left in the first.
    std::array<std::uint8_t, 2 * kBlock> end{};
    const Bytes rest = bytes.subspan(whole * kBlock);
    std::ranges::copy(rest, end.begin());
    end[rest.size()] = 0x80;
    const std::size_t blocks = rest.size() + 9 > kBlock ? 2 : 1;
    const std::uint64_t bits = std::uint64_t{bytes.size()} * 8;
    for (std::size_t i = 0; i < 8; ++i) end[blocks * kBlock - 1 - i] = static_cast<std::uint8_t>(bits >> (8 * i));
    compress(state, end.data(), blocks);
    return finish(state);
}

}  // namespace

Digest digest(Bytes bytes) noexcept {
    return digest_with(kCompress, bytes);
}

Digest digest_plain(Bytes bytes) noexcept {
    return digest_with(compress_plain, bytes);
}

Digest node_digest(const Digest& left, const Digest& right) noexcept {
    // 65 bytes with their padding: always the same two blocks but for the two hashes.
    std::array<std::uint8_t, 2 * kBlock> blocks{0x01};
    std::memcpy(blocks.data() + 1, left.data(), left.size());
    std::memcpy(blocks.data() + 33, right.data(), right.size());
    blocks[65] = 0x80;
    blocks[126] = 65 * 8 >> 8;
    blocks[127] = 65 * 8 & 0xFF;
    State state = kStart;
    kCompress(state, blocks.data(), 2);
    return finish(state);
}

std::optional<Peaks> Peaks::of(std::uint64_t size, std::span<const Digest> peaks) noexcept {
    if (static_cast<std::size_t>(std::popcount(size)) != peaks.size()) return std::nullopt;
    Peaks made;
    std::ranges::copy(peaks, made.peaks_.begin());
    made.depth_ = peaks.size();
    made.size_ = size;
    return made;
}

void Peaks::add(Digest leaf) noexcept {
    for (std::uint64_t carry = size_; (carry & 1U) != 0; carry >>= 1U) leaf = node_digest(peaks_[--depth_], leaf);
    peaks_[depth_++] = leaf;
    ++size_;
}

Digest Peaks::root() const noexcept {
    if (depth_ == 0) return digest({});
    Digest root = peaks_[depth_ - 1];
    for (std::size_t i = depth_ - 1; i-- > 0;) root = node_digest(peaks_[i], root);
    return root;
}

}  // namespace tidegate::audit::verify
