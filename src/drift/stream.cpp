#include "drift/stream.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <utility>

namespace tidegate::drift {
namespace {

constexpr std::size_t kFixedNumerics = 6;
constexpr std::array<std::string_view, kFixedNumerics> kNumericNames{"confidence", "input_size", "output_size",
                                                                     "tokens",     "latency",    "text_length"};
constexpr std::size_t kLatency = 4;
constexpr std::array<std::string_view, 3> kCategoryNames{"band", "language", "error_rate"};
// Different words of a class that a baseline tells apart; a class with more is hardly one.
constexpr std::size_t kWordsMax = 256;
constexpr double kRunMax = 1e12;  // What Tandem's thresholds are made for.

// Times are told apart by their ratio, as people do.
double log_of(double us) {
    return std::isfinite(us) ? std::log(std::max(us, 1.0)) : us;
}

std::string_view word_of(const Observation& observation, std::size_t category) {
    if (category == 0) return observation.band;
    if (category == 1) return observation.language;
    if (observation.failed == kNotCounted) return kNoWord;
    return observation.failed > 0 ? "failed" : "answered";
}

// Share of the reference below the value, ties by half: about even on [0, 1] for a value like those of the reference.
double rank_in(std::span<const double> sorted, double value) {
    const auto [first, last] = std::ranges::equal_range(sorted, value);
    const auto below = static_cast<double>((first - sorted.begin()) + (last - sorted.begin())) / 2;
    return below / static_cast<double>(sorted.size());
}

double arcsine(double share) {
    return 2 * std::asin(std::sqrt(std::clamp(share, 0.0, 1.0)));
}

}  // namespace

EffectMinima effects_of_shift(double deviations) noexcept {
    // A shift by d moves a normal distribution function by d / sqrt(2 pi) at most; PSI is d^2, chi-square's w is d,
    // Jensen-Shannon's distance d / sqrt(8 ln 2).
    return {deviations * deviations, 0.3989 * deviations, deviations, 0.4247 * deviations, deviations};
}

std::string to_string(const StreamKey& key) {
    std::string text = key.service + "/" + key.operation;
    for (const std::string* part : {&key.model, &key.tenant, &key.segment}) {
        if (!part->empty()) text += " " + *part;
    }
    return text;
}

Stream::Stream(StreamKey key, const MonitorOptions& options)
    : key_(std::move(key)),
      options_(&options),
      errors_({.expected_run = kRunMax, .direction = Direction::kRise}),
      latencies_({.expected_run = kRunMax, .direction = Direction::kBoth}) {
    for (const std::string_view name : kNumericNames) numerics_.push_back({std::string(name), {}, std::nullopt});
    for (const std::string& name : options.numbers) numerics_.push_back({name, {}, std::nullopt});
    for (const std::string_view name : kCategoryNames) {
        Category& category = categories_.emplace_back();
        category.feature = name;
    }
}

double Stream::numeric_value(const Observation& observation, std::size_t feature) noexcept {
    switch (feature) {
        case 0:
            return observation.confidence;
        case 1:
            return observation.input_size;
        case 2:
            return observation.output_size;
        case 3:
            return observation.tokens;
        case kLatency:
            return log_of(observation.latency_us);
        case 5:
            return observation.text_length;
        default:
            const std::size_t number = feature - kFixedNumerics;
            return number < observation.numbers.size() ? observation.numbers[number] : kMissing;
    }
}

void Stream::add(const Observation& observation, std::vector<Finding>& findings) {
    ++decisions_;
    // Records are in the order of the log, and clocks may step back: time does not.
    last_at_ = std::max(last_at_, observation.at);
    if (watching_) {
        watch(observation, findings);
    } else {
        collect(observation);
        if (collected_ == options_->baseline) finish_baseline();
    }
}

void Stream::collect(const Observation& observation) {
    if (collected_++ == 0) began_ = last_at_;
    // It learns what the rate was; until there is a budget it says nothing.
    if (observation.failed != kNotCounted) errors_.update(observation.failed);
    for (std::size_t i = 0; i < numerics_.size(); ++i) {
        const double value = numeric_value(observation, i);
        if (value != kNotCounted) numerics_[i].values.push_back(value);
    }
    for (std::size_t i = 0; i < categories_.size(); ++i) {
        const std::string_view word = word_of(observation, i);
        if (word == kNoWord) continue;
        Category& category = categories_[i];
        const auto found = category.seen.find(word);
        if (found != category.seen.end()) {
            ++found->second;
        } else if (category.seen.size() < kWordsMax) {
            category.seen.emplace(word, 1);
        } else {
            ++category.unnamed;
        }
    }
}

TestOptions Stream::test_options() const {
    TestOptions options;
    options.replicates = options_->replicates;
    options.seed = options_->seed;
    options.effects = options_->effects;
    return options;
}

void Stream::make_tests() {
    for (Numeric& numeric : numerics_) {
        // Sorted, so that the same values give the same sums to the last bit, also when they come from a snapshot.
        std::ranges::sort(numeric.values, [](double a, double b) { return std::isnan(b) ? !std::isnan(a) : a < b; });
        numeric.tests.emplace(NumericReference::from(numeric.values, numeric.values.size()), test_options());
        numeric.values.clear();
        numeric.values.shrink_to_fit();
    }
    for (Category& category : categories_) {
        const std::map<std::string, std::uint64_t> seen(category.seen.begin(), category.seen.end());
        CategoryReference reference = CategoryReference::from(seen);
        reference.counts.add(reference.cells.other(), category.unnamed);
        category.tests.emplace(std::move(reference), test_options());
        category.cells.clear();
    }
}

void Stream::finish_baseline() {
    // In the order of time, as the detectors want them; the tests want them sorted.
    const std::vector<double> latencies = numerics_[kLatency].values;
    make_tests();
    Baseline baseline;
    baseline.number = baselines_.empty() ? 1 : baselines_.back().number + 1;
    baseline.from = began_;
    baseline.to = last_at_;
    baseline.n = collected_;
    baseline.reason = reason_;
    for (const Numeric& numeric : numerics_) {
        const NumericReference& reference = numeric.tests->reference();
        if (reference.sample.empty()) continue;
        baseline.features.push_back({numeric.feature, reference.sample.size(), reference.mean, reference.deviation});
    }
    for (const Category& category : categories_) {
        const std::uint64_t n = category.tests->reference().counts.total();
        if (n > 0) baseline.features.push_back({category.feature, n, 0, 0});
    }
    baselines_.push_back(std::move(baseline));
    if (baselines_.size() > options_->baselines_kept) baselines_.pop_front();
    watching_ = true;
    looked_at_ = last_at_;
    look_ = {};
    fresh_ = head_ = 0;
    latencies_ = Tandem({.expected_run = kRunMax, .direction = Direction::kBoth});
    const std::vector<double>& sample = numerics_[kLatency].tests->reference().sample;
    for (const double latency : latencies) {
        if (std::isfinite(latency)) latencies_.update(rank_in(sample, latency));
    }
    expected_run_ = 1'000;
    const auto lasted = static_cast<double>(std::max<UnixMillis>(last_at_ - began_, 1));
    raise_run(static_cast<double>(collected_) / lasted * static_cast<double>(kMonthMs));
    ++reference_version_;
}

void Stream::reset_baseline(std::string reason) {
    for (Numeric& numeric : numerics_) {
        numeric.tests.reset();
        numeric.values.clear();
    }
    for (Category& category : categories_) {
        category.tests.reset();
        category.seen.clear();
        category.unnamed = 0;
        category.cells.clear();
    }
    errors_.reset();
    errors_.set_expected_run(kRunMax);
    watching_ = false;
    collected_ = fresh_ = head_ = 0;
    look_ = {};
    reason_ = std::move(reason);
    ++reference_version_;
}

Result<void> Stream::set_baseline(std::span<const Observation> period, std::string reason) {
    constexpr std::size_t kLeast = 100;  // TestOptions::m_min.
    if (period.size() < kLeast) {
        return fail(ErrorCode::kFailedValidation, "the period holds fewer than 100 decisions of the stream");
    }
    if (period.size() > options_->baseline) period = period.last(options_->baseline);
    reset_baseline(std::move(reason));
    const UnixMillis now = last_at_;
    for (const Observation& observation : period) collect(observation);
    began_ = period.front().at;
    last_at_ = period.back().at;
    finish_baseline();
    // What the time since then would have earned is not given to the first look.
    last_at_ = looked_at_ = std::max(now, last_at_);
    return {};
}

// Each detector has a quarter of the alarms, in values of its own. The budget is one over time: a faster stream needs longer runs.
void Stream::raise_run(double decisions_a_month) noexcept {
    const double needed = 4 * decisions_a_month / options_->alarms_a_month;
    expected_run_ = std::clamp(needed, expected_run_, kRunMax);
    errors_.set_expected_run(expected_run_);
    latencies_.set_expected_run(expected_run_);
}

void Stream::watch(const Observation& observation, std::vector<Finding>& findings) {
    feed_detectors(observation, findings);
    const std::size_t window = options_->window;
    for (std::size_t i = 0; i < numerics_.size(); ++i) {
        std::vector<double>& values = numerics_[i].values;
        const double value = numeric_value(observation, i);
        if (values.size() < window) {
            values.push_back(value);
        } else {
            values[head_] = value;
        }
    }
    for (std::size_t i = 0; i < categories_.size(); ++i) {
        Category& category = categories_[i];
        const std::string_view word = word_of(observation, i);
        const auto cell =
            word == kNoWord ? kLeftOut : static_cast<std::uint8_t>(category.tests->reference().cells.cell_of(word));
        if (category.cells.size() < window) {
            category.cells.push_back(cell);
        } else {
            category.cells[head_] = cell;
        }
    }
    if (fresh_ >= window) head_ = (head_ + 1) % window;
    ++fresh_;
    if (is_due()) take_look(findings);
}

bool Stream::is_due() const noexcept {
    const UnixMillis waited = last_at_ - looked_at_;
    if (fresh_ >= options_->window) return waited >= options_->look_interval_ms;
    return fresh_ >= options_->window_min && waited >= options_->window_age_max_ms;
}

void Stream::feed_detectors(const Observation& observation, std::vector<Finding>& findings) {
    const auto found = [&](const Tandem& detector, std::string_view feature, double effect, double effect_min) {
        // Two events in a row after long silence are no rate yet.
        constexpr double kAfterMin = 5;
        if (effect < effect_min || detector.age_of_change() < kAfterMin) return;
        Finding& finding = findings.emplace_back();
        finding.stream = key_;
        finding.feature = feature;
        finding.at = last_at_;
        finding.evidence.test = "tandem";
        finding.evidence.statistic = detector.mean_after();
        finding.evidence.effect = effect;
        finding.evidence.p = detector_level();
        finding.evidence.threshold = effect_min;
        finding.evidence.n = static_cast<std::size_t>(detector.age_of_change());
        finding.evidence.m = static_cast<std::size_t>(detector.values_before());
        finding.evidence.contribution = 1;
        finding.evidence.moved = {{"mean", detector.mean_before(), detector.mean_after(), 1}};
        ++findings_;
    };
    if (observation.failed != kNotCounted && errors_.update(observation.failed) == State::kDrift) {
        found(errors_, "error_rate", std::abs(arcsine(errors_.mean_after()) - arcsine(errors_.mean_before())),
              options_->error_effect);
    }
    const std::vector<double>& sample = numerics_[kLatency].tests->reference().sample;
    if (!std::isfinite(observation.latency_us) || sample.empty()) return;
    const double rank = rank_in(sample, log_of(observation.latency_us));
    if (latencies_.update(rank) == State::kDrift) {
        found(latencies_, "latency", std::abs(latencies_.mean_after() - latencies_.mean_before()),
              options_->rank_effect);
    }
}

}  // namespace tidegate::drift
