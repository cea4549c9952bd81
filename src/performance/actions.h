// Actions: what may be done about the server's memory, cache and databases while it runs: each with a name, safe to do at any time,
// and measured before and after.
//
// Guarantee   Nothing is done that an answer or a record could be lost by. What an action changed is what the same reading gave before and
//             after it, never an estimate. Each run is logged and counted.
// Threads     One run at a time, on the thread of the caller: not an event loop's.
// When it fails  The outcome is `failed`, with the reason; the others run all the same.
#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/mutex.h"
#include "base/result.h"
#include "observe/log.h"

namespace tidegate::performance {

/// NaN: it could not be read.
struct Figure {
    std::string name;
    std::string unit;
    double value = 0;
};

struct Action {
    std::string name;   // `drop_expired_cache_entries`
    std::string group;  // `cache`, `memory`, `database`, `pools`
    std::string what;   // One line.
    std::function<std::vector<Figure>()> measure;
    /// What it has done, in words; empty: there was nothing to do.
    std::function<Result<std::string>()> run;
    /// Why it would help now; nullopt: it would not.
    std::function<std::optional<std::string>()> needed;
};

struct Change {
    std::string name;
    std::string unit;
    double before = 0;
    double after = 0;
};

struct ActionResult {
    std::string name;
    std::string group;
    std::string outcome;  // `done`, `nothing_to_do`, `failed`
    std::string detail;
    std::vector<Change> changes;
    double took_ms = 0;
    UnixMillis time = 0;
    std::string by;  // `request`, `auto_apply`
};

class Actions {
  public:
    static constexpr std::size_t kKept = 50;  // Results remembered.

    Actions(const Clock& clock, observe::Logger& log) : clock_(clock), log_(log) {}
    /// Before the first run.
    void add(Action action) { actions_.push_back(std::make_unique<Held>(std::move(action))); }

    /// `group`: one of the groups, or `all`.
    std::vector<ActionResult> run(std::string_view group, const std::string& by);
    /// Those that are needed now, each at most once in `least_time`.
    std::vector<ActionResult> run_needed(Duration least_time);

    struct Recommended {
        const Action& action;
        std::string why;
    };
    std::vector<Recommended> needed() const;
    /// The latest first.
    std::vector<ActionResult> results() const;
    /// Calls visit(name, outcome, count).
    void each_count(const std::function<void(const std::string&, std::string_view, std::uint64_t)>& visit) const;
    bool has_group(std::string_view group) const;

  private:
    struct Held {
        explicit Held(Action what) : action(std::move(what)) {}
        const Action action;
        std::atomic<std::uint64_t> done{0};
        std::atomic<std::uint64_t> idle{0};
        std::atomic<std::uint64_t> failed{0};
        std::optional<SteadyTime> last;  // Guarded by running_.
    };
    ActionResult run_one(Held& held, const std::string& by) TG_REQUIRES(running_);

    const Clock& clock_;
    observe::Logger& log_;
    std::vector<std::unique_ptr<Held>> actions_;
    Mutex running_;
    mutable Mutex mutex_;
    std::vector<ActionResult> results_ TG_GUARDED_BY(mutex_);
};

}  // namespace tidegate::performance
