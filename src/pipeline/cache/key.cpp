#include "pipeline/cache/key.h"

#include <bit>
#include <cstring>

#include "base/random.h"

namespace tidegate::cache {
namespace {

struct SipState {
    std::uint64_t v0, v1, v2, v3;

    void round() noexcept {
        v0 += v1;
        v1 = std::rotl(v1, 13) ^ v0;
        v0 = std::rotl(v0, 32);
        v2 += v3;
        v3 = std::rotl(v3, 16) ^ v2;
        v0 += v3;
        v3 = std::rotl(v3, 21) ^ v0;
        v2 += v1;
        v1 = std::rotl(v1, 17) ^ v2;
        v2 = std::rotl(v2, 32);
    }
    void absorb(std::uint64_t word) noexcept {
        v3 ^= word;
        round();
        round();
        v0 ^= word;
    }
    std::uint64_t squeeze() noexcept {
        for (int i = 0; i < 4; ++i) round();
        return v0 ^ v1 ^ v2 ^ v3;
    }
};

std::uint64_t read_little_endian(const char* bytes) noexcept {
    std::uint64_t word = 0;
    std::memcpy(&word, bytes, sizeof(word));
    if constexpr (std::endian::native == std::endian::big) word = __builtin_bswap64(word);
    return word;
}

struct Seed {
    std::uint64_t key0, key1;
};

const Seed& process_seed() {
    static const Seed seed = [] {
        SystemRandom random;
        return Seed{random.next_u64(), random.next_u64()};
    }();
    return seed;
}

}  // namespace

KeyHash siphash128(std::uint64_t key0, std::uint64_t key1, std::string_view bytes) noexcept {
    // The constants are the reference's; 0xee and 0xdd mark the output of 128 bits.
    SipState state{key0 ^ 0x736f6d6570736575ULL, key1 ^ 0x646f72616e646f6dULL ^ 0xeeU, key0 ^ 0x6c7967656e657261ULL,
                   key1 ^ 0x7465646279746573ULL};
    std::size_t at = 0;
    for (; at + 8 <= bytes.size(); at += 8) state.absorb(read_little_endian(bytes.data() + at));
    std::uint64_t last = std::uint64_t{bytes.size()} << 56U;
    for (std::size_t i = 0; at + i < bytes.size(); ++i) {
        last |= std::uint64_t{static_cast<unsigned char>(bytes[at + i])} << (8 * i);
    }
    state.absorb(last);
    state.v2 ^= 0xeeU;
    const std::uint64_t low = state.squeeze();
    state.v1 ^= 0xddU;
    return {.low = low, .high = state.squeeze()};
}

KeyHash hash_key(std::string_view text) {
    const Seed& seed = process_seed();
    return siphash128(seed.key0, seed.key1, text);
}

}  // namespace tidegate::cache
