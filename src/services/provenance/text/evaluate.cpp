#include "services/provenance/text/evaluate.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <set>

#include "services/provenance/text/baselines.h"

namespace tidegate::provenance::text {
namespace {

using Judgements = std::vector<const Judged*>;

bool in_slice(const Judged& j, std::initializer_list<std::string_view> slices) {
    return std::ranges::find(slices, std::string_view(j.sample->slice)) != slices.end();
}

bool is_essay_human(const Judged& j) {
    return !j.ai() && in_slice(j, {"native_essay_fpr", "esl_fpr", "esl_prep_essays"});
}

bool is_chat_domain(const Judged& j, std::string_view domain) {
    return j.sample->domain == domain && in_slice(j, {"new_models", "extra_human"});
}

// The release gates' groups: the research's tables, text for text.
bool in_group(const Judged& j, std::string_view group) {
    if (group == "A in-domain") return in_slice(j, {"biscope_in_domain"});
    if (group == "B news") return is_chat_domain(j, "xsum");
    if (group == "B fiction") return is_chat_domain(j, "writing");
    if (group == "C essays") return in_slice(j, {"essays_ai"}) || is_essay_human(j);
    const bool unseen_human = !j.ai() && (is_essay_human(j) || is_chat_domain(j, "xsum") ||
                                          is_chat_domain(j, "writing") || is_chat_domain(j, "pubmed"));
    return in_slice(j, {"humanised_tool"}) || unseen_human;
}
constexpr auto kGateGroups =
    std::to_array<std::string_view>({"A in-domain", "B news", "B fiction", "C essays", "G humanised"});

struct Goal {
    double auroc;
    double tpr1;
};
// FACTS.md, "Gates for the text detector".
constexpr std::array<Goal, kGateGroups.size()> kGoals = {
    {{.997, .94}, {.98, .80}, {.975, .68}, {.975, .70}, {.94, .55}}};

bool is_english(const Judged& j) {
    return j.sample->slice != "non_english";
}

void count_band(BandCounts& counts, Band band) {
    switch (band) {
        case Band::kHuman:
            ++counts.human;
            return;
        case Band::kUncertain:
            ++counts.uncertain;
            return;
        case Band::kAi:
            ++counts.ai;
            return;
    }
}

class Reporter {
  public:
    Reporter(const EvaluationOptions& options, bool with_compression)
        : options_(options), with_compression_(with_compression) {}

    GroupReport report(std::string name, const Judgements& items) const {
        GroupReport group;
        group.name = std::move(name);
        std::vector<Scored> confidence;
        for (const Judged* j : items) {
            ++(j->ai() ? group.machines : group.humans);
            count_band(j->ai() ? group.machine_bands : group.human_bands, j->band);
            confidence.push_back({j->confidence, j->ai()});
        }
        group.calibration_error = calibration_error(confidence);
        group.detector = rank(items, [](const Judged& j) { return j.log_odds; });
        group.char_baseline = rank(items, [](const Judged& j) { return j.char_baseline; });
        if (with_compression_) {
            group.compression_baseline = rank(items, [](const Judged& j) { return j.compression_baseline; });
        }
        return group;
    }

  private:
    template <class Pick>
    Ranking rank(const Judgements& items, Pick pick) const {
        std::vector<Scored> scored;
        for (const Judged* j : items) scored.push_back({pick(*j), j->ai()});
        const auto measured = [&](const Measure& measure) {
            const bool both = std::ranges::any_of(scored, &Scored::ai) && !std::ranges::all_of(scored, &Scored::ai);
            return bootstrap(scored, measure, both ? options_.replicates : 0, options_.seed);
        };
        return {measured(auroc), measured([](auto s) { return tpr_at_fpr(s, 0.01); }),
                measured([](auto s) { return tpr_at_fpr(s, 0.05); })};
    }

    const EvaluationOptions& options_;
    bool with_compression_;
};

template <class Predicate>
Judgements pick(const std::vector<Judged>& all, Predicate predicate) {
    Judgements picked;
    for (const Judged& j : all) {
        if (predicate(j)) picked.push_back(&j);
    }
    return picked;
}

void report_gate_groups(const std::vector<Judged>& all, const Reporter& reporter, Evaluation& out) {
    for (std::size_t g = 0; g < kGateGroups.size(); ++g) {
        const Judgements items = pick(all, [&](const Judged& j) { return in_group(j, kGateGroups[g]); });
        if (items.empty()) continue;
        out.gate_groups.push_back(reporter.report(std::string(kGateGroups[g]), items));
        const GroupReport& group = out.gate_groups.back();
        if (group.humans == 0 || group.machines == 0) continue;
        out.gates.push_back({group.name + " AUROC", group.detector.auroc.value, kGoals[g].auroc, false});
        out.gates.push_back({group.name + " TPR at 1 % FPR", group.detector.tpr1.value, kGoals[g].tpr1, false});
    }
}

double error_of(const std::vector<Judged>& all, std::initializer_list<std::string_view> groups) {
    std::vector<Scored> scored;
    for (const Judged& j : all) {
        if (std::ranges::any_of(groups, [&](std::string_view group) { return in_group(j, group); })) {
            scored.push_back({j.confidence, j.ai()});
        }
    }
    return calibration_error(scored);
}

void add_honesty_gates(const std::vector<Judged>& all, Evaluation& out) {
    // Worst slice: humans of 100 words and more that were called ai.
    std::map<std::string, std::pair<double, double>> slices;
    double toefl = 0;
    bool has_toefl = false;
    for (const Judged& j : all) {
        if (j.ai()) continue;
        has_toefl = has_toefl || in_slice(j, {"esl_fpr"});
        toefl += in_slice(j, {"esl_fpr"}) && j.band == Band::kAi ? 1 : 0;
        if (j.words < 100) continue;
        auto& [flagged, total] = slices[j.sample->slice + "/" + j.sample->domain];
        total += 1;
        flagged += j.band == Band::kAi ? 1 : 0;
    }
    double worst = 0;
    for (const auto& [name, counts] : slices) worst = std::max(worst, counts.first / counts.second);
    if (!slices.empty()) {
        out.gates.push_back({"humans called ai, worst slice, 100+ words", worst, 0.01, true});
    }
    if (has_toefl) out.gates.push_back({"TOEFL essays called ai", toefl, 1, true});
    const double inside = error_of(all, {"A in-domain"});
    const double outside = error_of(all, {"B news", "B fiction", "C essays"});
    if (!std::isnan(inside)) out.gates.push_back({"calibration error in-domain", inside, .03, true});
    if (!std::isnan(outside)) out.gates.push_back({"calibration error B and C", outside, .10, true});
}

void report_slices(const std::vector<Judged>& all, const Reporter& reporter, Evaluation& out) {
    std::set<std::string> names;
    for (const Judged& j : all) names.insert(j.sample->slice + "/" + j.sample->domain);
    for (const std::string& name : names) {
        out.by_slice.push_back(reporter.report(
            name, pick(all, [&](const Judged& j) { return j.sample->slice + "/" + j.sample->domain == name; })));
    }
}

// A generator's texts against the humans of the same domains, or all English humans where there are fewer than 20.
void report_models(const std::vector<Judged>& all, const Reporter& reporter, Evaluation& out) {
    std::map<std::string, std::set<std::string>> domains_of;
    for (const Judged& j : all) {
        if (j.ai() && is_english(j)) domains_of[j.sample->model].insert(j.sample->domain);
    }
    for (const auto& [model, domains] : domains_of) {
        Judgements humans =
            pick(all, [&](const Judged& j) { return !j.ai() && is_english(j) && domains.contains(j.sample->domain); });
        if (humans.size() < 20) humans = pick(all, [](const Judged& j) { return !j.ai() && is_english(j); });
        Judgements items =
            pick(all, [&](const Judged& j) { return j.ai() && is_english(j) && j.sample->model == model; });
        items.insert(items.end(), humans.begin(), humans.end());
        out.by_model.push_back(reporter.report(model, items));
    }
}

void report_lengths(const std::vector<Judged>& all, const Reporter& reporter, Evaluation& out) {
    constexpr std::array<double, 6> kEdges = {0, 60, 100, 200, 400, 1e9};
    for (std::size_t i = 0; i + 1 < kEdges.size(); ++i) {
        const Judgements items = pick(all, [&](const Judged& j) {
            const bool plain = j.sample->label == Label::kHuman || j.sample->label == Label::kAi;
            return plain && is_english(j) && j.sample->slice != "base_lms" && j.words >= kEdges[i] &&
                   j.words < kEdges[i + 1];
        });
        if (items.empty()) continue;
        const std::string name = i + 2 < kEdges.size() ? fmt::format("{}-{} words", kEdges[i], kEdges[i + 1] - 1)
                                                       : fmt::format("{}+ words", kEdges[i]);
        out.by_length.push_back(reporter.report(name, items));
    }
}

// Twenty bins of equal count by confidence; a bin counts as covered when its share of machines lies in the mean interval,
// give or take one standard error of that share.
double coverage(const std::vector<Judged>& all) {
    Judgements items = pick(all, [](const Judged& j) {
        return in_group(j, "A in-domain") || in_group(j, "B news") || in_group(j, "B fiction") ||
               in_group(j, "C essays");
    });
    std::ranges::sort(items, {}, [](const Judged* j) { return j->confidence; });
    constexpr std::size_t kBins = 20;
    std::size_t covered = 0;
    for (std::size_t b = 0; b < kBins; ++b) {
        const std::size_t begin = items.size() * b / kBins;
        const std::size_t end = items.size() * (b + 1) / kBins;
        if (begin == end) continue;
        double low = 0, high = 0, ai = 0;
        for (std::size_t i = begin; i < end; ++i) {
            low += items[i]->interval_low;
            high += items[i]->interval_high;
            ai += items[i]->ai() ? 1 : 0;
        }
        const auto n = static_cast<double>(end - begin);
        const double share = ai / n;
        const double error = std::sqrt(std::max(share * (1 - share), 1 / n) / n);
        if (share >= low / n - error && share <= high / n + error) covered += end - begin;
    }
    return items.empty() ? std::nan("") : static_cast<double>(covered) / static_cast<double>(items.size());
}

}  // namespace

Result<Evaluation> evaluate(const TextDetector& detector, const Dataset& data, const Dataset* train, const Clock& clock,
                            const EvaluationOptions& options) {
    std::vector<Judged> all;
    all.reserve(data.samples.size());
    Evaluation out;
    const SteadyTime start = clock.now();
    for (const Sample& sample : data.samples) {
        TG_TRY(const TextAnalysis analysis, detector.analyse(sample.text));
        all.push_back({.sample = &sample,
                       .log_odds = analysis.log_odds,
                       .confidence = analysis.confidence,
                       .interval_low = analysis.interval_low,
                       .interval_high = analysis.interval_high,
                       .words = static_cast<double>(analysis.word_count),
                       .band = analysis.band,
                       .char_baseline = analysis.signals.front().value});
        if (options.on_progress) options.on_progress(all.size(), data.samples.size());
    }
    out.seconds = std::chrono::duration<double>(clock.now() - start).count();
    out.char_baseline_name = "the shipped model's char_ngrams signal (training texts absent)";
    if (train != nullptr) {
        CharBaseline chars(train->samples);
        CompressionBaseline compression(train->samples);
        for (Judged& judged : all) {
            judged.char_baseline = chars.score(judged.sample->text);
            judged.compression_baseline = compression.score(judged.sample->text);
        }
        out.train_digest = train->digest;
        out.char_baseline_name = "character 2-5-gram logistic regression, trained in this run";
    }
    out.samples = all.size();
    out.data_digest = data.digest;
    out.model_version = detector.model_version();
    out.model_hash = detector.model_hash();
    out.calibration_version = detector.calibration_version();
    const Reporter reporter(options, train != nullptr);
    report_gate_groups(all, reporter, out);
    add_honesty_gates(all, out);
    report_models(all, reporter, out);
    report_slices(all, reporter, out);
    report_lengths(all, reporter, out);
    out.interval_coverage = coverage(all);
    return out;
}

}  // namespace tidegate::provenance::text
