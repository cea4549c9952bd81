// SmallEmbedder: tidegate-hash-embed-1, an embedding of our own for machines without a model. Not a neural network, and it says so.
//
// Position    Answers where no embedding model is configured; every answer names it, so that nobody takes it for another.
// Algorithm   Words (lower case, English plurals cut) and the character 4-grams of longer words are hashed; each counts by a saturated
//             frequency times a weight learned from public text (how few documents hold it), and is added with signs to eight
//             of 384 numbers (random indexing, Kanerva et al. 2000). The sum is put to length 1. What it measures is therefore shared
//             words and stems, not meaning: models/small_embedder/CARD.md has its measured retrieval quality.
// Guarantee   The same text gives the same bits on every machine: all sums are in whole numbers until the last step.
// Memory      131 KB of weights in the program; a call needs 24 bytes a distinct feature.
// Threads     Read only.
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace tidegate::model {

class SmallEmbedder {
  public:
    static constexpr std::string_view kName = "tidegate-hash-embed-1";
    static constexpr std::size_t kDimensions = 384;
    static constexpr std::size_t kBuckets = 131'072;  // Of features: two bytes of hash and a bit.

    /// The table in the program.
    static const SmallEmbedder& built_in();
    /// kDataLoss where `table` is none of train.cpp's.
    static Result<SmallEmbedder> parse(std::string_view table);

    /// Length 1, or all zero for a text without a word; kInvalidArgument where `text` is no UTF-8.
    Result<void> embed(std::string_view text, std::span<float, kDimensions> out) const;
    /// SHA-256 of the table, in hexadecimal: a part of the model's version.
    const std::string& version() const noexcept { return version_; }

    struct Feature {
        std::uint64_t hash = 0;
        bool is_gram = false;
    };
    /// The features of valid UTF-8, each as often as it stands there.
    static void features(std::string_view text, std::vector<Feature>& out);
    /// The bucket of a feature's weight.
    static std::size_t bucket(std::uint64_t hash) noexcept { return hash >> 47U; }
    /// A table of weights, one byte a bucket, as parse() reads it.
    static std::string table_of(std::span<const std::uint8_t> weights);

  private:
    std::vector<std::uint8_t> weights_;
    std::string version_;
};

}  // namespace tidegate::model
