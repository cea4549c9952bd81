// Shape: how much load there is at each moment: a level (users, or requests a second) that moves in straight lines.
//
// Guarantee   arrival(n) is the moment at which n requests are due since the start: the inverse of the area under the level. With whole
//             numbers that is a constant rate, whatever ramp; with sums of exponential numbers a Poisson process of that rate
//             (the time-change theorem). It depends on nothing the server does: the schedule of an open loop.
#pragma once

#include <optional>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace tidegate::load {

struct Stage {
    double seconds = 0;
    double from = 0;  // Level at its start and at its end.
    double to = 0;
};

class Shape {
  public:
    /// Each stage takes more than 0 s, or is a jump of 0 s; levels are not negative.
    explicit Shape(std::vector<Stage> stages);

    double seconds() const noexcept { return seconds_; }
    /// 0 after the end.
    double level(double second) const noexcept;
    double level_max() const noexcept;
    /// Requests due until then, where the level is a rate.
    double area(double second) const noexcept;
    double area() const noexcept { return area_; }
    /// Seconds after the start; nothing once `n` lies behind the end.
    std::optional<double> arrival(double n) const noexcept;
    const std::vector<Stage>& stages() const noexcept { return stages_; }
    /// A shape of the same course with levels times `factor`: a thread's share.
    Shape scaled(double factor) const;

  private:
    std::vector<Stage> stages_;
    double seconds_ = 0;
    double area_ = 0;
};

/// `10s:50,0s:500,30s:500`: from the level before (at first 0) in so long to that level. kInvalidArgument says what is wrong.
Result<std::vector<Stage>> parse_stages(std::string_view text);
/// `500ms`, `30s`, `5m`, `2h`, in seconds; at most 48 h.
Result<double> parse_seconds(std::string_view text);

}  // namespace tidegate::load
