// The drift report: streams, what was tested, what is open, in JSON or as a page to print.
#pragma once

#include <functional>
#include <string>

#include "base/clock.h"
#include "drift/monitor.h"

namespace tidegate::compliance {

struct ReportInput {
    UnixMillis now = 0;
    const drift::Monitor& monitor;
    const drift::Alerts& alerts;
    std::function<bool(const std::string& tenant, const std::string& service)> wanted;
};

std::string report_json(const ReportInput& input);
/// A whole HTML document without scripts or links to elsewhere.
std::string report_html(const ReportInput& input);

}  // namespace tidegate::compliance
