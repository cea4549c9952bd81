// Retention: lets the oldest segments go when they are older than the schedule says, unless a legal hold covers them.
//
// Guarantee   Nothing at or behind the first record that is young enough, under a hold, or not under a checkpoint yet is dropped. A run that
//             drops something has appended the event that says so before the first file goes.
// Algorithm   The first leaf to keep is found from the zone maps of the log's parts: segments, or blocks in a database. Whole ones only, so
//             that the youngest record of a part decides. A hold of one tenant covers a part whose zone map may hold that tenant.
// Threads     One of its own each `interval`; preview() and run() from any, one run at a time.
// When it fails  health() says why; the next pass tries again. A catalogue of holds that cannot be read drops nothing.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <thread>

#include "audit/decision_log.h"
#include "audit/keep/holds.h"
#include "audit/keep/proof_keeper.h"
#include "audit/keep/turn.h"
#include "audit/log_store.h"
#include "base/json_writer.h"
#include "base/mutex.h"
#include "base/random.h"

namespace tidegate::audit::keep {

struct RetentionOptions {
    Duration age{};  // 0: everything is kept.
    Duration interval = std::chrono::minutes(10);
    bool background = true;
};

struct RetentionPlan {
    std::optional<UnixMillis> before;  // Records older than that may go; absent: everything is kept.
    std::uint64_t first_leaf = 0;      // Of the log now.
    std::uint64_t drop_before = 0;     // What a run would leave as the first leaf; first_leaf: nothing goes.
    std::uint64_t segments = 0;        // That would go.
    std::uint64_t records = 0;
    std::optional<std::int64_t> held_by;  // The hold that stops it earlier than the age does.
    bool waits_for_checkpoint = false;    // It would go further, were more of the log signed.
};

struct RetentionHealth {
    std::uint64_t runs = 0;
    std::uint64_t records_dropped = 0;
    UnixMillis last_run = 0;
    std::string reason;  // Of the last failure; empty once a run went well.
    std::uint64_t failures = 0;
};

class Retention {
  public:
    struct Parts {
        LogStore& store;
        DecisionLog& log;  // Where the events go.
        ProofKeeper& proofs;
        Holds& holds;
        const Clock& clock;
        Random& random;
    };
    /// `parts` outlive it.
    Retention(RetentionOptions options, const Parts& parts);
    ~Retention();
    Retention(const Retention&) = delete;
    Retention& operator=(const Retention&) = delete;

    Result<RetentionPlan> preview() const;
    /// Waits for the event to be durable and for the files to be gone. Not on an event loop, not on the log's threads.
    Result<RetentionPlan> run(const std::string& actor);
    void stop();
    RetentionHealth health() const;
    const RetentionOptions& options() const noexcept { return options_; }

    /// Places or releases a hold; it is answered when the event is durable too. While a run is at work it waits for it.
    Result<Hold> place(Hold hold);
    Result<Hold> release(std::int64_t id, const std::string& by);

  private:
    /// `tenant`: whose readers may see it; empty: what is everybody's.
    Result<void> append_event(std::string operation, const std::string& actor, std::string output,
                              const std::string& tenant = {});
    Result<RetentionPlan> drop(const std::string& actor);
    void loop();

    const RetentionOptions options_;
    const Parts parts_;
    Turns turns_;  // One run, or one change of the holds, at a time.
    mutable Mutex mutex_;
    Condition wake_;
    RetentionHealth health_ TG_GUARDED_BY(mutex_);
    bool stopping_ TG_GUARDED_BY(mutex_) = false;
    std::thread thread_;
};

/// Members of an object.
void append_members(JsonWriter& writer, const Hold& hold);
void append_members(JsonWriter& writer, const RetentionPlan& plan);

/// A record of something that happened to the log: kind event, service `compliance`.
Decision make_event(std::string_view operation, const std::string& actor, std::string output, const Clock& clock,
                    Random& random);

}  // namespace tidegate::audit::keep
