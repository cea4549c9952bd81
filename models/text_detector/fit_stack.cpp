#include "fit_stack.h"

#include <algorithm>
#include <cmath>
#include <map>

#include "base/random.h"
#include "services/provenance/text/logistic.h"
#include "services/provenance/text/metrics.h"

namespace tidegate::provenance::text::training {
namespace {

double weight_of(const ScoredRow& row, const StackOptions& options) {
    return row.weight * (row.setting == kAcrossDomains ? options.domain_weight : 1.0);
}

double length_of(double words) {
    return std::log(std::clamp(words, kLengthKnots.front(), kLengthKnots.back()) / 150.0);
}

// Midway between the class means, a signal at a time.
std::array<double, kSignalCount> centres(const std::vector<ScoredRow>& rows, const StackOptions& options) {
    std::array<std::array<double, kSignalCount>, 2> sums{};
    std::array<double, 2> totals{};
    for (const ScoredRow& row : rows) {
        const double weight = weight_of(row, options);
        totals[row.ai ? 1 : 0] += weight;
        for (std::size_t i = 0; i < kSignalCount; ++i) sums[row.ai ? 1 : 0][i] += weight * row.scores[i];
    }
    std::array<double, kSignalCount> centre{};
    for (std::size_t i = 0; i < kSignalCount; ++i) centre[i] = 0.5 * (sums[0][i] / totals[0] + sums[1][i] / totals[1]);
    return centre;
}

std::array<double, kStackInputs> inputs_of(const Stack& stack, const ScoredRow& row) {
    std::array<double, kStackInputs> inputs{};
    for (std::size_t i = 0; i < kSignalCount; ++i) inputs[stack_input(i)] += row.scores[i] - stack.centre[i];
    return inputs;
}

Stack fit_stack(const std::vector<ScoredRow>& rows, const StackOptions& options) {
    Stack stack;
    stack.centre = centres(rows, options);
    std::array<double, kStackInputs> deviation{};
    double total = 0;
    for (const ScoredRow& row : rows) {
        const auto inputs = inputs_of(stack, row);
        total += weight_of(row, options);
        for (std::size_t i = 0; i < kStackInputs; ++i) deviation[i] += weight_of(row, options) * inputs[i] * inputs[i];
    }
    for (double& value : deviation) value = std::sqrt(std::max(value / total, 1e-12));
    SparseRows design;
    // One free offset a setting and domain: it takes up how much a signal shifts between registers, which would
    // otherwise look like noise and cost the best signals their weight. The offsets are not kept.
    std::map<std::pair<int, std::string>, std::uint32_t> strata;
    constexpr std::uint32_t first_offset = 2 * kStackInputs + 1;
    for (const ScoredRow& row : rows) strata.try_emplace({row.setting, row.domain}, strata.size());
    for (const ScoredRow& row : rows) {
        const auto inputs = inputs_of(stack, row);
        const double length = length_of(row.words);
        design.begin_row(row.ai ? 1 : 0, weight_of(row, options));
        for (std::uint32_t i = 0; i < kStackInputs; ++i) {
            design.add(i, static_cast<float>(inputs[i] / deviation[i]));
            design.add(i + kStackInputs, static_cast<float>(inputs[i] / deviation[i] * length));
        }
        design.add(2 * kStackInputs, static_cast<float>(length));
        // Ten times larger than it is: hardly penalised.
        design.add(first_offset + strata.at({row.setting, row.domain}), 10.0F);
    }
    const LogisticFit fit =
        fit_logistic(design, {}, first_offset + strata.size(),
                     {.l2 = options.l2, .iterations_max = 300, .tolerance = 1e-6, .column_scale = {}, .prior = {}});
    for (std::size_t i = 0; i < kStackInputs; ++i) {
        stack.weight[i] = fit.weights[i] / deviation[i];
        stack.weight_by_length[i] = fit.weights[i + kStackInputs] / deviation[i];
    }
    stack.intercept = fit.bias;
    stack.intercept_by_length = fit.weights[2 * kStackInputs];
    return stack;
}

struct CalibrationRow {
    double raw = 0;
    double words = 0;
    double weight = 0;
    bool ai = false;
    std::size_t cluster = 0;
};

Calibration fit_calibration(const std::vector<CalibrationRow>& rows, const std::vector<double>& multiplicity) {
    constexpr std::size_t kKnots = kLengthKnots.size();
    SparseRows design;
    for (const CalibrationRow& row : rows) {
        if (multiplicity[row.cluster] == 0) continue;
        design.begin_row(row.ai ? 1 : 0, row.weight * multiplicity[row.cluster]);
        const ByLength weights = length_weights(row.words);
        for (std::uint32_t k = 0; k < kKnots; ++k) {
            if (weights[k] == 0) continue;
            design.add(k, static_cast<float>(weights[k] * row.raw));
            design.add(k + kKnots, static_cast<float>(weights[k]));
        }
    }
    // Pulled to "the stack is right as it is", as strongly as a thousandth of the rows.
    std::vector<double> prior(2 * kKnots, 0);
    std::fill_n(prior.begin(), kKnots, 1.0);
    LogisticFit fit =
        fit_logistic(design, {}, 2 * kKnots,
                     {.l2 = 1e-3, .iterations_max = 200, .tolerance = 1e-6, .column_scale = {}, .prior = prior});
    Calibration calibration;
    for (std::size_t k = 0; k < kKnots; ++k) {
        calibration.scale[k] = fit.weights[k];
        calibration.offset[k] = fit.weights[k + kKnots] + fit.bias;
    }
    return calibration;
}

// Domains within a setting are drawn first, then prompts within them: the interval has to say how little a handful of
// registers can tell about the next one.
void fit_calibrations(const std::vector<ScoredRow>& rows, const StackOptions& options, Model& model) {
    std::map<std::pair<int, std::string>, std::map<std::string, std::size_t>> strata;
    std::vector<CalibrationRow> table;
    std::size_t clusters = 0;
    for (const ScoredRow& row : rows) {
        auto& stratum = strata[{row.setting, row.domain}];
        const auto [at, added] = stratum.try_emplace(row.group, clusters);
        clusters += added ? 1 : 0;
        const double share = row.setting == kAcrossDomains ? options.calibration_domain_weight : 1.0;
        table.push_back({sum_of(apply_stack(model.stack, row.scores, row.words)), row.words, row.weight * share, row.ai,
                         at->second});
    }
    model.calibration = fit_calibration(table, std::vector<double>(clusters, 1.0));
    for (std::size_t i = 0; i < rows.size(); ++i) {
        const bool domains = rows[i].setting == kAcrossDomains;
        table[i].weight = rows[i].weight * (domains ? options.replicate_domain_weight : 1.0);
    }
    std::vector<std::vector<std::size_t>> members;
    for (const auto& [name, stratum] : strata) {
        auto& list = members.emplace_back();
        for (const auto& [group, cluster] : stratum) list.push_back(cluster);
    }
    SeededRandom random(options.seed);
    for (Calibration& replicate : model.replicates) {
        std::vector<double> multiplicity(clusters, 0);
        for (std::size_t draw = 0; draw < members.size(); ++draw) {
            const auto& list = members[random.next_u64() % members.size()];
            for (std::size_t i = 0; i < list.size(); ++i) multiplicity[list[random.next_u64() % list.size()]] += 1;
        }
        replicate = fit_calibration(table, multiplicity);
    }
}

void fit_segments(const std::vector<ScoredRow>& rows, Model& model) {
    SparseRows design;
    for (const ScoredRow& row : rows) {
        for (const auto& inputs : row.segments) {
            design.begin_row(row.ai ? 1 : 0, row.weight / static_cast<double>(row.segments.size()));
            for (std::uint32_t i = 0; i < kSegmentInputs; ++i) design.add(i, static_cast<float>(inputs[i]));
        }
    }
    const LogisticFit fit =
        fit_logistic(design, {}, kSegmentInputs,
                     {.l2 = 1e-4, .iterations_max = 200, .tolerance = 1e-6, .column_scale = {}, .prior = {}});
    std::copy_n(fit.weights.begin(), kSegmentInputs, model.segments.weight.begin());
    model.segments.intercept = fit.bias;
}

void fit_familiarity(const std::vector<ScoredRow>& rows, Model& model) {
    std::vector<double> function_words, surprise, distance, code, foreign;
    for (const ScoredRow& row : rows) {
        // Short crops scatter more than the texts that get a verdict.
        if (row.words < 50) continue;
        function_words.push_back(row.shown[kSignalFamilies]);
        surprise.push_back(row.shown[kSignalSurprise]);
        distance.push_back(row.style_distance);
        code.push_back(row.code_share);
        foreign.push_back(row.foreign_share);
    }
    // Half a per mille of the known texts lies outside each; across domains included, so a new register fits in.
    model.familiarity = {.function_words_min = quantile(function_words, 0.0005),
                         .surprise_max = quantile(surprise, 0.9995),
                         .style_distance_max = quantile(distance, 0.9995),
                         .code_symbols_max = std::max(0.02, quantile(code, 0.9995)),
                         .foreign_letters_max = std::max(0.05, quantile(foreign, 0.9995))};
}

void measure_human_ranges(const std::vector<ScoredRow>& rows, Model& model) {
    for (std::size_t i = 0; i < kSignalCount; ++i) {
        std::vector<double> values;
        for (const ScoredRow& row : rows) {
            if (!row.ai && row.whole && row.setting == kAcrossFolds) values.push_back(row.shown[i]);
        }
        model.human_ranges[i] = {quantile(values, 0.05), quantile(values, 0.95)};
    }
}

// The highest, over the domains, of: the 99.5th percentile of humans across folds, and the 99th across domains. So at
// most 1 % false positives in every register, unseen ones included, with a margin where the register is known; each
// domain by itself, since the next text comes from one register and not from the mean of all. The 1st percentile of AI
// across folds bounds the human band.
void fit_bands(const std::vector<ScoredRow>& rows, Model& model) {
    std::map<std::pair<int, std::string>, std::vector<double>> humans;
    std::vector<double> ai;
    model.bands.words_min = 60;  // Under it the hit rate at 1 % false positives halves (CARD.md, by length).
    for (const ScoredRow& row : rows) {
        if (row.words < model.bands.words_min) continue;
        const double value = log_odds_of(model, row);
        if (!row.ai) {
            humans[{row.setting, row.domain}].push_back(value);
        } else if (row.setting == kAcrossFolds) {
            ai.push_back(value);
        }
    }
    model.bands.ai_from = 0;
    for (const auto& [stratum, values] : humans) {
        const double share = stratum.first == kAcrossFolds ? 0.995 : 0.99;
        model.bands.ai_from = std::max(model.bands.ai_from, quantile(values, share));
    }
    model.bands.human_below = ai.empty() ? 0 : std::min(quantile(ai, 0.01), model.bands.ai_from);
}

}  // namespace

double log_odds_of(const Model& model, const ScoredRow& row) {
    return sum_of(calibrate(apply_stack(model.stack, row.scores, row.words), model.calibration, row.words));
}

void fit_above_base(const std::vector<ScoredRow>& rows, const StackOptions& options, Model& model) {
    model.stack = fit_stack(rows, options);
    fit_calibrations(rows, options, model);
    fit_segments(rows, model);
    fit_familiarity(rows, model);
    measure_human_ranges(rows, model);
    fit_bands(rows, model);
}

}  // namespace tidegate::provenance::text::training
