#include "http/sse.h"

#include <algorithm>

namespace tidegate::http {
namespace {

void append_line(std::string& out, std::string_view field, std::string_view value) {
    out.append(field);
    out.append(": ");
    for (const char c : value) {
        if (c != '\r' && c != '\n' && c != '\0') out.push_back(c);
    }
    out.push_back('\n');
}

/// `prefix` before every line of `text`; one line at least.
void append_lines(std::string& out, std::string_view prefix, std::string_view text) {
    while (true) {
        const std::size_t end = text.find_first_of("\r\n");
        out.append(prefix);
        out.append(text.substr(0, end));
        out.push_back('\n');
        if (end == std::string_view::npos) return;
        const bool pair = text.substr(end).starts_with("\r\n");
        text.remove_prefix(end + (pair ? 2 : 1));
    }
}

}  // namespace

void append_event(std::string& out, const SseEvent& event) {
    if (!event.name.empty()) append_line(out, "event", event.name);
    if (!event.id.empty()) append_line(out, "id", event.id);
    if (event.retry_ms) append_line(out, "retry", std::to_string(*event.retry_ms));
    append_lines(out, "data: ", event.data);
    out.push_back('\n');
}

void append_comment(std::string& out, std::string_view text) {
    append_lines(out, ": ", text);
    out.push_back('\n');
}

}  // namespace tidegate::http
