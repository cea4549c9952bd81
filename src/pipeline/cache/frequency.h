// FrequencySketch and Ghost: what a cache remembers of keys it does not hold: about how often, and whether it was just here.
//
// Algorithm   FrequencySketch: count-min with 4-bit counters and halving (TinyLFU; Einziger, Friedman, Manes 2017), the four
//             counters of a key in one cache line. Ghost: fingerprints of 32 bits in buckets of 8, each a small FIFO.
// Memory      8 and 4 bytes an entry of the cache; nothing before they are grown.
// Threads     The owner's lock.
#pragma once

#include <algorithm>
#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "base/hash.h"

namespace tidegate::cache {

class FrequencySketch {
  public:
    /// Makes room for `entries` keys; what was counted stays. Cheap when it is large enough.
    void grow(std::size_t entries) {
        const std::size_t lines = std::bit_ceil(std::max<std::size_t>(entries / kEntriesALine, 1));
        if (lines <= lines_.size()) return;
        const std::size_t old = lines_.size();
        lines_.resize(lines);
        // A longer mask sends a key to its old line or to a copy of it: no estimate falls.
        if (old > 0) {
            for (std::size_t i = old; i < lines; ++i) lines_[i] = lines_[i & (old - 1)];
        }
        additions_max_ = kAdditionsAnEntry * kEntriesALine * lines;
    }

    void add(std::uint64_t hash) noexcept {
        if (lines_.empty()) return;
        const std::uint64_t spread = mix64(hash);
        Line& line = lines_[spread & (lines_.size() - 1)];
        bool counted = false;
        for (unsigned row = 0; row < kRows; ++row) {
            const Place place = place_of(spread, row);
            if (((line[place.word] >> place.shift) & 15U) == 15U) continue;
            line[place.word] += std::uint64_t{1} << place.shift;
            counted = true;
        }
        if (counted && ++additions_ >= additions_max_) halve();
    }

    unsigned estimate(std::uint64_t hash) const noexcept {
        if (lines_.empty()) return 0;
        const std::uint64_t spread = mix64(hash);
        const Line& line = lines_[spread & (lines_.size() - 1)];
        unsigned least = 15;
        for (unsigned row = 0; row < kRows; ++row) {
            const Place place = place_of(spread, row);
            least = std::min(least, static_cast<unsigned>((line[place.word] >> place.shift) & 15U));
        }
        return least;
    }

    std::size_t bytes() const noexcept { return lines_.capacity() * sizeof(Line); }

  private:
    using Line = std::array<std::uint64_t, 8>;  // 128 counters.
    struct Place {
        unsigned word, shift;
    };
    static constexpr unsigned kRows = 4;
    static constexpr std::size_t kEntriesALine = 8;         // 16 counters an entry, as Caffeine has.
    static constexpr std::uint64_t kAdditionsAnEntry = 10;  // The sample after which counts halve, as Caffeine has.

    // Row r counts in words 2r and 2r + 1: 32 counters, chosen by 5 bits of the upper half.
    static constexpr Place place_of(std::uint64_t spread, unsigned row) noexcept {
        const auto bits = static_cast<unsigned>(spread >> (40 + 6 * row)) & 31U;
        return {.word = 2 * row + (bits >> 4U), .shift = 4 * (bits & 15U)};
    }
    void halve() noexcept {
        for (Line& line : lines_) {
            for (std::uint64_t& word : line) word = (word >> 1U) & 0x7777777777777777ULL;
        }
        additions_ /= 2;
    }

    std::vector<Line> lines_;
    std::uint64_t additions_ = 0, additions_max_ = 0;
};

class Ghost {
  public:
    /// Makes room for about `entries` keys; growing forgets.
    void grow(std::size_t entries) {
        const std::size_t buckets = std::max<std::size_t>(entries / kBucket, 1);
        if (buckets > buckets_.size()) buckets_.assign(buckets, {});
    }
    void remember(std::uint64_t hash) noexcept {
        if (buckets_.empty()) return;
        Bucket& bucket = bucket_of(hash);
        std::copy_backward(bucket.begin(), bucket.end() - 1, bucket.end());
        bucket[0] = fingerprint(hash);
    }
    /// Whether it was there; it is not any more.
    bool recall(std::uint64_t hash) noexcept {
        if (buckets_.empty()) return false;
        Bucket& bucket = bucket_of(hash);
        const auto found = std::find(bucket.begin(), bucket.end(), fingerprint(hash));
        if (found == bucket.end()) return false;
        std::copy(found + 1, bucket.end(), found);
        bucket.back() = 0;
        return true;
    }
    std::size_t bytes() const noexcept { return buckets_.capacity() * sizeof(Bucket); }

  private:
    static constexpr std::size_t kBucket = 8;
    using Bucket = std::array<std::uint32_t, kBucket>;  // Newest first; 0: free.

    Bucket& bucket_of(std::uint64_t hash) noexcept { return buckets_[mix64(hash) % buckets_.size()]; }
    static std::uint32_t fingerprint(std::uint64_t hash) noexcept {
        return static_cast<std::uint32_t>(hash >> 32U) | 1U;
    }

    std::vector<Bucket> buckets_;
};

}  // namespace tidegate::cache
