// Stage "admit": may this route take this body?
//
// Position    On the head, before a byte of the body is read.
// Guarantee   A body that is not what the route takes is refused with 413 or 415 and not read.
// Memory      None.
// Threads     The loop.
#include <algorithm>

#include "base/strings.h"
#include "pipeline/dispatcher.h"

namespace tidegate::pipeline {
namespace {

/// `application/json`, with or without parameters; any charset named must be UTF-8 (RFC 8259, 8.1).
bool is_json(std::string_view content_type) {
    const auto parts = split(content_type, ';');
    const std::string type = to_lower(trim(parts.front()));
    if (type != "application/json" && !(type.starts_with("application/") && type.ends_with("+json"))) return false;
    return std::all_of(parts.begin() + 1, parts.end(), [](std::string_view part) {
        const std::string parameter = to_lower(trim(part));
        return !parameter.starts_with("charset=") || parameter == "charset=utf-8" || parameter == "charset=\"utf-8\"";
    });
}

}  // namespace

Step Stages::admit_body(Dispatcher&, Context& context) {
    const http::RequestHead& head = context.head();
    const Route& route = context.route_->route;
    if (route.raw_body) return Step::kNext;
    if (!route.request) {
        if (!head.has_body()) return Step::kNext;
        context.fail({ErrorCode::kTooLarge, "This route takes no body."});
        return Step::kAnswered;
    }
    // Clients without the header are common and harmless (some send none for JSON); a wrong one is refused.
    const auto type = head.headers.get("Content-Type");
    if (type && !is_json(*type)) {
        context.fail({ErrorCode::kUnsupportedMedia, "The body must be application/json in UTF-8."});
        return Step::kAnswered;
    }
    if (head.headers.get("Content-Encoding")) {
        context.fail({ErrorCode::kUnsupportedMedia, "Compressed request bodies are not accepted."});
        return Step::kAnswered;
    }
    return Step::kNext;
}

}  // namespace tidegate::pipeline
