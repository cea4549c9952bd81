// KeyFilter: a set of 64-bit keys that may say "perhaps" of one it does not hold, and never "no" of one it does.
//
// Algorithm   Blocked Bloom filter (Putze, Sanders, Singler 2007): 16 bits a key, one bit in each of the 8 words of a cache line.
//             Full it says "perhaps" of about 1 in 1,000 keys that it does not hold (tests/services/compliance_ingest).
// Memory      2 bytes a key of its capacity.
// Threads     add() by one, the rest by any: what was added before something that both have passed is seen.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

namespace tidegate::compliance::ingest {

class KeyFilter {
  public:
    static constexpr std::uint64_t kCapacityMax = std::uint64_t{1} << 28U;
    /// 1 to kCapacityMax keys.
    explicit KeyFilter(std::uint64_t capacity);
    void add(std::uint64_t key) noexcept;
    bool may_contain(std::uint64_t key) const noexcept;
    std::uint64_t capacity() const noexcept { return capacity_; }
    /// As many as were added, one that was added twice counted twice.
    std::uint64_t keys() const noexcept { return keys_.load(std::memory_order_relaxed); }
    std::uint64_t bytes() const noexcept { return lines_count_ * sizeof(Line); }

    std::string save() const;
    /// Null: not what save() gave.
    static std::unique_ptr<KeyFilter> load(std::string_view bytes);

  private:
    struct alignas(64) Line {
        std::array<std::atomic<std::uint64_t>, 8> words{};
    };
    std::uint64_t line_of(std::uint64_t key) const noexcept;

    const std::uint64_t capacity_;
    const std::uint64_t lines_count_;
    std::atomic<std::uint64_t> keys_{0};
    std::unique_ptr<Line[]> lines_;
};

}  // namespace tidegate::compliance::ingest
