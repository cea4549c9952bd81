// Settings of the models.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/result.h"
#include "model/backend.h"
#include "settings/table.h"

namespace tidegate::model {

struct ModelSettings {
    std::string folder;
    std::string mode;
    std::vector<std::string> load;
    Duration poll_interval{};
    std::string device;
    std::int32_t device_index = 0;
    std::string runtime_library;
    std::uint32_t intra_op_threads = 0;
    std::uint32_t inter_op_threads = 0;
    std::string cpu_affinity;
    std::uint64_t arena_bytes_max = 0;
    std::uint64_t file_bytes_max = 0;
    std::uint32_t inline_below_us = 0;
    bool fold_constants = true;
};

void declare(settings::Table& table, ModelSettings& s);

/// What a session gets where its model's config says nothing else. kInvalidArgument: cpu_affinity names processors that are not
/// here; kUnavailable: device `cuda` was asked for and cannot be used. `note`: a line for the log, or empty.
Result<SessionOptions> session_options(const ModelSettings& s, const Backend& backend, std::string& note);

}  // namespace tidegate::model
