#include "load/plan.h"

#include <algorithm>

namespace tidegate::load {
namespace {

Plan users(std::string name, double count, double seconds) {
    Plan plan;
    plan.profile = std::move(name);
    plan.stages = {{.seconds = seconds, .from = count, .to = count}};
    plan.ramp_s = 2;
    plan.warm_up_s = 3;
    return plan;
}

/// The users of `normal`, ten times as many within a second, and back.
Plan spike() {
    Plan plan = users("spike", 50, 0);
    plan.stages = {{10, 50, 50}, {0.5, 50, 500}, {30, 500, 500}, {0.5, 500, 50}, {10, 50, 50}};
    return plan;
}

Plan heavy_batch() {
    Plan plan = users("heavy-batch", 20, 60);
    plan.heavy = true;
    return plan;
}

}  // namespace

double Plan::window_s() const noexcept {
    double sum = 0;
    for (const Stage& stage : stages) sum += stage.seconds;
    return sum;
}

Shape Plan::shape() const {
    std::vector<Stage> all;
    const double first = stages.front().from;
    if (ramp_s > 0) all.push_back({.seconds = ramp_s, .from = 0, .to = first});
    if (warm_up_s > 0) all.push_back({.seconds = warm_up_s, .from = first, .to = first});
    all.insert(all.end(), stages.begin(), stages.end());
    return Shape(std::move(all));
}

const std::vector<Profile>& profiles() {
    static const std::vector<Profile> kAll{
        {"normal", "50 users for a minute", users("normal", 50, 60)},
        {"stress", "200 users for a minute", users("stress", 200, 60)},
        {"spike", "50 users, 500 within half a second for half a minute, 50 again", spike()},
        {"soak", "100 users for half an hour", users("soak", 100, 1800)},
        {"heavy-batch", "20 users, large batches only, for a minute", heavy_batch()},
    };
    return kAll;
}

const Profile* find_profile(std::string_view name) {
    const auto found = std::ranges::find(profiles(), name, &Profile::name);
    return found == profiles().end() ? nullptr : &*found;
}

}  // namespace tidegate::load
