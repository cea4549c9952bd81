// AccessLog: a request as one line of the formats that web servers write and log readers know.
//
// Source      Apache's `common` and `combined` (mod_log_config): client, `-`, who, [time], "method path version", status, bytes,
//             and in `combined` referer and user agent.
// Guarantee   One request is one line, whatever was sent: a quotation mark, a backslash and every byte that is no visible ASCII
//             is written as an escape, as Apache does it. Of the target the path only: a query may hold what is nobody's
//             business.
// Threads     Any.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/clock.h"

namespace tidegate::pipeline {

struct AccessLine {
    std::string_view client;  // Numeric address.
    std::string_view who;     // `key:...`; empty: nobody was asked.
    UnixMillis ended_at = 0;
    std::string_view method;
    std::string_view target;  // As it came.
    bool http_1_1 = true;
    int status = 0;
    std::uint64_t bytes = 0;
    std::string_view referer;
    std::string_view agent;
};

/// With its newline. `combined`: with referer and user agent.
std::string access_line(const AccessLine& line, bool combined);

}  // namespace tidegate::pipeline
