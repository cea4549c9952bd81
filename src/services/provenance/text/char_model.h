// CharModel: how much likelier the next character is for a machine than for a human, and how likely it is at all.
//
// Guarantee   Scores are integers (units below), so sums over any split of a text add up exactly.
// Algorithm   Two interpolated character 6-gram models (Witten and Bell 1991), one for each class, reduced after
//             training to one table: gram -> (log ratio, log probability), longest stored gram wins. A stored gram's
//             prefix is stored too, so the search starts one above the last match.
// Memory      4 bytes a slot.
// Threads     Immutable.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

namespace tidegate::provenance::text {

inline constexpr unsigned kCharModelOrder = 6;
/// Units of CharScore: nats per unit.
inline constexpr double kLogRatioUnit = 1.0 / 32.0;
inline constexpr double kSurpriseUnit = 1.0 / 16.0;

struct CharScore {
    std::int16_t log_ratio = 0;  // ln p(machine) - ln p(human), in kLogRatioUnit.
    std::int16_t surprise = 0;   // -ln p under the mean of both, in kSurpriseUnit.
    std::uint8_t matched = 0;    // Length of the gram that decided.
};

class CharModel {
  public:
    /// `slots.size()` is a power of two; `unigrams` has 256 entries, both as CharModelBuilder made them.
    CharModel(std::vector<std::uint32_t> slots, std::vector<std::uint32_t> unigrams);
    CharModel() : CharModel(std::vector<std::uint32_t>(1), std::vector<std::uint32_t>(256)) {}

    /// One score for each byte of `lower`; reuses the memory of `out`.
    void score(std::string_view lower, std::vector<CharScore>& out) const;

    std::span<const std::uint32_t> slots() const noexcept { return slots_; }
    std::span<const std::uint32_t> unigrams() const noexcept { return unigrams_; }

    /// Key of the last `order` bytes of `window` (newest lowest).
    static std::uint64_t key(std::uint64_t window, unsigned order) noexcept {
        return (window & ((1ULL << (8U * order)) - 1U)) | std::uint64_t{order} << 56U;
    }
    /// A slot: tag 16 bits, surprise 8 bits, log ratio 8 bits (two's complement). 0 is empty.
    static std::uint32_t pack(std::uint64_t hash, double log_ratio, double surprise) noexcept;
    /// Puts a gram into the first free of kProbes slots; false when all are taken.
    static bool insert(std::span<std::uint32_t> slots, std::uint64_t key, double log_ratio, double surprise) noexcept;

  private:
    static constexpr std::size_t kProbes = 8;
    std::uint32_t find(std::uint64_t hash) const noexcept;

    std::vector<std::uint32_t> slots_;
    std::vector<std::uint32_t> unigrams_;
};

}  // namespace tidegate::provenance::text
