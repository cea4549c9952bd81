// Watch: judges the rules every few seconds, keeps the alerts they come to, and tells the webhooks.
//
// Position    Over the numbers of the process (source.h) and the webhooks; below its routes.
// Guarantee   One alert for a rule and a group of labels at a time. It fires once its rule has held for `for_s`, is told once, also over a
//             restart (kept on the disk, and its post has the alert's id as once_key), and ends once it has been good for
//             `resolve_for_s`, or its series have been gone for as long. It is saved before anybody is told. What is silenced is told
//             when the silence ends, should it still fire.
// Memory      Rule::kGroupsMax alerts a rule.
// Threads     One of its own; all calls from any thread but an event loop's: they may wait for the disk.
// When it fails  Alerts that the disk does not take live in memory, are told all the same, by a post without a job where no job can be
//             kept, and are saved when the disk is back: a full disk does not silence the alert about it.
//
//     TG_TRY(auto watch, Watch::open(settings, folder + "/alerts.db", {clock, random, &log, webhooks}));
//     watch->declare_metrics(registry);            // Before use(): rules may be about them.
//     Source source(registry);  source.add_view(...);
//     TG_CHECK(watch->use(std::move(source)));     // An unknown metric stops the start.
//     watch->start();
#pragma once

#include <array>
#include <atomic>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "alerts/alert.h"
#include "alerts/alert_store.h"
#include "alerts/rule.h"
#include "alerts/settings.h"
#include "alerts/source.h"
#include "base/clock.h"
#include "base/mutex.h"
#include "base/random.h"
#include "base/result.h"
#include "jobs/webhooks.h"
#include "observe/log.h"
#include "observe/metrics.h"

namespace tidegate::alerts {

struct WatchParts {
    const Clock& clock;
    Random& random;
    observe::Logger* log = nullptr;
    jobs::Webhooks* webhooks = nullptr;  // Null: nobody is told.
};

/// What a rule found last.
struct RuleStatus {
    RuleOptions options;
    std::uint64_t series = 0;     // Groups of labels with a number.
    std::optional<double> value;  // Where there is one group.
    std::uint64_t pending = 0;
    std::uint64_t firing = 0;
};

struct Live {
    std::vector<Alert> alerts;  // Pending and firing.
    std::vector<Silence> silences;
    UnixMillis judged_at = 0;  // 0: not yet.
};

class Watch {
  public:
    /// Takes up what fired when the server ended. kDataLoss, kUnavailable: the file at `path`.
    static Result<std::unique_ptr<Watch>> open(const AlertSettings& settings, const std::string& path,
                                               WatchParts parts);
    /// As stop().
    ~Watch();

    void declare_metrics(observe::Registry& registry) const;
    /// Makes the rules ready. kInvalidArgument names the rule and what is wrong. Once, before start().
    Result<void> use(Source source);
    void start();
    void stop();
    /// One judgement, now; what the thread does. For tests.
    void judge();

    Live live() const;
    std::vector<RuleStatus> rules() const;
    Result<std::vector<Alert>> history(const HistoryFilter& filter) const;
    /// Somebody has seen it. kNotFound: it does not fire.
    Result<Alert> acknowledge(std::string_view id, std::string by, std::string note);
    /// Of the fields `id` and `from` are set here. kInvalidArgument: no such rule. kConflict: as room_for_silence().
    Result<Silence> silence(Silence wanted);
    /// kConflict: as many hold as alerts.silences_max allows.
    Result<void> room_for_silence() const;
    /// kNotFound.
    Result<void> end_silence(std::string_view id);

  private:
    using Key = std::pair<std::string, Labels>;
    struct Held {
        Alert alert;
        SteadyTime bad_since{};
        std::optional<SteadyTime> good_since;
        bool is_saved = false;
    };
    Watch(const AlertSettings& settings, AlertStore store, WatchParts parts);
    Result<void> take_up();
    void run();
    void take_findings(const Rule& rule, const std::vector<Finding>& findings, SteadyTime now) TG_REQUIRES(mutex_);
    void take_value(Held& held, const Rule& rule, double value, SteadyTime now) TG_REQUIRES(mutex_);
    bool take_good(Held& held, const Rule* rule, const char* why, SteadyTime now) TG_REQUIRES(mutex_);
    void fire(Held& held) TG_REQUIRES(mutex_);
    void save(Held& held) TG_REQUIRES(mutex_);
    void save_all() TG_REQUIRES(mutex_);
    const Silence* silence_of(const Alert& alert) const TG_REQUIRES(mutex_);
    Result<void> has_room_for_silence() const TG_REQUIRES(mutex_);
    std::vector<Alert> to_be_told() TG_REQUIRES(mutex_);
    bool tell(const Alert& alert);
    void note_told(const Alert& alert) TG_REQUIRES(mutex_);
    void log_change(const Alert& alert) const;
    std::uint64_t count(AlertState state, std::string_view severity) const;

    const AlertSettings& settings_;
    const WatchParts parts_;
    std::optional<Source> source_;
    std::vector<Rule> rules_;  // The thread's, but for their options.

    mutable Mutex mutex_;
    mutable AlertStore store_ TG_GUARDED_BY(mutex_);
    std::map<Key, Held> held_ TG_GUARDED_BY(mutex_);
    std::vector<Held> ended_ TG_GUARDED_BY(mutex_);  // Resolved, and not yet saved or told.
    std::vector<Silence> silences_ TG_GUARDED_BY(mutex_);
    struct Found {
        std::uint64_t series = 0;
        std::optional<double> value;
    };
    std::map<std::string, Found> found_ TG_GUARDED_BY(mutex_);
    UnixMillis judged_at_ TG_GUARDED_BY(mutex_) = 0;
    SteadyTime forget_at_ TG_GUARDED_BY(mutex_){};
    bool stopping_ TG_GUARDED_BY(mutex_) = false;
    Condition wake_;
    std::atomic<std::uint64_t> judgements_{0}, fired_{0}, told_{0}, tell_failures_{0}, save_failures_{0};
    std::thread thread_;
};

}  // namespace tidegate::alerts
