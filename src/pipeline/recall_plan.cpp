// Which routes keep their answers, and under what: what services say, and what cache.answers says in its place.
#include <algorithm>
#include <chrono>

#include "base/assert.h"
#include "base/strings.h"
#include "pipeline/recall.h"
#include "pipeline/target_text.h"

namespace tidegate::pipeline {
namespace {

/// Empty when none is near.
std::string nearest(std::string_view name, const std::vector<Route>& routes) {
    std::string best;
    std::size_t least = std::max<std::size_t>(3, name.size() / 3 + 1);  // Further off is another word.
    for (const Route& route : routes) {
        if (!route.keep) continue;
        if (const std::size_t distance = edit_distance(name, route.operation); distance < least) {
            least = distance;
            best = route.operation;
        }
    }
    return best;
}

}  // namespace

Result<void> check_answers(const std::vector<AnswerOptions>& answers, const std::vector<Route>& routes) {
    for (std::size_t i = 0; i < answers.size(); ++i) {
        const std::string& name = answers[i].route;
        const std::string where = "cache.answers[" + std::to_string(i) + "].route: ";
        const auto is_earlier = [&](const AnswerOptions& other) { return other.route == name; };
        if (std::any_of(answers.begin(), answers.begin() + static_cast<std::ptrdiff_t>(i), is_earlier)) {
            return fail(ErrorCode::kInvalidArgument, where + name + " is given twice");
        }
        const auto found = std::ranges::find(routes, name, &Route::operation);
        if (found != routes.end() && found->keep) continue;
        const std::string near = nearest(name, routes);
        const std::string hint = near.empty() ? std::string() : "; did you mean " + near + "?";
        return fail(ErrorCode::kInvalidArgument,
                    where + (found == routes.end() ? "there is no route `" : "answers are never kept of `") + name +
                        "`" + hint);
    }
    return {};
}

std::unique_ptr<RecallPlan> plan_recall(const Route& route, const std::vector<AnswerOptions>& answers,
                                        cache::ResponseStore* store, cache::Flights* flights, const Clock& clock,
                                        std::string_view build) {
    if (!route.keep || store == nullptr || flights == nullptr) return nullptr;
    // A body that nobody reads here is known by its hash, and says nothing of what answers it.
    TG_ASSERT((!route.raw_body || route.keep->version_of) && !route.any_method);
    KeptAnswer rule = *route.keep;
    cache::rules::RoutePolicy policy;
    policy.wishes = cache::rules::ClientWishes::all();
    if (const auto said = std::ranges::find(answers, route.operation, &AnswerOptions::route); said != answers.end()) {
        rule.ttl = said->ttl;
        if (said->decimals >= 0) rule.decimals = static_cast<unsigned>(said->decimals);
        rule.shared = said->shared;
        if (!said->client_may_bypass) policy.wishes = {};
    }
    if (rule.ttl <= Duration{}) return nullptr;
    std::unique_ptr<RecallPlan> plan(new RecallPlan{.store = *store, .flights = *flights, .clock = clock});
    plan->operation = route.operation;
    plan->reads = route.method == http::Method::kGet;
    const std::int64_t ttl_s = std::max<std::int64_t>(1, std::chrono::floor<std::chrono::seconds>(rule.ttl).count());
    plan->lifetime_s = static_cast<std::uint32_t>(ttl_s);
    plan->decimals = rule.decimals;
    plan->shared = rule.shared;
    plan->policy = policy;
    std::string& lines = plan->key_lines;
    plan->version_of = std::move(rule.version_of);
    lines = "\nversion ";
    append_percent(lines, rule.version);
    lines += "\nbuild ";
    append_percent(lines, build);
    lines += "\ndecimals " + std::to_string(rule.decimals);
    std::vector<std::uint64_t> tags{cache::tag_hash("route:" + route.operation)};
    for (const std::string& tag : rule.tags) tags.push_back(cache::tag_hash(tag));
    plan->common = cache::Common::make({}, std::move(tags));
    return plan;
}

}  // namespace tidegate::pipeline
