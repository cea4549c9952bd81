#include "alerts/rule.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <limits>
#include <utility>

#include "base/strings.h"

namespace tidegate::alerts {
namespace {

bool compares(const std::string& comparison, double value, double with) {
    if (comparison == ">") return value > with;
    if (comparison == ">=") return value >= with;
    if (comparison == "<") return value < with;
    return value <= with;
}

bool needs_growth(const std::string& kind) {
    return kind == "rate" || kind == "ratio" || kind == "absence" || kind == "spend";
}

std::string nearest(const std::string& name, const std::vector<Source::Described>& known) {
    std::string best;
    std::size_t least = std::numeric_limits<std::size_t>::max();
    for (const Source::Described& other : known) {
        const std::size_t distance = edit_distance(name, other.name);
        if (distance < least) {
            least = distance;
            best = other.name;
        }
    }
    return best;
}

}  // namespace

Result<std::vector<Rule::Matcher>> Rule::matchers(const std::vector<std::string>& texts) {
    std::vector<Matcher> all;
    for (const std::string& text : texts) {
        const std::size_t equals = text.find('=');
        if (equals == 0 || equals == std::string::npos)
            return fail(ErrorCode::kInvalidArgument, text + " is not LABEL=VALUE");
        Matcher matcher{text.substr(0, equals), text.substr(equals + 1), false};
        if (matcher.value.ends_with('*')) {
            matcher.is_start = true;
            matcher.value.pop_back();
        }
        all.push_back(std::move(matcher));
    }
    return all;
}

/// What a kind brings with it.
Result<void> Rule::fill_in() {
    const auto fixed = [&](std::string metric, std::vector<std::string> by, std::string comparison, double value) {
        options_.metric = std::move(metric);
        if (options_.by.empty()) options_.by = std::move(by);
        options_.comparison = std::move(comparison);
        options_.value = value;
    };
    const std::string& kind = options_.kind;
    if (kind == "audit_degraded") fixed("tidegate_audit_degraded", {}, ">", 0);
    if (kind == "upstream_down") fixed("upstream_targets_usable", {"upstream"}, "<", 1);
    if (kind == "drift") fixed("drift_alerts_open", {"service", "model", "tenant"}, ">", options_.value);
    if (kind == "absence") fixed(options_.metric, {}, "<=", 0);
    if (kind == "spend") {
        if (options_.metric.empty()) {
            options_.metric = "tidegate_spend_points_total";
            options_.labels = {"outcome=charged"};
        }
        if (options_.value <= 0)
            return fail(ErrorCode::kInvalidArgument, "a rule of kind spend needs value, in points");
    }
    if (options_.metric.empty()) return fail(ErrorCode::kInvalidArgument, "needs metric");
    if (kind == "ratio" && options_.of_metric.empty())
        return fail(ErrorCode::kInvalidArgument, "a ratio needs of_metric");
    if (kind != "ratio" && !options_.of_metric.empty())
        return fail(ErrorCode::kInvalidArgument, "only a ratio has of_metric");
    return {};
}

Result<Rule> Rule::make(RuleOptions options, const std::vector<Source::Described>& known) {
    Rule rule(std::move(options));
    const auto wrong = [&rule](const std::string& what) {
        return fail(ErrorCode::kInvalidArgument, "alerts.rules." + rule.name() + ": " + what);
    };
    if (const auto filled = rule.fill_in(); !filled) return wrong(filled.error().message);
    for (auto [metric, texts, into] : {std::tuple(&rule.options_.metric, &rule.options_.labels, &rule.of_part_),
                                       {&rule.options_.of_metric, &rule.options_.of_labels, &rule.of_whole_}}) {
        if (metric->empty()) continue;
        const auto family = std::ranges::find(known, *metric, &Source::Described::name);
        if (family == known.end()) {
            return wrong("there is no metric or view " + *metric + "; did you mean " + nearest(*metric, known) + "?");
        }
        auto made = matchers(*texts);
        if (!made) return wrong(made.error().message);
        std::vector<std::string> used = rule.options_.by;
        for (const Matcher& matcher : *made) used.push_back(matcher.label);
        for (const std::string& label : used) {
            if (std::ranges::find(family->labels, label) != family->labels.end()) continue;
            return wrong(
                fmt::format("{} has no label {}; it has: {}", *metric, label, fmt::join(family->labels, ", ")));
        }
        if (needs_growth(rule.options_.kind) && rule.options_.kind != "absence" && !family->grows) {
            return wrong(*metric + " is no counter: it has no growth to judge");
        }
        rule.grows_ = family->grows;
        *into = *std::move(made);
    }
    return rule;
}

Rule::Sums Rule::sum(const std::vector<Series>& all, const std::vector<Matcher>& wanted) const {
    Sums sums;
    for (const Series& series : all) {
        const bool matches = std::ranges::all_of(wanted, [&series](const Matcher& matcher) {
            const auto label = series.labels.find(matcher.label);
            if (label == series.labels.end()) return false;
            return matcher.is_start ? label->second.starts_with(matcher.value) : label->second == matcher.value;
        });
        if (!matches) continue;
        Labels group;
        for (const std::string& name : options_.by) {
            const auto label = series.labels.find(name);
            group.emplace(name, label == series.labels.end() ? std::string() : label->second);
        }
        sums[std::move(group)] += series.value;
    }
    return sums;
}

std::vector<Finding> Rule::look(const Source& source, SteadyTime now) {
    if (!first_look_) first_look_ = now;
    const Sums parts = sum(source.read(options_.metric), of_part_);
    const Sums wholes = options_.of_metric.empty() ? Sums() : sum(source.read(options_.of_metric), of_whole_);
    Sums all = parts;
    for (const auto& [labels, whole] : wholes) all.try_emplace(labels, 0);
    // What is looked for in a gauge is that it is there.
    if (!grows_ && options_.kind == "absence") return {{Labels(), parts.empty() ? 0.0 : 1.0}};
    // A counter without series has not grown; what it has not counted has no other name than this.
    if (needs_growth(options_.kind) && options_.by.empty()) all.try_emplace(Labels(), 0);
    std::vector<Finding> findings;
    for (const auto& [labels, part] : all) {
        const bool is_new = !past_.contains(labels);
        if (needs_growth(options_.kind) && is_new && past_.size() >= kGroupsMax) {
            ++left_out_;
            continue;
        }
        if (findings.size() >= kGroupsMax) {
            ++left_out_;
            break;
        }
        const auto whole = wholes.find(labels);
        findings.push_back(judge(labels, part, whole == wholes.end() ? 0 : whole->second, now));
    }
    // A ratio that too little was counted for has no number: it is left out, as one whose series are gone.
    std::erase_if(findings, [](const Finding& finding) { return finding.value && std::isnan(*finding.value); });
    return findings;
}

Rule::Growth Rule::growth(const Labels& labels, double part, double whole, SteadyTime now) {
    std::deque<Past>& past = past_[labels];
    // Counters of this process begin at 0: one that appears later has been 0 all the time.
    if (past.empty() && now != *first_look_) past.push_back({std::max(*first_look_, now - options_.window), 0, 0});
    past.push_back({now, part, whole});
    while (past.size() > 1 && past[1].at <= now - options_.window) past.pop_front();
    Growth growth;
    growth.over = now - past.front().at;
    growth.whole = whole - past.front().whole;
    const Duration enough = options_.kind == "absence" ? options_.window : options_.window / 4;
    if (growth.over >= enough) growth.part = part - past.front().part;
    return growth;
}

Finding Rule::judge(const Labels& labels, double part, double whole, SteadyTime now) {
    Finding finding{labels, part};
    if (!needs_growth(options_.kind) || !grows_) return finding;
    const Growth grown = growth(labels, part, whole, now);
    finding.value = grown.part;
    if (!grown.part) return finding;
    if (options_.kind == "rate") finding.value = *grown.part / std::chrono::duration<double>(grown.over).count();
    if (options_.kind == "ratio") {
        const bool enough = grown.whole > 0 && grown.whole >= options_.count_min;
        finding.value = enough ? *grown.part / grown.whole : std::numeric_limits<double>::quiet_NaN();
    }
    return finding;
}

bool Rule::is_bad(double value) const noexcept {
    return compares(options_.comparison, value, options_.value);
}

bool Rule::is_good(double value) const noexcept {
    const double margin = options_.comparison.starts_with('>') ? -options_.hysteresis : options_.hysteresis;
    return !compares(options_.comparison, value, options_.value + margin);
}

}  // namespace tidegate::alerts
