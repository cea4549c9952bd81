// Trace context as W3C defines it (Trace Context, Recommendation 2021-11-23), and the stage times of one request.
//
// Guarantee   parse_traceparent() takes version 00 exactly as written in the recommendation, and a later version by its
//             first four fields, as the recommendation demands; anything else is no context, and a new trace begins.
// Threads     Values; StageTimes belongs to one thread at a time.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "base/clock.h"
#include "base/random.h"

namespace tidegate::observe {

using TraceId = std::array<std::uint8_t, 16>;
using SpanId = std::array<std::uint8_t, 8>;

struct TraceContext {
    TraceId trace_id{};  // Never all zero in a context that parse or start gave.
    SpanId span_id{};    // The parent of what we do (parsed), or our own span (started).
    std::uint8_t flags = 0;
    bool sampled() const noexcept { return (flags & 0x01U) != 0; }
    friend bool operator==(const TraceContext&, const TraceContext&) = default;
};

std::optional<TraceContext> parse_traceparent(std::string_view header) noexcept;
/// `00-<32 hex>-<16 hex>-<2 hex>`.
std::string format_traceparent(const TraceContext& context);
/// A new trace with a new span, not sampled.
TraceContext start_trace(Random& random);
/// The same trace and flags with a new span id: what we pass on.
TraceContext child_of(const TraceContext& parent, Random& random);
/// The `tracestate` to pass on: the value itself, or nothing when it is over 512 bytes (the least a vendor
/// must pass whole), over 32 members, or holds bytes a header may not.
std::string_view pass_tracestate(std::string_view header) noexcept;
std::string trace_id_hex(const TraceId& id);

/// How long the stages of one request took, in order; for Server-Timing and for the Decision. No allocation.
class StageTimes {
  public:
    struct Stage {
        const char* name;  // A literal: it is kept by pointer. A token of RFC 9110 (letters, digits, `_`, `-`).
        std::int64_t ns;
    };
    static constexpr std::size_t kStagesMax = 16;

    /// A seventeenth stage is not kept; its time goes to the last.
    void add(const char* name, Duration took) noexcept;
    std::span<const Stage> stages() const noexcept { return {stages_.data(), size_}; }
    Duration total() const noexcept;
    /// `parse;dur=0.012, detect;dur=0.301`: durations in milliseconds, as Server-Timing wants.
    std::string server_timing() const;

  private:
    std::array<Stage, kStagesMax> stages_{};
    std::size_t size_ = 0;
};

}  // namespace tidegate::observe
