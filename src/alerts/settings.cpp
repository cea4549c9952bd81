#include "alerts/settings.h"

#include <algorithm>
#include <chrono>

namespace tidegate::alerts {
namespace {

using std::chrono::hours;
using std::chrono::minutes;
using std::chrono::seconds;

constexpr double kNumberMax = 1e15;

Result<void> check_matcher(std::string_view text) {
    const std::size_t equals = text.find('=');
    if (equals == 0 || equals == std::string_view::npos) {
        return fail(ErrorCode::kInvalidArgument, "is not LABEL=VALUE");
    }
    return {};
}

void declare_rule_source(settings::Table& table, RuleOptions& s) {
    table.add("name", s.name, "").doc("What the alert is called.");
    table.add("enabled", s.enabled, true)
        .doc("False: the rule does not count; so a rule of the program is switched off.");
    table.add("kind", s.kind, "threshold")
        .choices({"threshold", "rate", "ratio", "absence", "drift", "spend", "upstream_down", "audit_degraded"})
        .doc(
            "threshold: the metric itself; rate: its growth a second over window_s; ratio: growth of metric by growth "
            "of of_metric; "
            "absence: no growth, or no such series, over window_s; spend: points charged within window_s; the others "
            "need no metric.");
    table.add("metric", s.metric, "")
        .doc("A name of /metrics (a histogram's with _count or _sum), or a view (docs/alerts.md).");
    table.add("labels", s.labels, {})
        .check(check_matcher, "LABEL=VALUE, LABEL=START*")
        .doc("Which series count; all of these must match.");
    table.add("of_metric", s.of_metric, "").doc("Of a ratio: what metric is a part of.");
    table.add("of_labels", s.of_labels, {})
        .check(check_matcher, "LABEL=VALUE, LABEL=START*")
        .doc("Which series of of_metric count.");
    table.add("by", s.by, {}).doc("Labels by whose values the alert is raised apart; the series of each are summed.");
}

void declare_rule_judgement(settings::Table& table, RuleOptions& s) {
    table.add("comparison", s.comparison, ">")
        .choices({">", ">=", "<", "<="})
        .doc("How the number is compared with value.");
    table.add("value", s.value, 0.0).range(-kNumberMax, kNumberMax).doc("The threshold.");
    table.add("hysteresis", s.hysteresis, 0.0)
        .range(0, kNumberMax)
        .doc("By so much the number must be back on the good side of value before the alert is resolved.");
    table.add("count_min", s.count_min, 0.0)
        .range(0, kNumberMax)
        .doc("Of a ratio: least growth of of_metric over the window that says anything.");
    table.add("for_s", s.for_time, seconds(0))
        .range(seconds(0), hours(24))
        .doc("So long it must hold before the alert fires.");
    table.add("window_s", s.window, minutes(5))
        .range(seconds(5), hours(24))
        .doc("Of rates, ratios, absence and spend.");
    table.add("resolve_for_s", s.resolve_for, minutes(1))
        .range(seconds(0), hours(24))
        .doc("So long it must be good again before the alert is resolved.");
    table.add("severity", s.severity, "warning").choices({"info", "warning", "critical"}).doc("How bad it is.");
    table.add("webhooks", s.webhooks, {}).doc("Names of webhooks that are told; none: all of them.");
    table.add("summary", s.summary, "").doc("One line for whoever is woken by it.");
}

void declare_rule(settings::Table& table, RuleOptions& s) {
    declare_rule_source(table, s);
    declare_rule_judgement(table, s);
}

}  // namespace

void declare(settings::Table& table, AlertSettings& s) {
    table.group("alerts", "When the server calls for somebody");
    table.add("alerts.enabled", s.enabled, true).doc("Judge the rules.");
    table.add("alerts.defaults", s.defaults, true).doc("Also the rules that come with the program (docs/alerts.md).");
    table.add("alerts.interval_s", s.interval, seconds(5))
        .range(seconds(1), minutes(5))
        .doc("Time between two judgements.");
    table.add("alerts.keep_s", s.keep, hours(24 * 90))
        .range(hours(1), hours(24 * 3650))
        .doc("A resolved alert is kept so long.");
    table.add("alerts.history_max", s.history_max, 10'000)
        .range(100, 1'000'000)
        .unit("alerts")
        .doc("Resolved alerts that are kept at most; the oldest go first.");
    table.add("alerts.silences_max", s.silences_max, 200)
        .range(1, 10'000)
        .unit("silences")
        .doc("Silences that hold at once at most; one more gets 409.");
    table.list("alerts.rules", s.rules, declare_rule,
               "Rules of your own; one with the name of a rule of the program takes its place.", "name");
}

std::vector<RuleOptions> default_rules() {
    std::vector<RuleOptions> rules;
    const auto add = [&rules](std::string name, std::string kind, std::string severity,
                              std::string summary) -> RuleOptions& {
        RuleOptions& rule = rules.emplace_back();
        rule.name = std::move(name);
        rule.kind = std::move(kind);
        rule.severity = std::move(severity);
        rule.summary = std::move(summary);
        return rule;
    };
    add("audit_degraded", "audit_degraded", "critical",
        "Decisions cannot be made durable: look at the disk of the log.")
        .resolve_for = seconds(30);
    RuleOptions& lost =
        add("decisions_lost", "rate", "critical", "Answers went out whose decisions are not in the log.");
    lost.metric = "tidegate_audit_gap_total";
    add("upstream_down", "upstream_down", "critical", "No target of the upstream can be used.").for_time = seconds(15);
    RuleOptions& target = add("upstream_target_out", "threshold", "warning", "Targets of the upstream are out of use.");
    target.metric = "upstream_targets_out";
    target.by = {"upstream"};
    target.for_time = minutes(1);
    add("drift", "drift", "warning", "A model's decisions are not as they were: see /api/drift/alerts.");
    // Twenty requests of which two fail are 10 %: fewer say nothing.
    RuleOptions& errors =
        add("error_ratio", "ratio", "critical", "More than 5 % of the requests end in a server error.");
    errors.metric = errors.of_metric = "http_requests_total";
    errors.labels = {"status=5*"};
    errors.value = 0.05;
    errors.hysteresis = 0.02;
    errors.count_min = 20;
    errors.for_time = minutes(1);
    RuleOptions& dead =
        add("dead_jobs", "rate", "warning", "Jobs used up their attempts: see /api/v1/jobs?state=dead.");
    dead.metric = "tidegate_jobs_ended_total";
    dead.labels = {"state=dead"};
    dead.by = {"kind"};
    return rules;
}

}  // namespace tidegate::alerts
