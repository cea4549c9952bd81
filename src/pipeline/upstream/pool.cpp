#include "pipeline/upstream/pool.h"

#include <algorithm>
#include <cmath>

#include "base/assert.h"
#include "pipeline/upstream/pool_target.h"
#include "pipeline/upstream/ticks.h"

namespace tidegate::upstream {
namespace {

// What a fresh or tried target starts with; enough to learn from, too little to hurt.
constexpr double kStartShare = 0.1;
// Between equals the second must be so much faster: below it, differences are noise, and following noise would bend the
// shares away from the weights.
constexpr double kClearlyFaster = 0.5;
// What was measured fades, so that a target that was slow once is tried again (Finagle's peak EWMA decays over 10 s).
constexpr double kDecayNs = 10e9;
// When nobody can tell when a target comes back (an operator holds it, a health check decides).
constexpr Duration kUnknownWait = std::chrono::seconds(10);

}  // namespace

struct Pool::Candidates {
    std::size_t count = 0;
    double total = 0;
    bool panic = false;
    std::array<std::uint8_t, kTargetsMax> index{};
    std::array<double, kTargetsMax> weight{};

    void remove(std::size_t at) noexcept {
        total -= weight[at];
        --count;
        index[at] = index[count];
        weight[at] = weight[count];
    }
    /// The place in which a point between 0 and `total` falls, `without` left out.
    std::size_t at(double point, std::size_t without) const noexcept {
        std::size_t last = 0;
        for (std::size_t i = 0; i < count; ++i) {
            if (i == without) continue;
            last = i;
            if (point < weight[i]) return i;
            point -= weight[i];
        }
        return last;  // Rounding put the point behind the end.
    }
};

Pool::Pool(std::string name, std::vector<PoolTarget> targets, const PoolOptions& options, Random& random,
           SteadyTime now, Listener listener)
    : name_(std::move(name)),
      options_(options),
      random_(random),
      listener_(std::move(listener)),
      sweep_at_(ticks(now + options.outlier.interval)) {
    TG_ASSERT(!targets.empty() && targets.size() <= kTargetsMax);
    for (std::size_t i = 0; i < targets.size(); ++i) {
        TG_ASSERT(targets[i].weight > 0);
        targets_.push_back(std::make_unique<Target>(
            std::move(targets[i]), options_.breaker, random, ticks(now), [this, i](const BreakerChange& change) {
                tell({.kind = TargetEvent::Kind::kBreaker, .target = i, .breaker = change, .why = change.why});
            }));
    }
}

Pool::~Pool() {
    for (const auto& target : targets_) TG_ASSERT(target->outstanding.load() == 0);
}

const PoolTarget& Pool::target(std::size_t index) const noexcept {
    return targets_[index]->spec;
}

bool Pool::is_healthy(std::size_t target) const noexcept {
    return targets_[target]->healthy.load(kRelaxed);
}

bool Pool::is_ejected(const Target& target, SteadyTime now) const noexcept {
    return ticks(now) < target.ejected_until.load(kRelaxed);
}

double Pool::weight_now(const Target& target, SteadyTime now) const noexcept {
    const double full = target.spec.weight;
    const BreakerState state = target.breaker.state();
    if (state == BreakerState::kOpen || state == BreakerState::kHalfOpen) return full * kStartShare;
    const auto ramp = static_cast<double>(options_.balance.slow_start.count());
    const auto age = static_cast<double>(ticks(now) - target.fresh_since.load(kRelaxed));
    if (age >= ramp) return full;
    return full * std::clamp(age / ramp, kStartShare, 1.0);
}

void Pool::gather(Candidates& into, TargetSet tried, SteadyTime now) const {
    TargetSet passing = 0;
    TargetSet trusted = 0;
    int usable = 0;
    for (std::size_t i = 0; i < targets_.size(); ++i) {
        const Target& target = *targets_[i];
        const TargetSet bit = TargetSet{1} << i;
        const bool passes = target.breaker.may_pass(now);
        if (passes) passing |= bit;
        if (!target.healthy.load(kRelaxed) || is_ejected(target, now)) continue;
        trusted |= bit;
        // A trial whose places are taken is about to be decided: it does not start a panic.
        if (passes || target.breaker.state() == BreakerState::kHalfOpen) ++usable;
    }
    into.panic = usable < options_.balance.panic_share * static_cast<double>(targets_.size());
    const TargetSet wanted = passing & ~tried & (into.panic ? ~TargetSet{0} : trusted);
    for (std::size_t i = 0; i < targets_.size(); ++i) {
        if ((wanted >> i & 1U) == 0) continue;
        into.index[into.count] = static_cast<std::uint8_t>(i);
        into.weight[into.count] = weight_now(*targets_[i], now);
        into.total += into.weight[into.count];
        ++into.count;
    }
}

std::expected<Lease, NoTarget> Pool::pick(TargetSet tried, SteadyTime now) {
    sweep_if_due(now);
    Candidates candidates;
    gather(candidates, tried, now);
    while (candidates.count > 0) {
        const std::size_t at = options_.balance.round_robin ? next_in_turn(candidates) : draw_two(candidates, now);
        Target& target = *targets_[candidates.index[at]];
        const auto ticket = target.breaker.admit(now);
        if (!ticket) {  // Another call took the last place of its trial.
            candidates.remove(at);
            continue;
        }
        target.outstanding.fetch_add(1, kRelaxed);
        target.picked.fetch_add(1, kRelaxed);
        if (candidates.panic) picked_in_panic_.fetch_add(1, kRelaxed);
        return Lease(*this, candidates.index[at], *ticket);
    }
    return std::unexpected(none(tried, now));
}

bool Pool::is_better(const Target& challenger, double weight, const Target& held, double held_weight,
                     SteadyTime now) const noexcept {
    const double load = challenger.outstanding.load(kRelaxed) / weight;
    const double held_load = held.outstanding.load(kRelaxed) / held_weight;
    if (load < held_load) return true;
    if (load > held_load) return false;
    const auto faded = [now](const Target& target) {
        const auto age = static_cast<double>(ticks(now) - target.first_byte_at.load(kRelaxed));
        return target.first_byte_ns.load(kRelaxed) * std::exp(-std::max(age, 0.0) / kDecayNs);
    };
    const double time = faded(challenger);
    return time > 0 && time < kClearlyFaster * faded(held);
}

std::size_t Pool::draw_two(const Candidates& from, SteadyTime now) {
    if (from.count == 1) return 0;
    const std::uint64_t drawn = random_.next_u64();
    const double first_point = static_cast<double>(drawn >> 32U) * 0x1p-32;
    const double second_point = static_cast<double>(drawn & 0xffffffffU) * 0x1p-32;
    const std::size_t first = from.at(first_point * from.total, from.count);
    const std::size_t second = from.at(second_point * (from.total - from.weight[first]), first);
    const Target& a = *targets_[from.index[first]];
    const Target& b = *targets_[from.index[second]];
    return is_better(b, from.weight[second], a, from.weight[first], now) ? second : first;
}

std::size_t Pool::next_in_turn(const Candidates& from) {
    const Lock lock(mutex_);
    std::size_t best = 0;
    for (std::size_t i = 0; i < from.count; ++i) {
        targets_[from.index[i]]->turn += from.weight[i];
        if (targets_[from.index[i]]->turn > targets_[from.index[best]]->turn) best = i;
    }
    targets_[from.index[best]]->turn -= from.total;
    return best;
}

NoTarget Pool::none(TargetSet tried, SteadyTime now) {
    no_target_.fetch_add(1, kRelaxed);
    constexpr Duration kSecond = std::chrono::seconds(1);
    if (tried != 0) {
        Candidates untried;
        gather(untried, 0, now);
        if (untried.count > 0) return {.all_tried = true, .retry_after = kSecond};
    }
    Duration soonest = Duration::max();
    for (const auto& target : targets_) {
        Duration wait = target->breaker.wait(now);
        if (wait != Duration::max()) {
            wait = std::max(wait, Duration(target->ejected_until.load(kRelaxed) > ticks(now)
                                               ? target->ejected_until.load(kRelaxed) - ticks(now)
                                               : 0));
        }
        if (!target->healthy.load(kRelaxed)) wait = std::max(wait, kUnknownWait);
        soonest = std::min(soonest, wait);
    }
    if (soonest == Duration::max()) soonest = kUnknownWait;
    return {.all_tried = false, .retry_after = std::max(soonest, kSecond)};
}

void Pool::judge(std::size_t index, Breaker::Ticket ticket, Outcome outcome, std::optional<Duration> first_byte,
                 SteadyTime now) {
    Target& target = *targets_[index];
    target.outcomes[static_cast<std::size_t>(outcome)].fetch_add(1, kRelaxed);
    target.breaker.record(ticket, outcome, now);
    if (is_neutral(outcome)) return;
    // The trial has passed: from here its share grows.
    if (ticket.probe && target.breaker.state() == BreakerState::kClosed) target.fresh_since.store(ticks(now), kRelaxed);
    if (first_byte && !is_failure(outcome)) learn(target, *first_byte, now);
    target.interval_calls.fetch_add(1, kRelaxed);
    if (!is_failure(outcome)) target.interval_good.fetch_add(1, kRelaxed);
    if (!is_gateway_failure(outcome)) {
        target.gateway_failures.store(0, kRelaxed);
    } else if (target.gateway_failures.fetch_add(1, kRelaxed) + 1 >= options_.outlier.errors_max) {
        target.gateway_failures.store(0, kRelaxed);
        eject(index, "consecutive gateway failures", now);
    }
}

// Weight of a new sample by the time since the last: 1 - exp(-dt / decay), and a tenth at least, so that a busy target's
// mean moves within ten answers. Two loops at once may lose one of two samples, which a mean can bear.
void Pool::learn(Target& target, Duration first_byte, SteadyTime now) noexcept {
    const auto sample = static_cast<double>(std::max(first_byte, Duration(1)).count());
    const double mean = target.first_byte_ns.load(kRelaxed);
    const auto age = static_cast<double>(ticks(now) - target.first_byte_at.exchange(ticks(now), kRelaxed));
    const double share = mean == 0 ? 1.0 : std::max(0.1, 1.0 - std::exp(-std::max(age, 0.0) / kDecayNs));
    target.first_byte_ns.store(mean + (sample - mean) * share, kRelaxed);
}

void Pool::release(std::size_t target) noexcept {
    targets_[target]->outstanding.fetch_sub(1, kRelaxed);
}

void Pool::set_health(std::size_t index, bool healthy, std::string_view why, SteadyTime now) {
    Target& target = *targets_[index];
    if (target.healthy.exchange(healthy, kRelaxed) == healthy) return;
    if (healthy) target.fresh_since.store(ticks(now), kRelaxed);
    tell({.kind = healthy ? TargetEvent::Kind::kHealthy : TargetEvent::Kind::kUnhealthy, .target = index, .why = why});
}

void Pool::force(std::size_t target, BreakerState state) {
    targets_[target]->breaker.force(state);
}

void Pool::tell(TargetEvent event) const {
    if (!listener_) return;
    event.pool = name_;
    event.name = targets_[event.target]->spec.name;
    listener_(event);
}

PoolSnapshot Pool::snapshot(SteadyTime now) const {
    PoolSnapshot shot;
    shot.name = name_;
    Candidates candidates;
    gather(candidates, 0, now);
    TargetSet usable = 0;
    for (std::size_t i = 0; i < candidates.count; ++i) usable |= TargetSet{1} << candidates.index[i];
    shot.panic = candidates.panic;
    for (std::size_t i = 0; i < targets_.size(); ++i) {
        const Target& target = *targets_[i];
        TargetSnapshot& out = shot.targets.emplace_back();
        out.name = target.spec.name;
        out.weight = target.spec.weight;
        out.usable = (usable >> i & 1U) != 0;
        out.healthy = target.healthy.load(kRelaxed);
        out.ejected_left =
            is_ejected(target, now) ? Duration(target.ejected_until.load(kRelaxed) - ticks(now)) : Duration(0);
        out.breaker = target.breaker.snapshot(now);
        out.outstanding = target.outstanding.load(kRelaxed);
        out.first_byte_ms = target.first_byte_ns.load(kRelaxed) / 1e6;
        out.picked = target.picked.load(kRelaxed);
        out.ejections = target.ejections.load(kRelaxed);
        for (std::size_t o = 0; o < kOutcomes; ++o) out.outcomes[o] = target.outcomes[o].load(kRelaxed);
        shot.picked += out.picked;
    }
    shot.picked_in_panic = picked_in_panic_.load(kRelaxed);
    shot.no_target = no_target_.load(kRelaxed);
    return shot;
}

std::int64_t retry_after_seconds(Duration wait) noexcept {
    constexpr std::int64_t kSecond = 1'000'000'000;
    return std::max<std::int64_t>(1, wait.count() / kSecond + (wait.count() % kSecond > 0 ? 1 : 0));
}

}  // namespace tidegate::upstream
