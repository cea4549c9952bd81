#include "observe/trace.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/hash.h"

namespace tidegate::observe {
namespace {

constexpr std::size_t kTraceparentBytes = 55;  // 2 + 1 + 32 + 1 + 16 + 1 + 2.

// Lower case only: the recommendation refuses upper case.
int hex_value(char c) noexcept {
    if (c >= '0' && c <= '9') return c - '0';
    if (c >= 'a' && c <= 'f') return c - 'a' + 10;
    return -1;
}

bool read_hex(std::string_view text, std::span<std::uint8_t> out) noexcept {
    for (std::size_t i = 0; i < out.size(); ++i) {
        const int high = hex_value(text[2 * i]);
        const int low = hex_value(text[2 * i + 1]);
        if (high < 0 || low < 0) return false;
        out[i] = static_cast<std::uint8_t>(high * 16 + low);
    }
    return true;
}

bool all_zero(std::span<const std::uint8_t> bytes) noexcept {
    return std::ranges::all_of(bytes, [](std::uint8_t byte) { return byte == 0; });
}

void fill_nonzero(std::span<std::uint8_t> bytes, Random& random) {
    do {
        random.fill(std::as_writable_bytes(bytes));
    } while (all_zero(bytes));
}

}  // namespace

std::optional<TraceContext> parse_traceparent(std::string_view header) noexcept {
    if (header.size() < kTraceparentBytes) return std::nullopt;
    if (header[2] != '-' || header[35] != '-' || header[52] != '-') return std::nullopt;
    std::array<std::uint8_t, 1> version{};
    std::array<std::uint8_t, 1> flags{};
    TraceContext context;
    if (!read_hex(header, version) || version[0] == 0xFF) return std::nullopt;
    if (header.size() > kTraceparentBytes && (version[0] == 0 || header[kTraceparentBytes] != '-')) return std::nullopt;
    if (!read_hex(header.substr(3), context.trace_id) || !read_hex(header.substr(36), context.span_id))
        return std::nullopt;
    if (!read_hex(header.substr(53), flags)) return std::nullopt;
    if (all_zero(context.trace_id) || all_zero(context.span_id)) return std::nullopt;
    context.flags = flags[0] & 0x01U;  // `sampled` is the one flag version 00 knows; others are not passed on.
    return context;
}

std::string format_traceparent(const TraceContext& context) {
    // 00-<32 digits>-<16 digits>-<2 digits>
    std::string out(55, '-');
    out[0] = out[1] = '0';
    write_hex(context.trace_id.data(), context.trace_id.size(), out.data() + 3);
    write_hex(context.span_id.data(), context.span_id.size(), out.data() + 36);
    write_hex(&context.flags, 1, out.data() + 53);
    return out;
}

TraceContext start_trace(Random& random) {
    TraceContext context;
    fill_nonzero(context.trace_id, random);
    fill_nonzero(context.span_id, random);
    return context;
}

TraceContext child_of(const TraceContext& parent, Random& random) {
    TraceContext context = parent;
    fill_nonzero(context.span_id, random);
    return context;
}

std::string_view pass_tracestate(std::string_view header) noexcept {
    if (header.size() > 512 || std::ranges::count(header, ',') >= 32) return {};
    const bool visible = std::ranges::all_of(header, [](char c) { return (c >= ' ' && c <= '~') || c == '\t'; });
    return visible ? header : std::string_view{};
}

std::string trace_id_hex(const TraceId& id) {
    return to_hex(id.data(), id.size());
}

void StageTimes::add(const char* name, Duration took) noexcept {
    if (size_ == kStagesMax) {
        stages_[kStagesMax - 1].ns += took.count();
        return;
    }
    stages_[size_++] = {name, took.count()};
}

Duration StageTimes::total() const noexcept {
    std::int64_t ns = 0;
    for (const Stage& stage : stages()) ns += stage.ns;
    return Duration(ns);
}

std::string StageTimes::server_timing() const {
    std::string out;
    for (const Stage& stage : stages()) {
        fmt::format_to(std::back_inserter(out), "{}{};dur={:.3f}", out.empty() ? "" : ", ", stage.name,
                       static_cast<double>(stage.ns) / 1e6);
    }
    return out;
}

}  // namespace tidegate::observe
