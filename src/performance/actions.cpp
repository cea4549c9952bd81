#include "performance/actions.h"

#include <algorithm>

#include "base/json_writer.h"

namespace tidegate::performance {
namespace {

std::vector<Change> changes_of(const std::vector<Figure>& before, const std::vector<Figure>& after) {
    std::vector<Change> out;
    for (const Figure& one : before) {
        const auto found = std::ranges::find(after, one.name, &Figure::name);
        if (found == after.end()) continue;
        out.push_back({.name = one.name, .unit = one.unit, .before = one.value, .after = found->value});
    }
    return out;
}

std::string as_json(const std::vector<Change>& changes) {
    std::string out;
    JsonWriter writer(out);
    writer.begin_object();
    for (const Change& change : changes) {
        writer.key(change.name).begin_array().value(change.before).value(change.after).end_array();
    }
    writer.end_object();
    return out;
}

}  // namespace

ActionResult Actions::run_one(Held& held, const std::string& by) {
    const Action& action = held.action;
    ActionResult out{.name = action.name, .group = action.group, .time = clock_.unix_ms(), .by = by};
    const std::vector<Figure> before = action.measure();
    const SteadyTime began = clock_.now();
    const auto done = action.run();
    held.last = clock_.now();
    out.took_ms = std::chrono::duration<double, std::milli>(*held.last - began).count();
    out.changes = changes_of(before, action.measure());
    if (!done) {
        out.outcome = "failed";
        out.detail = done.error().message;
        held.failed.fetch_add(1, std::memory_order_relaxed);
    } else if (done->empty()) {
        out.outcome = "nothing_to_do";
        held.idle.fetch_add(1, std::memory_order_relaxed);
    } else {
        out.outcome = "done";
        out.detail = *done;
        held.done.fetch_add(1, std::memory_order_relaxed);
    }
    log_.line(done ? observe::Level::kInfo : observe::Level::kWarn, "performance_action")
        .field("action", out.name)
        .field("by", by)
        .field("outcome", out.outcome)
        .field("detail", out.detail)
        .field("ms", out.took_ms)
        .json("before_after", as_json(out.changes));
    const Lock lock(mutex_);
    results_.insert(results_.begin(), out);
    if (results_.size() > kKept) results_.pop_back();
    return out;
}

std::vector<ActionResult> Actions::run(std::string_view group, const std::string& by) {
    const Lock one_at_a_time(running_);
    std::vector<ActionResult> out;
    for (const auto& held : actions_) {
        if (group == "all" || held->action.group == group) out.push_back(run_one(*held, by));
    }
    return out;
}

std::vector<ActionResult> Actions::run_needed(Duration least_time) {
    const Lock one_at_a_time(running_);
    std::vector<ActionResult> out;
    for (const auto& held : actions_) {
        if (held->last && clock_.now() - *held->last < least_time) continue;
        if (held->action.needed && held->action.needed()) out.push_back(run_one(*held, "auto_apply"));
    }
    return out;
}

std::vector<Actions::Recommended> Actions::needed() const {
    std::vector<Recommended> out;
    for (const auto& held : actions_) {
        if (!held->action.needed) continue;
        if (auto why = held->action.needed()) out.push_back({.action = held->action, .why = *std::move(why)});
    }
    return out;
}

std::vector<ActionResult> Actions::results() const {
    const Lock lock(mutex_);
    return results_;
}

void Actions::each_count(const std::function<void(const std::string&, std::string_view, std::uint64_t)>& visit) const {
    for (const auto& held : actions_) {
        visit(held->action.name, "done", held->done.load(std::memory_order_relaxed));
        visit(held->action.name, "nothing_to_do", held->idle.load(std::memory_order_relaxed));
        visit(held->action.name, "failed", held->failed.load(std::memory_order_relaxed));
    }
}

bool Actions::has_group(std::string_view group) const {
    return group == "all" ||
           std::ranges::any_of(actions_, [&](const auto& held) { return held->action.group == group; });
}

}  // namespace tidegate::performance
