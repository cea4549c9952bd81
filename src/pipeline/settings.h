// The pipeline's settings.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "settings/table.h"

namespace tidegate::pipeline {

struct PipelineSettings {
    bool access_log = true;
    std::uint32_t compress_bytes_min = 1024;
    std::uint32_t json_depth_max = 64;
    std::vector<std::string> shadow;
};

inline void declare(settings::Table& table, PipelineSettings& s) {
    table.group("pipeline", "What happens to every request");
    table.add("pipeline.access_log", s.access_log, true).doc("Write one log line for each request.");
    table.add("pipeline.compress_bytes_min", s.compress_bytes_min, 1024)
        .range(256, 1'000'000)
        .bytes()
        .doc("Answers of at least this size are compressed when the client accepts it.");
    table.add("pipeline.json_depth_max", s.json_depth_max, 64)
        .range(4, 1000)
        .unit("levels")
        .doc("Deepest nesting of a JSON body; a deeper one is refused with 400.");
    table.add("pipeline.shadow", s.shadow, {})
        .doc("Stages that decide and count, and let pass: overload, identity, limit, spend.");
}

}  // namespace tidegate::pipeline
