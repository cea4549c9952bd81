// Result: what a run found, as its file holds it: enough to judge it, draw it, compare it and repeat it.
//
// Format      docs/load.md. `write` and `read` are inverse: a report or a comparison needs no more than the file.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "load/generator.h"
#include "load/latencies.h"
#include "load/machine.h"
#include "load/plan.h"
#include "load/run.h"
#include "load/server_view.h"
#include "load/slo.h"

namespace tidegate::load {

/// One operation, or all of them.
struct Figures {
    std::string name;
    std::string method;
    std::string handler;
    double weight = 0;
    std::uint64_t sent = 0;
    std::uint64_t repeats = 0;
    std::uint64_t good = 0;
    std::uint64_t errors = 0;
    std::map<std::string, std::uint64_t> errors_by;  // `timeout`, `status_503`
    std::map<std::string, std::uint64_t> statuses;   // `200`
    Latencies ok;                                    // Good answers, and time-outs at the time they had waited.
    Latencies refused;                               // Answers of 400 and more.

    double error_share() const noexcept {
        return sent == 0 ? 0 : static_cast<double>(errors) / static_cast<double>(sent);
    }
};

struct RunResult {
    std::string tool;  // `tidegate 0.1.0`
    std::string target;
    std::string server;  // Its version, as /health says; empty: it does not.
    std::string label;   // --label
    Machine machine;
    Plan plan;
    std::string began;  // RFC 3339, of the measured window.
    std::string ended;
    bool interrupted = false;
    double window_s = 0;
    double answers_per_s = 0;  // Good ones that came within the window.
    Figures all;
    std::vector<Figures> operations;
    std::vector<LeftOut> left_out;
    double interval_s = 1;
    std::vector<Interval> series;  // Without their steps.
    Latencies late;
    std::uint64_t warm_up = 0, connects = 0, connect_failures = 0, reconnects = 0, cut_off = 0, bytes_in = 0;
    double generator_cpu_s = 0;  // Of its threads, from start to end.
    std::optional<ServerView> server_view;
    std::string server_view_absent;  // Why there is none.
    std::vector<SloOutcome> slo;

    bool slo_met() const noexcept;
    /// Of the repeats among those operations that take part.
    double repeat_share() const noexcept;
};

/// From the tallies; `operations` in the order of the tally's.
void take_tally(RunResult& result, const RunOutcome& outcome, const std::vector<Operation>& operations);

std::string write(const RunResult& result);
/// kInvalidArgument when it is no result file of this tool.
Result<RunResult> read(std::string_view json);

}  // namespace tidegate::load
