#include "base/random.h"

#include <sys/random.h>

#include <array>
#include <cstring>

#include "base/assert.h"
#include "base/hash.h"

namespace tidegate {
namespace {

void fill_from_kernel(std::span<std::byte> out) {
    while (!out.empty()) {
        // Blocks only before the kernel's generator is seeded, that is never on a booted machine.
        const ssize_t got = ::getrandom(out.data(), out.size(), 0);
        TG_ASSERT(got > 0 || errno == EINTR);
        if (got > 0) out = out.subspan(static_cast<std::size_t>(got));
    }
}

// One system call for 32 ids instead of one each.
struct Block {
    std::array<std::byte, 512> bytes{};
    std::size_t used = 512;
};

}  // namespace

std::uint64_t Random::next_u64() {
    std::uint64_t value = 0;
    fill(std::as_writable_bytes(std::span(&value, 1)));
    return value;
}

void SystemRandom::fill(std::span<std::byte> out) {
    if (out.empty()) return;  // The address of an empty span may be null, which memcpy does not take.
    thread_local Block block;
    if (out.size() > block.bytes.size() / 4) return fill_from_kernel(out);
    if (block.used + out.size() > block.bytes.size()) {
        fill_from_kernel(block.bytes);
        block.used = 0;
    }
    std::memcpy(out.data(), block.bytes.data() + block.used, out.size());
    // What was handed out is wiped, so that a later leak of memory does not show it.
    std::memset(block.bytes.data() + block.used, 0, out.size());
    block.used += out.size();
}

void SeededRandom::fill(std::span<std::byte> out) {
    const Lock lock(mutex_);
    for (std::size_t i = 0; i < out.size(); i += 8) {
        state_ += 0x9e3779b97f4a7c15ULL;
        const std::uint64_t word = mix64(state_);
        std::memcpy(out.data() + i, &word, std::min<std::size_t>(8, out.size() - i));
    }
}

}  // namespace tidegate
