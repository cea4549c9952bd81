// The rules by which the server tells of itself.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "settings/table.h"

namespace tidegate::alerts {

struct RuleOptions {
    std::string name;
    bool enabled = true;
    std::string kind = "threshold";
    std::string metric;
    std::vector<std::string> labels;
    std::string of_metric;
    std::vector<std::string> of_labels;
    std::vector<std::string> by;
    std::string comparison = ">";
    double value = 0;
    double hysteresis = 0;
    double count_min = 0;
    Duration for_time{};
    Duration window = std::chrono::minutes(5);
    Duration resolve_for = std::chrono::minutes(1);
    std::string severity = "warning";
    std::vector<std::string> webhooks;
    std::string summary;
};

struct AlertSettings {
    bool enabled = true;
    bool defaults = true;
    Duration interval{};
    Duration keep{};
    std::uint32_t history_max = 0;
    std::uint32_t silences_max = 200;
    std::vector<RuleOptions> rules;
};

void declare(settings::Table& table, AlertSettings& s);

/// The rules that come with the program. One of alerts.rules with the same name takes the place of one of these.
std::vector<RuleOptions> default_rules();

}  // namespace tidegate::alerts
