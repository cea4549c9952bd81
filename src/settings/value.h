// Reading and showing the value of one setting: text to target, with type, unit, range and choices checked.
//
// Position    Inside the settings room; rooms and app/ use settings/table.h and settings/load.h.
// When it fails  The Error says the value (never a secret's), what was expected and the range; the caller adds the
//             source.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/result.h"
#include "settings/table.h"

namespace tidegate::settings {

struct TimeUnit {
    Duration size{};
    std::string_view symbol;
};

/// From the end of a name, in either case: `_ms`, `_s`, and, for the variables of other systems, `_seconds`,
/// `_minutes`, `_hours`, `_days`.
std::optional<TimeUnit> unit_of_name(std::string_view name);

/// `60` in `unit`, or with its own unit: `250us`, `500ms`, `1.5s`, `10m`, `2h`, `7d`.
std::optional<Duration> parse_duration(std::string_view text, Duration unit);
/// `65536`, `64KiB`, `10MB`, `1GiB`: powers of 1024 with `i`, of 1000 without.
std::optional<std::uint64_t> parse_bytes(std::string_view text);

/// Reads `text` into the setting's target. `spelled` is the name it came by: it decides the unit of a plain
/// number.
Result<void> store_text(const Entry& entry, std::string_view text, std::string_view spelled);
/// As store_text, for the elements of a YAML sequence; kInvalidArgument when the setting is not a list.
Result<void> store_list(const Entry& entry, std::vector<std::string> items);
/// Writes the default; kInvalidArgument when it is outside the range or the choices.
Result<void> store_default(const Entry& entry);

/// `boolean`, `integer`, `number`, `text`, `list`, `duration`, `bytes`, `secret`, `choice`.
std::string_view type_name(const Entry& entry);
/// `1 to 65535`, `1s to 1h`, `json, text`, the form of a checked text; empty when anything goes.
std::string range_text(const Entry& entry);
/// The target's present value as it would be written in the file; a secret is `set` or `not set`.
std::string value_text(const Entry& entry);
/// The same as JSON.
std::string value_json(const Entry& entry);
/// The default as it would be written in the file; empty for a secret.
std::string default_text(const Entry& entry);

}  // namespace tidegate::settings
