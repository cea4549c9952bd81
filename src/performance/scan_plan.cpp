#include "performance/scan_plan.h"

#include <algorithm>
#include <limits>
#include <optional>

namespace tidegate::performance {
namespace {

std::int64_t next_on(std::int64_t time, std::int64_t step) {
    return (time + step - 1) / step * step;
}

class Planner {
  public:
    Planner(UnixMillis to, const HeldSteps& held, std::size_t coarsest) : to_(to), held_(held), coarsest_(coarsest) {}

    /// What tells the time from `at` on; nothing when no sample does.
    std::optional<Stretch> next(UnixMillis at) const {
        for (std::size_t step = coarsest_; step > 0; --step) {
            if (at % held_[step].step_ms == 0 && is_whole(step, at)) return until_coarser(step, at, last_whole(step));
        }
        if (at >= held_[0].begin && at < held_[0].until) return until_coarser(0, at, std::min(to_, held_[0].until));
        // What is finer does not reach here: a sample that began before `at`, or goes on where the finer begin, tells all of it.
        for (std::size_t step = 1; step < kSteps; ++step) {
            const Held& held = held_[step];
            if (at < held.begin || at >= held.until) continue;
            UnixMillis end = std::min(to_, held.until);
            for (std::size_t finer = 0; finer < step; ++finer) {
                if (held_[finer].begin < held_[finer].until && held_[finer].begin > at) {
                    end = std::min(end, next_on(held_[finer].begin, held.step_ms));
                }
            }
            return until_coarser(step, at, end);
        }
        return std::nullopt;
    }
    /// The first time from `at` on that something is held of; nothing when there is none.
    std::optional<UnixMillis> after(UnixMillis at) const {
        std::optional<UnixMillis> first;
        for (const Held& held : held_) {
            if (held.begin < held.until && held.begin > at) first = std::min(first.value_or(held.begin), held.begin);
        }
        return first;
    }

  private:
    UnixMillis last_whole(std::size_t step) const {
        return std::min(held_[step].until, to_ / held_[step].step_ms * held_[step].step_ms);
    }
    bool is_whole(std::size_t step, UnixMillis at) const {
        return at >= held_[step].begin && at + held_[step].step_ms <= last_whole(step);
    }
    /// Up to where a coarser one may take over.
    Stretch until_coarser(std::size_t step, UnixMillis at, UnixMillis end) const {
        for (std::size_t coarser = step + 1; coarser <= coarsest_; ++coarser) {
            const UnixMillis begin = next_on(std::max(at + 1, held_[coarser].begin), held_[coarser].step_ms);
            if (is_whole(coarser, begin)) end = std::min(end, begin);
        }
        return {.step = step, .from = at, .to = end};
    }

    const UnixMillis to_;
    const HeldSteps& held_;
    const std::size_t coarsest_;
};

}  // namespace

std::vector<Stretch> plan_scan(UnixMillis from, UnixMillis to, const HeldSteps& held, std::size_t coarsest) {
    const Planner planner(to, held, coarsest);
    std::vector<Stretch> out;
    for (UnixMillis at = std::max<UnixMillis>(0, from); at < to;) {
        if (const auto stretch = planner.next(at)) {
            out.push_back(*stretch);
            at = stretch->to;
            continue;
        }
        const auto after = planner.after(at);
        if (!after) break;
        at = *after;
    }
    return out;
}

}  // namespace tidegate::performance
