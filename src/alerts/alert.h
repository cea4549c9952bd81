// Alert: that a rule holds for one group of labels, from its first bad number to its end.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "alerts/source.h"
#include "base/clock.h"

namespace tidegate::alerts {

enum class AlertState : std::uint8_t {
    kPending,  // It holds, but not for long enough. Nobody is told; lost with the process.
    kFiring,
    kResolved,
};
std::string_view to_string(AlertState state) noexcept;

struct Acknowledgement {
    std::string by;
    UnixMillis at = 0;
    std::string note;
};

struct Alert {
    std::string id;  // UUIDv7; empty while pending.
    std::string rule;
    std::string severity;
    std::string summary;
    Labels labels;
    AlertState state = AlertState::kPending;
    double value = 0;      // The last number that was measured.
    double worst = 0;      // The furthest from the good side.
    double threshold = 0;  // As the rule had it.
    std::string comparison;
    UnixMillis since = 0;  // The first bad number.
    UnixMillis fired = 0;
    UnixMillis resolved = 0;
    std::string end;  // Why it is resolved: `measured`, `no_data`, `rule_gone`.
    std::optional<Acknowledgement> acknowledged;
    bool told_firing = false;  // Its webhooks have it.
    bool told_resolved = false;
};

/// Nobody is told of what matches, until a time.
struct Silence {
    std::string id;
    std::string rule;  // Empty: every rule.
    Labels labels;     // All must be so; none: whatever they are.
    UnixMillis from = 0;
    UnixMillis until = 0;
    std::string by;
    std::string note;

    bool covers(const Alert& alert, UnixMillis now) const;
};

}  // namespace tidegate::alerts
