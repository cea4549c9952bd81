// The drift monitor's settings.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "settings/table.h"

namespace tidegate::compliance {

struct DriftWebhookSettings {
    std::string url;
    settings::Secret secret;
    bool allow_private = false;
    std::uint32_t attempts_max = 0;
    std::uint32_t waiting_max = 0;
    Duration timeout{};
};

struct DriftSettings {
    bool enabled = true;
    std::uint32_t baseline_decisions = 0;
    std::uint32_t window_decisions = 0;
    std::uint32_t window_min_decisions = 0;
    double effect_min = 0;
    double alarms_a_month = 0;
    Duration look_interval{};
    Duration window_age_max{};
    std::uint32_t streams_max = 0;
    std::uint32_t tenant_share_percent = 50;
    Duration stream_idle_max{};
    std::vector<std::string> segments;
    std::vector<std::string> numbers;
    std::uint32_t queue_records_max = 0;
    Duration save_interval{};
    std::uint32_t alerts_max = 0;
    Duration cool_down{};
    Duration quiet{};
    std::uint32_t listeners_max = 0;
    DriftWebhookSettings webhook;
};

/// At most 8 segments and 16 numbers are declared; more, or an odd name, stops the start.
void declare(settings::Table& table, DriftSettings& s);

}  // namespace tidegate::compliance
