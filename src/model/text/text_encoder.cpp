#include "model/text/text_encoder.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "base/assert.h"

namespace tidegate::model {

void pool_mean(std::span<const float> hidden, std::span<const std::uint8_t> mask, std::span<float> out) {
    const std::size_t dimensions = out.size();
    TG_ASSERT(hidden.size() == mask.size() * dimensions);
    std::vector<double> sums(dimensions);
    std::size_t count = 0;
    for (std::size_t token = 0; token < mask.size(); ++token) {
        if (mask[token] == 0) continue;
        ++count;
        const float* const row = hidden.data() + token * dimensions;
        for (std::size_t i = 0; i < dimensions; ++i) sums[i] += static_cast<double>(row[i]);
    }
    const double share = count == 0 ? 0.0 : 1.0 / static_cast<double>(count);
    for (std::size_t i = 0; i < dimensions; ++i) out[i] = static_cast<float>(sums[i] * share);
}

void pool_cls(std::span<const float> hidden, std::span<const std::uint8_t> mask, std::span<float> out) {
    TG_ASSERT(hidden.size() == mask.size() * out.size());
    const auto first =
        static_cast<std::size_t>(std::ranges::find_if(mask, [](std::uint8_t one) { return one != 0; }) - mask.begin());
    if (first == mask.size()) {
        std::ranges::fill(out, 0.0F);
        return;
    }
    std::ranges::copy(hidden.subspan(first * out.size(), out.size()), out.begin());
}

void normalise_l2(std::span<float> vector) {
    double sum = 0;
    for (const float value : vector) sum += static_cast<double>(value) * static_cast<double>(value);
    if (!(sum > 0)) return;
    const double scale = 1.0 / std::sqrt(sum);
    for (float& value : vector) value = static_cast<float>(static_cast<double>(value) * scale);
}

double cosine(std::span<const float> a, std::span<const float> b) {
    TG_ASSERT(a.size() == b.size());
    double product = 0;
    double of_a = 0;
    double of_b = 0;
    for (std::size_t i = 0; i < a.size(); ++i) {
        const auto x = static_cast<double>(a[i]);
        const auto y = static_cast<double>(b[i]);
        product += x * y;
        of_a += x * x;
        of_b += y * y;
    }
    return of_a > 0 && of_b > 0 ? product / std::sqrt(of_a * of_b) : 0.0;
}

void softmax(std::span<float> scores) {
    if (scores.empty()) return;
    const double highest = static_cast<double>(std::ranges::max(scores));
    double sum = 0;
    for (const float score : scores) sum += std::exp(static_cast<double>(score) - highest);
    for (float& score : scores) score = static_cast<float>(std::exp(static_cast<double>(score) - highest) / sum);
}

void sigmoid(std::span<float> scores) {
    for (float& score : scores) score = static_cast<float>(1.0 / (1.0 + std::exp(-static_cast<double>(score))));
}

std::vector<LengthBatch> batch_by_length(std::span<const std::uint32_t> tokens, const LengthBatchLimits& limits) {
    std::vector<std::uint32_t> order(tokens.size());
    std::iota(order.begin(), order.end(), 0U);
    // Longest first: the first text of a batch then says what the others are padded to.
    std::ranges::sort(order, [&](std::uint32_t a, std::uint32_t b) {
        return tokens[a] != tokens[b] ? tokens[a] > tokens[b] : a < b;
    });
    std::vector<LengthBatch> batches;
    std::uint64_t real = 0;  // Tokens of the last batch, padding left out.
    for (const std::uint32_t text : order) {
        if (!batches.empty()) {
            LengthBatch& last = batches.back();
            const std::uint64_t padded = std::uint64_t{last.tokens} * (last.texts.size() + 1);
            const double waste =
                padded == 0 ? 0.0 : 1.0 - static_cast<double>(real + tokens[text]) / static_cast<double>(padded);
            if (last.texts.size() < limits.texts_max && padded <= limits.tokens_max && waste <= limits.waste_max) {
                last.texts.push_back(text);
                real += tokens[text];
                continue;
            }
        }
        batches.push_back({{text}, tokens[text]});
        real = tokens[text];
    }
    return batches;
}

}  // namespace tidegate::model
