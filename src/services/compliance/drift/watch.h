// DriftWatch: the drift monitor over the live log: it follows the log, keeps its state over restarts, and tells of alerts.
//
// Position    Between the log (a Follower) and the routes under /api/drift.
// Guarantee   Each durable decision is looked at once, in the order of the log, also over kill -9: the position in the log is saved
//             in one transaction with the state, the alerts and the posts that wait. An alert is saved before anybody is told.
//             The log never waits: what the queue cannot take is read from the log again.
// Memory      queue_records_max observations, some 400 bytes each; streams_max streams (drift/stream.h).
// Threads     follow() on the log's; the monitor on a thread of its own; the rest from any thread, and never on an event loop: a look in
//             progress (milliseconds; the first of a stream some tenths of a second) is waited for.
// When it fails  The state cannot be saved: said in health() and the log, tried again each second, and meanwhile nothing new
//             is posted. Retention removed what was not yet looked at: counted in `missed`.
//
//     TG_TRY(auto watch, DriftWatch::open(settings, folder + "/drift.db", clock, logger));
//     // Give *watch to the log as a follower, open the log, then:
//     watch->start(log.reader());
//     register_drift_routes(routes, {.clock = clock, .watch = *watch, .settings = settings});
//     // Listen on each loop with watch->loop_listener() where that is not null. At the end: watch->close_streams() when the
//     // drain begins; watch->stop() before the log's reader goes.
#pragma once

#include <atomic>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <thread>
#include <vector>

#include "audit/follower.h"
#include "audit/log_reader.h"
#include "base/clock.h"
#include "base/mutex.h"
#include "drift/alerts.h"
#include "drift/monitor.h"
#include "observe/log.h"
#include "observe/metrics.h"
#include "pipeline/loop_parts.h"
#include "services/compliance/drift/extract.h"
#include "services/compliance/drift/listeners.h"
#include "services/compliance/drift/settings.h"
#include "services/compliance/drift/store.h"
#include "services/compliance/drift/webhook.h"

namespace tidegate::compliance {

struct DriftHealth {
    std::uint64_t position = 0;   // Leaves taken over from the log.
    std::uint64_t looked_at = 0;  // Leaves that the monitor has behind it.
    std::uint64_t saved = 0;      // Of them: what a restart would find.
    std::uint64_t queued = 0;     // Waiting in memory.
    std::uint64_t lags = 0;       // Times the queue was full and the log was read again.
    std::uint64_t missed = 0;     // Leaves that retention removed before they were looked at.
    std::uint64_t streams = 0;
    std::uint64_t unwatched = 0;             // See drift::Monitor::unwatched(); since the start.
    std::uint64_t unwatched_of_tenants = 0;  // Of these, whose tenant had its share.
    std::uint64_t alerts_live = 0;
    std::uint64_t alerts_dropped = 0;
    std::uint64_t save_failures = 0;
    std::string reason;  // Of the last failure to save or to read; empty when none ever was.
    WebhookHealth webhook;
};

class DriftWatch final : public audit::Follower {
  public:
    /// Opens or makes the database at `path` and takes up what it holds. kDataLoss: it is damaged; kInvalidArgument: settings that
    /// do not fit together. What is referred to outlives the watch.
    static Result<std::unique_ptr<DriftWatch>> open(const DriftSettings& settings, const std::string& path,
                                                    const Clock& clock, observe::Logger* logger);
    ~DriftWatch() override;

    std::string_view name() const noexcept override { return "drift"; }
    std::uint64_t position() const noexcept override { return position_.load(std::memory_order_acquire); }
    Result<void> follow(const audit::DurableRecords& records) override;

    /// The log ends at `end`. Where it holds more than that (the log was put back from a copy, or lost its end with the power), it goes
    /// on from `end` and keeps what it has learnt. Before follow().
    void fit_to(std::uint64_t end);
    /// Begins to look. `reader` is used until stop().
    void start(const audit::LogReader& reader);
    /// Looks at nothing more, saves, ends the thread. Once; the destructor does it too.
    void stop();
    /// Ends the event streams; new ones are refused.
    void close_streams() { listeners_.close(); }
    /// Of the webhook: to be told of each loop. Null without one.
    pipeline::LoopListener* loop_listener() noexcept { return webhook_.get(); }
    DriftHealth health() const;
    void declare_metrics(observe::Registry& registry) const;
    /// Waits until every record that follow() was given before the call has been looked at. For tests and tools.
    void settle();

    /// Runs `use` with the monitor and the alerts as they stand; nothing changes meanwhile. Not const: alerts may be changed, by
    /// change() only.
    void read(const std::function<void(const drift::Monitor&, const drift::Alerts&)>& use) const;
    /// Changes alerts or baselines; done when it is saved. `use` gives the ids of the alerts that it changed.
    using Change = std::function<Result<std::vector<std::uint64_t>>(drift::Monitor&, drift::Alerts&)>;
    Result<void> change(const Change& use);
    /// The observations of decisions made in [from, to) that `wanted` takes, oldest first, the last `limit` of them. Reads the log.
    Result<std::vector<drift::Observation>> period(UnixMillis from, UnixMillis to, std::size_t limit,
                                                   const std::function<bool(const drift::Observation&)>& wanted) const;
    Listeners& listeners() noexcept { return listeners_; }

  private:
    DriftWatch(const DriftSettings& settings, DriftStore store, const Clock& clock, observe::Logger* logger);
    Result<void> take_up();
    void take_up(const SavedStream& saved) TG_REQUIRES(state_mutex_);
    void run();
    enum class Work : std::uint8_t { kLook, kLast };
    Work wait_for_work();
    void work_through();
    bool read_again();
    Result<std::uint64_t> read_chunk(std::uint64_t from, std::uint64_t to, std::vector<Queued>& chunk) const;
    void look_at(std::span<Queued> queued, std::uint64_t end);
    void take_findings(const std::vector<drift::Finding>& findings) TG_REQUIRES(state_mutex_);
    void note_change(std::uint64_t id, std::string_view event) TG_REQUIRES(state_mutex_);
    void tick();
    bool save_is_due();
    void save();
    SaveBatch take_batch(std::uint64_t& changes) TG_EXCLUDES(state_mutex_);
    void tell(std::vector<Notice> notices);
    void tell_statistics();
    void note_failure(const std::string& reason);

    const DriftSettings& settings_;
    const Clock& clock_;
    observe::Logger* const logger_;
    const Extract extract_;
    std::unique_ptr<Webhook> webhook_;
    Listeners listeners_;
    const audit::LogReader* reader_ = nullptr;

    // What follow() hands over.
    mutable Mutex queue_mutex_;
    Condition wake_;
    Condition settled_;
    std::vector<Queued> queue_ TG_GUARDED_BY(queue_mutex_);
    std::uint64_t end_ TG_GUARDED_BY(queue_mutex_) = 0;        // The leaf after the last one given.
    std::uint64_t queue_end_ TG_GUARDED_BY(queue_mutex_) = 0;  // The same of what the queue covers.
    bool direct_ TG_GUARDED_BY(queue_mutex_) = true;           // False: the monitor's thread reads the log up to end_.
    bool stopping_ TG_GUARDED_BY(queue_mutex_) = false;
    bool save_wanted_ TG_GUARDED_BY(queue_mutex_) = false;
    std::uint64_t next_ TG_GUARDED_BY(queue_mutex_) = 0;  // The first leaf not looked at.
    std::uint64_t lags_ TG_GUARDED_BY(queue_mutex_) = 0;
    std::uint64_t missed_ TG_GUARDED_BY(queue_mutex_) = 0;
    std::uint64_t save_failures_ TG_GUARDED_BY(queue_mutex_) = 0;
    std::string reason_ TG_GUARDED_BY(queue_mutex_);
    std::atomic<std::uint64_t> position_{0};

    mutable Mutex state_mutex_;
    Condition saved_;
    drift::Monitor monitor_ TG_GUARDED_BY(state_mutex_);
    drift::Alerts alerts_ TG_GUARDED_BY(state_mutex_);
    std::set<std::uint64_t> changed_alerts_ TG_GUARDED_BY(state_mutex_);
    std::vector<Notice> notices_ TG_GUARDED_BY(state_mutex_);  // Not yet saved, so not yet told.
    std::uint64_t looked_at_ TG_GUARDED_BY(state_mutex_) = 0;
    std::uint64_t saved_leaf_ TG_GUARDED_BY(state_mutex_) = 0;
    std::uint64_t changes_ TG_GUARDED_BY(state_mutex_) = 0;        // Calls of change().
    std::uint64_t changes_saved_ TG_GUARDED_BY(state_mutex_) = 0;  // Of them.
    std::string save_error_ TG_GUARDED_BY(state_mutex_);           // Of the last save; empty: it went well.
    bool running_ TG_GUARDED_BY(state_mutex_) = false;

    // The monitor's thread alone.
    struct Saved {
        std::uint64_t decisions = 0;
        std::uint64_t reference = 0;
    };
    DriftStore store_;
    std::map<drift::StreamKey, Saved> saved_streams_;
    std::map<drift::StreamKey, Saved> taking_;  // As the save under way has them.
    std::map<drift::StreamKey, UnixMillis> told_looks_;
    std::vector<drift::StreamKey> gone_;  // To be deleted by the next save.
    std::vector<std::uint64_t> posts_ended_;
    SteadyTime last_save_{};
    SteadyTime last_tick_{};
    SteadyTime last_keep_alive_{};

    std::thread thread_;
};

}  // namespace tidegate::compliance
