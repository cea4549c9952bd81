#include "pipeline/access_log.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <chrono>

namespace tidegate::pipeline {
namespace {

constexpr std::size_t kFieldBytesMax = 1024;  // Of each: a client does not fill the disk with one of its fields.

/// A field, or `-` for an empty one. Without spaces where nothing quotes it.
void append_field(std::string& out, std::string_view text, bool quoted) {
    if (text.empty()) {
        out += '-';
        return;
    }
    constexpr std::string_view kHex = "0123456789abcdef";
    for (const char c : text.substr(0, kFieldBytesMax)) {
        const auto byte = static_cast<unsigned char>(c);
        if (c == '"' || c == '\\') {
            out += '\\';
            out += c;
        } else if (byte < 0x20 || byte >= 0x7F || (c == ' ' && !quoted)) {
            out += "\\x";
            out += kHex[byte >> 4U];
            out += kHex[byte & 0xFU];
        } else {
            out += c;
        }
    }
}

/// `10/Oct/2000:13:55:36 +0000`
void append_time(std::string& out, UnixMillis time) {
    constexpr std::array<std::string_view, 12> kMonths{"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                                       "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
    using namespace std::chrono;
    const sys_seconds at(duration_cast<seconds>(milliseconds(time)));
    const sys_days day = floor<days>(at);
    const year_month_day date(day);
    const hh_mm_ss<seconds> clock(at - day);
    fmt::format_to(std::back_inserter(out), "{:02}/{}/{:04}:{:02}:{:02}:{:02} +0000", static_cast<unsigned>(date.day()),
                   kMonths[static_cast<unsigned>(date.month()) - 1], static_cast<int>(date.year()),
                   clock.hours().count(), clock.minutes().count(), clock.seconds().count());
}

}  // namespace

std::string access_line(const AccessLine& line, bool combined) {
    std::string out;
    append_field(out, line.client, false);
    out += " - ";
    append_field(out, line.who, false);
    out += " [";
    append_time(out, line.ended_at);
    out += "] \"";
    append_field(out, line.method, true);
    out += ' ';
    append_field(out, line.target.substr(0, line.target.find('?')), true);
    out += line.http_1_1 ? " HTTP/1.1\" " : " HTTP/1.0\" ";
    fmt::format_to(std::back_inserter(out), "{} ", line.status);
    line.bytes == 0 ? out += '-' : out += std::to_string(line.bytes);
    if (combined) {
        out += " \"";
        append_field(out, line.referer.substr(0, line.referer.find('?')), true);
        out += "\" \"";
        append_field(out, line.agent, true);
        out += '"';
    }
    out += '\n';
    return out;
}

}  // namespace tidegate::pipeline
