// Alerts: the life of a finding about drift, from open to resolved, one for each thing that drifts.
//
// Position    app/ calls raise() for what a look found and tick() after it, and stores and sends what comes back; people acknowledge,
//             resolve and suppress through the API.
// Guarantee   At most one live alert (open, acknowledged or suppressed) for a key: a repetition adds to it and tells nobody
//             again. After a resolution the key is quiet for `cool_down_ms`. Every change of state is in the history with
//             who, when and why; a change that the state does not allow is refused.
// Memory      At most `alerts_max` alerts and `history_max` changes each: the oldest resolved alert makes room; the first
//             change of an alert stays, the oldest of the others goes.
// Threads     One at a time. No clock: times are parameters.
// When full   With alerts_max live alerts raise() gives kDropped and counts it.
#pragma once

#include <compare>
#include <cstddef>
#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/result.h"

namespace tidegate::drift {

enum class AlertState : std::uint8_t { kOpen, kAcknowledged, kResolved, kSuppressed };
/// `open`, `acknowledged`, `resolved`, `suppressed`.
std::string_view to_string(AlertState state) noexcept;

struct AlertKey {
    std::string service;
    std::string model;
    std::string tenant;
    std::string feature;
    std::string operation = {};
    std::string segment = {};
    friend auto operator<=>(const AlertKey&, const AlertKey&) = default;
};

/// A part of a feature's range, or one of its words, whose share moved.
struct MovedCell {
    std::string cell;
    double before = 0;  // Share in the reference.
    double now = 0;
    double contribution = 0;  // Part of the feature's PSI.
    friend bool operator==(const MovedCell&, const MovedCell&) = default;
};

/// Why it was raised: the test or detector, and its figures.
struct Evidence {
    std::string test;
    double statistic = 0;
    double effect = 0;
    double p = 1;
    double threshold = 0;
    std::size_t n = 0;
    std::size_t m = 0;
    double contribution = 0;  // Of the feature to all that changed, 0 to 1.
    std::vector<MovedCell> moved = {};
};

struct AlertChange {
    UnixMillis at = 0;
    AlertState from = AlertState::kOpen;
    AlertState to = AlertState::kOpen;
    std::string actor;  // A key's id or `system`.
    std::string note;
};

struct Alert {
    std::uint64_t id = 0;  // From 1, never used twice.
    AlertKey key;
    AlertState state = AlertState::kOpen;
    UnixMillis opened = 0;
    UnixMillis last_seen = 0;
    UnixMillis suppressed_until = 0;  // While suppressed.
    std::uint64_t seen = 1;           // Looks that found it.
    Evidence latest;
    Evidence worst;  // The largest effect.
    std::vector<AlertChange> history;
};

struct AlertOptions {
    std::size_t alerts_max = 10'000;
    std::size_t history_max = 100;
    UnixMillis cool_down_ms = 3'600'000;
    /// A live alert that no look has found for so long resolves itself; 0: never.
    UnixMillis quiet_ms = 24 * 3'600'000;
};

enum class Raised : std::uint8_t {
    kOpened,      // New: tell people.
    kRepeated,    // Added to a live alert.
    kSuppressed,  // Added to a suppressed one.
    kCooling,     // Resolved too short a time ago; counted in it, not opened.
    kDropped,     // No room.
};

class Alerts {
  public:
    explicit Alerts(AlertOptions options = {}) : options_(options) {}
    struct Outcome {
        Raised raised = Raised::kOpened;
        std::uint64_t id = 0;  // 0 for kDropped.
    };
    Outcome raise(const AlertKey& key, const Evidence& evidence, UnixMillis now);
    /// Ends suppressions whose time is over (such an alert is open again) and resolves the quiet ones; the ids that changed.
    std::vector<std::uint64_t> tick(UnixMillis now);

    /// open -> acknowledged. kNotFound, or kConflict when the state does not allow it; so the next two.
    Result<void> acknowledge(std::uint64_t id, std::string actor, std::string note, UnixMillis now);
    /// Any live state -> resolved.
    Result<void> resolve(std::uint64_t id, std::string actor, std::string note, UnixMillis now);
    /// open or acknowledged -> suppressed; `until` after `now`, else kInvalidArgument.
    Result<void> suppress(std::uint64_t id, UnixMillis until, std::string actor, std::string note, UnixMillis now);

    /// Takes back an alert that was stored, as it was. kConflict when its id is known or its key has a live one;
    /// kResourceExhausted without room; kInvalidArgument without a history.
    Result<void> restore(Alert alert);

    const Alert* find(std::uint64_t id) const noexcept;
    /// Newest first; `limit` at most.
    std::vector<const Alert*> list(std::size_t limit, bool live_only) const;
    std::size_t live() const noexcept { return live_.size(); }
    std::uint64_t dropped() const noexcept { return dropped_; }

  private:
    Result<Alert*> live_alert(std::uint64_t id);
    void change(Alert& alert, AlertState to, std::string actor, std::string note, UnixMillis now);
    bool make_room();

    AlertOptions options_;
    std::map<std::uint64_t, Alert> alerts_;
    std::map<AlertKey, std::uint64_t> live_;
    std::map<AlertKey, std::uint64_t> resolved_;  // The last resolved of each key.
    std::uint64_t next_id_ = 1;
    std::uint64_t dropped_ = 0;
};

}  // namespace tidegate::drift
