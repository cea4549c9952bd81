// Clock: the seam through which all code reads time, so that a test can move it by hand.
//
// Threads     Every method may be called from any thread.
// Ownership   app/ owns the one SystemClock; everything else holds a `const Clock&` that outlives it.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>

#include "base/mutex.h"
#include "base/result.h"

namespace tidegate {

using Duration = std::chrono::nanoseconds;
using SteadyTime = std::chrono::time_point<std::chrono::steady_clock, Duration>;
/// Milliseconds since the Unix epoch, UTC: the unit of every stored or printed time.
using UnixMillis = std::int64_t;

class Clock {
  public:
    virtual ~Clock() = default;
    /// Monotonic time, for durations and deadlines.
    virtual SteadyTime now() const noexcept = 0;
    /// Civil time, for records and headers. May jump.
    virtual UnixMillis unix_ms() const noexcept = 0;
};

class SystemClock final : public Clock {
  public:
    SteadyTime now() const noexcept override;
    UnixMillis unix_ms() const noexcept override;
};

/// Moves only when told to; both clocks together. For tests.
class ManualClock final : public Clock {
  public:
    explicit ManualClock(UnixMillis start_unix_ms = 1'700'000'000'000) : unix_ms_(start_unix_ms) {}
    SteadyTime now() const noexcept override;
    UnixMillis unix_ms() const noexcept override;
    void advance(Duration by) noexcept;

  private:
    mutable Mutex mutex_;
    Duration elapsed_ TG_GUARDED_BY(mutex_){};
    UnixMillis unix_ms_ TG_GUARDED_BY(mutex_);
};

/// `2026-03-01T12:00:00.123Z` (RFC 3339, UTC, milliseconds).
std::string format_rfc3339(UnixMillis time);
/// Accepts RFC 3339 with `Z` or a numeric offset and 0 to 9 digits of fraction; kInvalidArgument otherwise.
Result<UnixMillis> parse_rfc3339(std::string_view text);
/// `Sun, 06 Nov 1994 08:49:37 GMT` (RFC 9110, IMF-fixdate).
std::string format_http_date(UnixMillis time);

}  // namespace tidegate
