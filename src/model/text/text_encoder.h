// What is done with a text model's numbers: pooling, normalisation, scores of classes, and batches with little padding.
//
// Position    Between the batcher's tensors and the answers of the text routes. Pure functions over spans; nothing is kept.
// Guarantee   Sums are made in double precision and in a fixed order: the same input gives the same bits.
// Threads     Any.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace tidegate::model {

/// The mean of the tokens' vectors where the mask is not 0. `hidden` is [tokens, dimensions] with tokens = mask.size(); `out` has
/// `dimensions` values. All zero where the mask is.
void pool_mean(std::span<const float> hidden, std::span<const std::uint8_t> mask, std::span<float> out);
/// The vector of the first token that the mask counts (padding may stand on the left); all zero where it counts none.
void pool_cls(std::span<const float> hidden, std::span<const std::uint8_t> mask, std::span<float> out);
/// To length 1; a vector of zeros stays one.
void normalise_l2(std::span<float> vector);
/// Cosine of the angle between two vectors of one size; 0 where one of them is zero.
double cosine(std::span<const float> a, std::span<const float> b);

/// Probabilities that add up to 1, of scores of any size.
void softmax(std::span<float> scores);
/// Each score for itself to a probability.
void sigmoid(std::span<float> scores);

/// One batch of batch_by_length(): places of its texts in the list, and what they are padded to.
struct LengthBatch {
    std::vector<std::uint32_t> texts;
    std::uint32_t tokens = 0;  // Of the longest.
};

struct LengthBatchLimits {
    std::size_t texts_max = 32;
    std::size_t tokens_max = 16'384;  // Padding counted; a text that is longer than this goes alone.
    double waste_max = 0.2;           // Share of padding in a batch, 0 to 1.
};

/// Cuts texts, given by their tokens, into batches of texts of like length: sorted by length, and cut where the next text would break a
/// limit. Every text is in one batch; equal lengths keep their order.
std::vector<LengthBatch> batch_by_length(std::span<const std::uint32_t> tokens, const LengthBatchLimits& limits);

}  // namespace tidegate::model
