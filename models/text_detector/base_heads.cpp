#include "base_heads.h"

#include <algorithm>
#include <cmath>

#include "char_builder.h"

namespace tidegate::provenance::text::training {
namespace {

// Rare grams get the larger factor: inverse document frequency, smoothed.
std::vector<float> inverse_frequency(const SparseRows& rows, const std::vector<std::uint32_t>& use,
                                     std::size_t columns) {
    std::vector<float> seen(columns, 0);
    for (const std::uint32_t row : use) {
        for (const std::uint32_t column : rows.columns(row)) seen[column] += 1;
    }
    const double total = static_cast<double>(use.size());
    for (float& value : seen) {
        // A gram in fewer than three windows is a name or a slip: it gets no weight.
        value =
            value < 3 ? 0.0F : static_cast<float>(1.0 + std::log((1.0 + total) / (1.0 + static_cast<double>(value))));
    }
    return seen;
}

HashedHead train_head(const SparseRows& rows, const std::vector<std::uint32_t>& use, unsigned bits, double l2,
                      unsigned iterations) {
    const std::size_t columns = std::size_t{1} << bits;
    const std::vector<float> scale = inverse_frequency(rows, use, columns);
    const LogisticFit fit =
        fit_logistic(rows, use, columns,
                     {.l2 = l2, .iterations_max = iterations, .tolerance = 1e-3, .column_scale = scale, .prior = {}});
    HashedHead head;
    head.bias = fit.bias;
    double largest = 0;
    for (const double weight : fit.weights) largest = std::max(largest, std::abs(weight));
    head.scale = largest > 0 ? largest / 32767.0 : 1.0;
    head.weights.resize(columns);
    for (std::size_t i = 0; i < columns; ++i) {
        head.weights[i] = static_cast<std::int16_t>(std::lround(fit.weights[i] / head.scale));
    }
    return head;
}

StyleHead train_style(const SparseRows& rows, const std::vector<std::uint32_t>& use, double l2, unsigned iterations) {
    const std::size_t columns = stylometry_size();
    StyleHead head;
    head.mean.assign(columns, 0);
    head.inverse_deviation.assign(columns, 0);
    double total = 0;
    for (const std::uint32_t row : use) {
        total += rows.weight(row);
        for (std::size_t i = 0; i < columns; ++i)
            head.mean[i] += rows.weight(row) * static_cast<double>(rows.values(row)[i]);
    }
    for (double& mean : head.mean) mean /= total;
    std::vector<double> variance(columns, 0);
    for (const std::uint32_t row : use) {
        for (std::size_t i = 0; i < columns; ++i) {
            const double delta = static_cast<double>(rows.values(row)[i]) - head.mean[i];
            variance[i] += rows.weight(row) * delta * delta / total;
        }
    }
    for (std::size_t i = 0; i < columns; ++i) {
        // A feature that never varies carries nothing.
        head.inverse_deviation[i] = variance[i] > 1e-10 ? 1.0 / std::sqrt(variance[i]) : 0.0;
    }
    SparseRows standard;
    for (const std::uint32_t row : use) {
        standard.begin_row(rows.target(row), rows.weight(row));
        for (std::uint32_t i = 0; i < columns; ++i) {
            standard.add(i, static_cast<float>(head.standardise(i, static_cast<double>(rows.values(row)[i]))));
        }
    }
    const LogisticFit fit =
        fit_logistic(standard, {}, columns,
                     {.l2 = l2, .iterations_max = iterations * 3, .tolerance = 1e-4, .column_scale = {}, .prior = {}});
    head.weights = fit.weights;
    head.bias = fit.bias;
    return head;
}

}  // namespace

Model train_base(const FeatureTable& table, const std::vector<Document>& documents,
                 const std::function<bool(std::uint32_t)>& use, const BaseOptions& options) {
    std::vector<std::uint32_t> windows;
    std::vector<std::string_view> texts;
    std::vector<bool> ai;
    for (std::uint32_t w = 0; w < table.document.size(); ++w) {
        if (!use(table.document[w])) continue;
        windows.push_back(w);
        if (table.lower[w].empty()) continue;
        texts.emplace_back(table.lower[w]);
        ai.push_back(documents[table.document[w]].ai);
    }
    Model model;
    for (std::size_t h = 0; h < kHashedHeadCount; ++h) {
        model.heads[h] = train_head(table.heads[h], windows, kHeadBits[h], options.l2_heads[h], options.iterations_max);
    }
    model.style = train_style(table.style, windows, options.l2_style, options.iterations_max);
    model.chars = build_char_model(texts, ai, options.char_slot_bits);
    return model;
}

}  // namespace tidegate::provenance::text::training
