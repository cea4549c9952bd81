// Server-sent events (WHATWG HTML, 9.2): the text of one event.
//
// Guarantee   Whatever is in `data` arrives as it was, except that CR and CR LF arrive as LF: that is the format's own rule.
//             A line end in `name` or `id`, or a NUL in `id`, would start another field or void the id: it is left out.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace tidegate::http {

inline constexpr std::string_view kEventStreamType = "text/event-stream";

struct SseEvent {
    std::string_view name;  // Empty: the default, "message".
    std::string_view data;
    std::string_view id;
    std::optional<std::uint32_t> retry_ms;
};

/// Appends the event, with the empty line that dispatches it.
void append_event(std::string& out, const SseEvent& event);
/// Appends a comment: what a quiet stream sends so that nobody on the way takes it for dead.
void append_comment(std::string& out, std::string_view text);

}  // namespace tidegate::http
