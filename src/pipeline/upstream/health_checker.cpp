#include "pipeline/upstream/health_checker.h"

#include <algorithm>

namespace tidegate::upstream {
namespace {

// Of an interval, either way.
constexpr double kIntervalJitter = 0.1;

double drawn(Random& random) {
    return static_cast<double>(random.next_u64() >> 11U) * 0x1p-53;
}

Duration times(Duration duration, double factor) {
    return Duration(static_cast<Duration::rep>(static_cast<double>(duration.count()) * factor));
}

}  // namespace

struct HealthChecker::Check {
    SteadyTime next{};                       // When to ask again.
    SteadyTime late_at = SteadyTime::max();  // When the probe under way is late; max: none is.
    std::uint64_t asked = 0;                 // Number of the probe under way: answers to older ones are ignored.
    bool has_verdict = false;
    std::uint32_t against = 0;  // Answers in a row that speak against the present verdict.
};

HealthChecker::HealthChecker(Pool& pool, HealthOptions options, Random& random, Probe probe, SteadyTime now)
    : pool_(pool),
      options_(std::move(options)),
      random_(random),
      probe_(std::move(probe)),
      checks_(pool.size()),
      self_(std::make_shared<HealthChecker*>(this)) {
    for (Check& check : checks_) check.next = now + times(options_.interval, drawn(random_));
}

HealthChecker::~HealthChecker() {
    *self_ = nullptr;
}

SteadyTime HealthChecker::tick(SteadyTime now) {
    if (options_.path.empty()) return SteadyTime::max();
    SteadyTime soonest = SteadyTime::max();
    for (std::size_t i = 0; i < checks_.size(); ++i) {
        if (now >= checks_[i].late_at) judge(i, false, "no answer in time", now);
        if (checks_[i].late_at == SteadyTime::max() && now >= checks_[i].next) start(i, now);
        // Read after start(): a probe may have answered from within it.
        soonest = std::min(soonest, std::min(checks_[i].late_at, std::max(checks_[i].next, now)));
    }
    return soonest;
}

void HealthChecker::start(std::size_t target, SteadyTime now) {
    Check& check = checks_[target];
    check.late_at = now + options_.timeout;
    check.next = now + jittered_interval();
    const std::uint64_t asked = ++check.asked;
    counters_.probes.fetch_add(1, std::memory_order_relaxed);
    probe_(pool_.target(target), options_, [self = self_, target, asked](ProbeAnswer answer, SteadyTime at) {
        HealthChecker* checker = *self;
        if (checker == nullptr) return;
        const Check& current = checker->checks_[target];
        if (current.asked != asked || current.late_at == SteadyTime::max()) return;
        const HealthOptions& options = checker->options_;
        if (answer.status == 0) return checker->judge(target, false, to_string(answer.failure), at);
        const bool good = answer.status >= options.status_min && answer.status <= options.status_max;
        checker->judge(target, good, good ? "status as expected" : "unexpected status", at);
    });
}

void HealthChecker::judge(std::size_t target, bool good, std::string_view why, SteadyTime now) {
    Check& check = checks_[target];
    check.late_at = SteadyTime::max();
    if (!good) counters_.failed.fetch_add(1, std::memory_order_relaxed);
    const bool first = !std::exchange(check.has_verdict, true);
    if (good == pool_.is_healthy(target)) {
        check.against = 0;
        return;
    }
    ++check.against;
    if (!first && check.against < (good ? options_.successes_min : options_.failures_max)) return;
    check.against = 0;
    counters_.changes.fetch_add(1, std::memory_order_relaxed);
    pool_.set_health(target, good, why, now);
}

Duration HealthChecker::jittered_interval() {
    return times(options_.interval, 1.0 + kIntervalJitter * (2.0 * drawn(random_) - 1.0));
}

}  // namespace tidegate::upstream
