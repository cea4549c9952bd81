// Settings of checkpoints and retention.
#pragma once

#include <cstdint>
#include <string>

#include "settings/table.h"

namespace tidegate::audit::keep {

struct KeepSettings {
    std::string origin;  // Empty: made from the id of the log.
    std::string signing_key;
    Duration checkpoint_interval{};
    std::uint64_t checkpoint_records = 0;
    std::uint32_t retention_days = 0;
    Duration retention_interval{};
};

/// Empty, or what a signed note may be named: no space, no `+`, at most 200 bytes.
Result<void> check_origin(std::string_view text);

void declare(settings::Table& table, KeepSettings& s);

}  // namespace tidegate::audit::keep
