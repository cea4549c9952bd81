// Plan: all that decides what a run does; and the built-in profiles.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/result.h"
#include "load/shape.h"

namespace tidegate::load {

enum class Loop : std::uint8_t {
    kClosed,  // Users: each asks again when it has its answer. A slow server is asked less often, so latency from sending on.
    kOpen,  // Arrivals: asked at their times, whatever the server does. Latency from the intended time on.
};
enum class Arrivals : std::uint8_t { kConstant, kPoisson };

struct Plan {
    std::string profile = "normal";
    Loop loop = Loop::kClosed;
    Arrivals arrivals = Arrivals::kPoisson;
    std::vector<Stage> stages;  // The measured window: users, or requests a second.
    double ramp_s = 0;          // From nothing to the first level; not measured.
    double warm_up_s = 0;       // At the first level; not measured.
    unsigned connections = 0;   // Open loop. 0: 256.
    unsigned threads = 1;
    double timeout_s = 10;
    double think_s = 0;          // Closed loop: mean of an exponential pause between an answer and the next request.
    std::uint64_t requests = 0;  // Ends after so many measured requests; 0: by time alone.
    bool heavy = false;          // The operations' heavy weights.
    std::uint64_t seed = 1;
    double repeats = 0.72;
    std::uint32_t hot_keys = 1000;

    double window_s() const noexcept;
    double lead_s() const noexcept { return ramp_s + warm_up_s; }
    /// Ramp, warm-up and the stages, one after the other.
    Shape shape() const;
};

struct Profile {
    std::string_view name;
    std::string_view summary;
    Plan plan;
};
const std::vector<Profile>& profiles();
const Profile* find_profile(std::string_view name);

}  // namespace tidegate::load
