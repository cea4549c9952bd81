// Job: a piece of work that outlives the process that took it.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/clock.h"

namespace tidegate::jobs {

enum class JobState : std::uint8_t {
    kQueued,     // Waits for its time or for a worker.
    kRunning,    // A worker has it, or had it when the process died: then it is queued again at the next start.
    kSucceeded,  // Has a result.
    kFailed,     // Its handler said that trying again is of no use.
    kDead,       // All attempts are used up: the dead letter.
    kCancelled,
};
inline constexpr std::size_t kJobStates = 6;
/// `queued`, `running`, ...: as the API and the metrics name them.
std::string_view to_string(JobState state) noexcept;
std::optional<JobState> parse_state(std::string_view text) noexcept;
/// It will not run again by itself.
constexpr bool is_over(JobState state) noexcept {
    return state > JobState::kRunning;
}

struct Job {
    std::string id;  // UUIDv7; the idempotency key of whatever the job does elsewhere.
    std::string kind;
    std::string tenant;  // Empty: none.
    std::string actor;   // Who asked for it.
    std::string title;   // For people, one line, without content.
    JobState state = JobState::kQueued;
    std::string payload;    // The kind's own; never shown.
    std::string blob_path;  // The kind's own file; empty: none. Removed with the job's end, of a dead one with the job.
    std::string result;     // JSON; empty: none.
    std::string error;      // Of the last attempt that failed.
    double progress = 0;    // 0 to 1, of the last attempt.
    std::string progress_note;
    std::uint32_t attempts = 0;  // Begun.
    std::uint32_t attempts_max = 1;
    bool cancel_requested = false;
    UnixMillis created = 0;
    UnixMillis updated = 0;
    UnixMillis next_at = 0;  // While queued: not before.
    UnixMillis started = 0;  // Of the last attempt; 0: none yet.
    UnixMillis finished = 0;
};

}  // namespace tidegate::jobs
