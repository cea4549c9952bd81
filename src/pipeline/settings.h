// The pipeline's settings.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "settings/table.h"

namespace tidegate::pipeline {

/// Of one of our own routes, in place of what its service says: one element of `cache.answers`.
struct AnswerOptions {
    std::string route;
    Duration ttl{};
    std::int32_t decimals = -1;
    bool shared = false;
    bool client_may_bypass = true;
};

struct PipelineSettings {
    bool access_log = true;
    std::string access_log_format;
    std::string access_log_path;
    std::uint32_t compress_bytes_min = 1024;
    std::uint32_t json_depth_max = 64;
    std::vector<std::string> shadow;
    std::vector<AnswerOptions> answers;
};

inline void declare_answer(settings::Table& table, AnswerOptions& s) {
    using std::chrono::seconds;
    table.add("route", s.route, "").required().doc("Its operation in /openapi.json: `detect_text`.");
    table.add("ttl_s", s.ttl, seconds(0))
        .required()
        .range(seconds(0), std::chrono::hours(24 * 365))
        .doc("How long at most an answer is given again, in whole seconds; 0: none is kept.");
    table.add("decimals", s.decimals, -1)
        .range(-1, 15)
        .doc("Numbers of the question that agree to so many decimals are one; 0: exactly; -1: as the service says.");
    table.add("shared", s.shared, false).doc("Tenants share answers; false keeps each tenant's apart.");
    table.add("client_may_bypass", s.client_may_bypass, true)
        .doc("Obey a client's `Cache-Control: no-cache` and the like; false where answering anew is expensive.");
}

inline void declare(settings::Table& table, PipelineSettings& s) {
    table.group("pipeline", "What happens to every request");
    table.add("pipeline.access_log", s.access_log, true).doc("Write one log line for each request.");
    table.add("pipeline.access_log_format", s.access_log_format, "json")
        .choices({"json", "combined", "common"})
        .doc("How those lines are written; `combined` and `common` are Apache's and need pipeline.access_log_path.");
    table.add("pipeline.access_log_path", s.access_log_path, "")
        .doc("File for those lines; empty: they stand in the log. SIGHUP opens it anew.");
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

/// In the group `cache`, which is opened before (cache::declare).
inline void declare_answers(settings::Table& table, PipelineSettings& s) {
    table.list("cache.answers", s.answers, declare_answer,
               "For how long answers of our own routes are kept, in place of what their service says.", "route");
}

}  // namespace tidegate::pipeline
