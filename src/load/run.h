// run_load(): a plan carried out: threads, their stop, their tallies as one.
//
// Guarantee   Ends by itself (worker.h), at the latest one time-out after the plan's end. `watch` is called 5 times a second on the
//             caller's thread; when it says so the run is interrupted, and what was counted until then is the result.
// Threads     The plan's; the caller waits.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "load/mix.h"
#include "load/place.h"
#include "load/plan.h"
#include "load/tally.h"

namespace tidegate::load {

/// How a run stands.
struct Now {
    double second = 0;  // Since the start, ramp and warm-up included.
    double end = 0;
    bool measuring = false;
    std::uint64_t answers = 0;
    std::uint64_t errors = 0;
    double per_s = 0;         // Answers since the last call.
    double latency_ms = 0;    // Mean of those; 0: there were none.
    std::uint32_t level = 0;  // Requests under way.
};

struct RunOutcome {
    Tally tally;
    double window_s = 0;  // Measured, as long as it really was.
    bool interrupted = false;
    UnixMillis began_ms = 0;  // Of the measured window.
    UnixMillis ended_ms = 0;
};

/// `watch` returns false to interrupt. `on_measure` is called once, when the measured window begins.
Result<RunOutcome> run_load(const Plan& plan, const Mix& mix, const Place& place,
                            const std::function<bool(const Now&)>& watch, const std::function<void()>& on_measure);

}  // namespace tidegate::load
