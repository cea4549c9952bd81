// The settings of the export of traces.
#pragma once

#include <cstdint>
#include <string>

#include "base/clock.h"
#include "base/result.h"
#include "settings/table.h"

namespace tidegate::telemetry {

struct TracingSettings {
    std::string endpoint;
    settings::Secret headers;
    std::string ca_file;
    std::string service_name;
    double sample_ratio = 0;
    bool parent_based = true;
    std::uint32_t queue_max = 0;
    std::uint32_t batch_max = 0;
    Duration interval{};
    Duration timeout{};

    bool is_on() const noexcept { return !endpoint.empty(); }
};

void declare(settings::Table& table, TracingSettings& s);

}  // namespace tidegate::telemetry
