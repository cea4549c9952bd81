#include "alerts/watch.h"

#include <algorithm>
#include <chrono>
#include <iterator>
#include <utility>

#include "alerts/alert_json.h"
#include "base/ids.h"

namespace tidegate::alerts {
namespace {

constexpr Duration kForgetEach = std::chrono::minutes(10);
// Ended alerts that a full disk or a receiver that is gone keeps in memory, some 1 KB each; the oldest make room.
constexpr std::size_t kEndedMax = 10'000;

UnixMillis to_ms(Duration duration) {
    return std::chrono::duration_cast<std::chrono::milliseconds>(duration).count();
}

}  // namespace

Result<std::unique_ptr<Watch>> Watch::open(const AlertSettings& settings, const std::string& path, WatchParts parts) {
    TG_TRY(AlertStore store, AlertStore::open(path, parts.clock));
    std::unique_ptr<Watch> watch(new Watch(settings, std::move(store), parts));
    TG_CHECK(watch->take_up());
    return watch;
}

Watch::Watch(const AlertSettings& settings, AlertStore store, WatchParts parts)
    : settings_(settings), parts_(parts), store_(std::move(store)) {}

Watch::~Watch() {
    stop();
}

Result<void> Watch::take_up() {
    const Lock lock(mutex_);
    TG_TRY(std::vector<Alert> firing, store_.firing());
    for (Alert& alert : firing) {
        Key key(alert.rule, alert.labels);
        held_.insert_or_assign(std::move(key), Held{std::move(alert), parts_.clock.now(), std::nullopt, true});
    }
    TG_TRY(std::vector<Alert> untold, store_.untold());
    for (Alert& alert : untold) ended_.push_back({std::move(alert), {}, std::nullopt, true});
    TG_TRY(silences_, store_.silences(parts_.clock.unix_ms()));
    return {};
}

Result<void> Watch::use(Source source) {
    source_.emplace(std::move(source));
    std::vector<RuleOptions> all = settings_.rules;
    if (settings_.defaults) {
        for (RuleOptions& rule : default_rules()) {
            if (std::ranges::find(all, rule.name, &RuleOptions::name) == all.end()) all.push_back(std::move(rule));
        }
    }
    const std::vector<Source::Described> known = source_->describe();
    for (RuleOptions& options : all) {
        for (const std::string& name : options.webhooks) {
            if (parts_.webhooks != nullptr && parts_.webhooks->knows(name)) continue;
            return fail(ErrorCode::kInvalidArgument, "alerts.rules." + options.name + ": there is no webhook " + name);
        }
        const bool enabled = options.enabled;
        TG_TRY(Rule rule, Rule::make(std::move(options), known));
        if (enabled) rules_.push_back(std::move(rule));
    }
    return {};
}

void Watch::start() {
    thread_ = std::thread([this] { run(); });
}

void Watch::stop() {
    {
        const Lock lock(mutex_);
        stopping_ = true;
        wake_.notify_all();
    }
    if (thread_.joinable()) thread_.join();
}

void Watch::run() {
    SteadyTime next = parts_.clock.now();
    for (;;) {
        judge();
        next = std::max(next + settings_.interval, parts_.clock.now());
        const Lock lock(mutex_);
        while (!stopping_ && parts_.clock.now() < next) wake_.wait_for(mutex_, next - parts_.clock.now());
        if (stopping_) return;
    }
}

void Watch::judge() {
    const SteadyTime now = parts_.clock.now();
    std::vector<std::pair<const Rule*, std::vector<Finding>>> looked;
    // The numbers' own locks are none of ours.
    for (Rule& rule : rules_) {
        const std::uint64_t left_out = rule.left_out();
        looked.emplace_back(&rule, rule.look(*source_, now));
        // Said once a rule: what is not judged must not look like what is well.
        if (left_out > 0 || rule.left_out() == 0 || parts_.log == nullptr) continue;
        parts_.log->line(observe::Level::kWarn, "an alert rule has more groups of labels than are judged")
            .field("rule", rule.name())
            .field("groups_judged", std::uint64_t{Rule::kGroupsMax});
    }
    std::vector<Alert> telling;
    {
        const Lock lock(mutex_);
        for (const auto& [rule, findings] : looked) take_findings(*rule, findings, now);
        for (auto held = held_.begin(); held != held_.end();) {
            const bool has_rule = std::ranges::find(rules_, held->first.first, &Rule::name) != rules_.end();
            held =
                !has_rule && take_good(held->second, nullptr, "rule_gone", now) ? held_.erase(held) : std::next(held);
        }
        save_all();
        telling = to_be_told();
        judged_at_ = parts_.clock.unix_ms();
    }
    judgements_.fetch_add(1, std::memory_order_relaxed);
    for (const Alert& alert : telling) {
        {
            // Where no job can be kept, each post waits for its receiver: the end waits for one of them. The rest is told after the start.
            const Lock lock(mutex_);
            if (stopping_) break;
        }
        if (!tell(alert)) continue;
        const Lock lock(mutex_);
        note_told(alert);
    }
    const Lock lock(mutex_);
    save_all();
}

void Watch::take_findings(const Rule& rule, const std::vector<Finding>& findings, SteadyTime now) {
    Found& found = found_[rule.name()];
    found = {};
    for (const Finding& finding : findings) {
        if (finding.value) found = {found.series + 1, finding.value};
        const Key key(rule.name(), finding.labels);
        auto held = held_.find(key);
        if (!finding.value) continue;  // Too early to say: whatever it was, it is still.
        if (held == held_.end() && !rule.is_bad(*finding.value)) continue;
        if (held == held_.end()) {
            held = held_.emplace(key, Held{}).first;
            Alert& alert = held->second.alert;
            alert.rule = rule.name();
            alert.labels = finding.labels;
            alert.worst = *finding.value;
            alert.since = parts_.clock.unix_ms();
            held->second.bad_since = now;
        }
        take_value(held->second, rule, *finding.value, now);
    }
    if (found.series != 1) found.value.reset();
    for (auto held = held_.lower_bound({rule.name(), {}}); held != held_.end() && held->first.first == rule.name();) {
        const auto finding = std::ranges::find(findings, held->first.second, &Finding::labels);
        const bool fires = held->second.alert.state == AlertState::kFiring;
        const auto holds = [&](double value) { return fires ? !rule.is_good(value) : rule.is_bad(value); };
        const bool is_bad = finding != findings.end() && finding->value && holds(*finding->value);
        const bool is_unknown = finding != findings.end() && !finding->value;
        if (is_bad || is_unknown) held->second.good_since.reset();
        const char* const why = finding == findings.end() ? "no_data" : "measured";
        const bool over = !is_bad && !is_unknown && take_good(held->second, &rule, why, now);
        held = over ? held_.erase(held) : std::next(held);
    }
}

void Watch::take_value(Held& held, const Rule& rule, double value, SteadyTime now) {
    Alert& alert = held.alert;
    const RuleOptions& options = rule.options();
    alert.value = value;
    const bool high_is_bad = options.comparison.starts_with('>');
    alert.worst = high_is_bad ? std::max(alert.worst, value) : std::min(alert.worst, value);
    alert.severity = options.severity;
    alert.summary = options.summary;
    alert.threshold = options.value;
    alert.comparison = options.comparison;
    const bool bad = rule.is_bad(value);
    if (alert.state == AlertState::kPending && bad && now - held.bad_since >= options.for_time) fire(held);
}

void Watch::fire(Held& held) {
    held.alert.state = AlertState::kFiring;
    held.alert.id = to_string(make_uuid7(parts_.clock, parts_.random));
    held.alert.fired = parts_.clock.unix_ms();
    held.is_saved = false;
    fired_.fetch_add(1, std::memory_order_relaxed);
    log_change(held.alert);
}

/// True: it is over, and to be forgotten here.
bool Watch::take_good(Held& held, const Rule* rule, const char* why, SteadyTime now) {
    if (held.alert.state == AlertState::kPending) return true;
    if (!held.good_since) held.good_since = now;
    if (rule != nullptr && now - *held.good_since < rule->options().resolve_for) return false;
    held.alert.state = AlertState::kResolved;
    held.alert.resolved = parts_.clock.unix_ms();
    held.alert.end = why;
    held.is_saved = false;
    log_change(held.alert);
    ended_.push_back(std::move(held));
    return true;
}

void Watch::save(Held& held) {
    if (held.is_saved || held.alert.state == AlertState::kPending) return;
    held.is_saved = store_.save(held.alert).has_value();
    if (!held.is_saved) save_failures_.fetch_add(1, std::memory_order_relaxed);
}

void Watch::save_all() {
    for (auto& [key, held] : held_) save(held);
    for (Held& held : ended_) save(held);
    std::erase_if(ended_, [](const Held& held) {
        return held.is_saved && (held.alert.told_resolved || !held.alert.told_firing);
    });
    if (ended_.size() > kEndedMax) {
        const std::size_t over = ended_.size() - kEndedMax;
        save_failures_.fetch_add(over, std::memory_order_relaxed);
        ended_.erase(ended_.begin(), ended_.begin() + static_cast<std::ptrdiff_t>(over));
    }
    const SteadyTime now = parts_.clock.now();
    if (now < forget_at_) return;
    forget_at_ = now + kForgetEach;
    if (!store_.forget(parts_.clock.unix_ms() - to_ms(settings_.keep), settings_.history_max)) {
        save_failures_.fetch_add(1, std::memory_order_relaxed);
    }
}

const Silence* Watch::silence_of(const Alert& alert) const {
    const UnixMillis now = parts_.clock.unix_ms();
    const auto found = std::ranges::find_if(silences_, [&](const Silence& one) { return one.covers(alert, now); });
    return found == silences_.end() ? nullptr : &*found;
}

std::vector<Alert> Watch::to_be_told() {
    std::vector<Alert> telling;
    for (const auto& [key, held] : held_) {
        const bool fires = held.alert.state == AlertState::kFiring;
        if (fires && !held.alert.told_firing && silence_of(held.alert) == nullptr) telling.push_back(held.alert);
    }
    // Who heard of the beginning hears of the end, silenced or not.
    for (const Held& held : ended_) {
        if (held.alert.told_firing && !held.alert.told_resolved) telling.push_back(held.alert);
    }
    return telling;
}

bool Watch::tell(const Alert& alert) {
    if (parts_.webhooks == nullptr) return false;
    const auto rule = std::ranges::find(rules_, alert.rule, &Rule::name);
    std::vector<std::string> names;
    if (rule != rules_.end()) names = rule->options().webhooks;
    if (names.empty()) names = parts_.webhooks->names();
    const std::string event = "alert." + std::string(to_string(alert.state));
    bool all = !names.empty();
    for (const std::string& name : names) {
        jobs::Webhooks::Post post{.webhook = name, .event = event};
        post.once_key = event + "/" + alert.id + "/" + name;
        post.body = post_body(alert, parts_.clock.unix_ms());
        Result<void> sent;
        if (const auto job = parts_.webhooks->send(post); !job) sent = parts_.webhooks->post_now(post);
        if (!sent) {
            tell_failures_.fetch_add(1, std::memory_order_relaxed);
            all = false;
        }
    }
    if (all) told_.fetch_add(1, std::memory_order_relaxed);
    return all;
}

void Watch::note_told(const Alert& alert) {
    const auto mark = [&alert](Held& held) {
        if (held.alert.id != alert.id) return;
        (alert.state == AlertState::kFiring ? held.alert.told_firing : held.alert.told_resolved) = true;
        held.is_saved = false;
    };
    for (auto& [key, held] : held_) mark(held);
    for (Held& held : ended_) mark(held);
}

void Watch::log_change(const Alert& alert) const {
    if (parts_.log == nullptr) return;
    const bool fires = alert.state == AlertState::kFiring;
    parts_.log->line(fires ? observe::Level::kWarn : observe::Level::kInfo, fires ? "alert fires" : "alert is resolved")
        .field("rule", alert.rule)
        .field("labels", to_json(alert.labels))
        .field("value", alert.value)
        .field("alert", alert.id);
}

}  // namespace tidegate::alerts
