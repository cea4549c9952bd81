#include "load/shape.h"

#include <fmt/core.h>

#include <algorithm>
#include <cmath>
#include <utility>

#include "base/strings.h"

namespace tidegate::load {
namespace {

double area_of(const Stage& stage) noexcept {
    return stage.seconds * (stage.from + stage.to) / 2;
}

/// Seconds into the stage at which its area is `area`: the root of slope / 2 t^2 + from t = area.
double time_in(const Stage& stage, double area) noexcept {
    const double slope = (stage.to - stage.from) / stage.seconds;
    const double root = std::sqrt(std::max(0.0, stage.from * stage.from + 2 * slope * area));
    // This form of the root is right for a slope of 0 too.
    return root + stage.from > 0 ? std::min(stage.seconds, 2 * area / (root + stage.from)) : 0;
}

}  // namespace

Shape::Shape(std::vector<Stage> stages) : stages_(std::move(stages)) {
    for (const Stage& stage : stages_) {
        seconds_ += stage.seconds;
        area_ += area_of(stage);
    }
}

double Shape::level(double second) const noexcept {
    for (const Stage& stage : stages_) {
        if (second < stage.seconds) return stage.from + (stage.to - stage.from) * std::max(0.0, second) / stage.seconds;
        second -= stage.seconds;
    }
    return 0;
}

double Shape::level_max() const noexcept {
    double most = 0;
    for (const Stage& stage : stages_) {
        if (stage.seconds > 0) most = std::max({most, stage.from, stage.to});
    }
    return most;
}

double Shape::area(double second) const noexcept {
    double sum = 0;
    for (const Stage& stage : stages_) {
        if (second < stage.seconds) {
            const double now = stage.from + (stage.to - stage.from) * second / stage.seconds;
            return sum + second * (stage.from + now) / 2;
        }
        sum += area_of(stage);
        second -= stage.seconds;
    }
    return sum;
}

std::optional<double> Shape::arrival(double n) const noexcept {
    double before = 0;
    for (const Stage& stage : stages_) {
        const double area = area_of(stage);
        if (area > 0 && n < area) return before + time_in(stage, n);
        n -= area;
        before += stage.seconds;
    }
    return std::nullopt;
}

Shape Shape::scaled(double factor) const {
    std::vector<Stage> stages = stages_;
    for (Stage& stage : stages) {
        stage.from *= factor;
        stage.to *= factor;
    }
    return Shape(std::move(stages));
}

Result<double> parse_seconds(std::string_view text) {
    constexpr double kMost = 48 * 3600;
    double factor = 0;
    std::string_view number = text;
    for (const auto& [unit, seconds] :
         {std::pair<std::string_view, double>{"ms", 0.001}, {"s", 1}, {"m", 60}, {"h", 3600}}) {
        if (!text.ends_with(unit)) continue;
        factor = seconds;
        number.remove_suffix(unit.size());
        break;
    }
    const auto value = parse_double(number);
    if (factor == 0 || !value || !(*value >= 0) || *value * factor > kMost) {
        return fail(ErrorCode::kInvalidArgument,
                    fmt::format("`{}` is no time such as 500ms, 30s, 5m or 2h (48h at most)", text));
    }
    return *value * factor;
}

Result<std::vector<Stage>> parse_stages(std::string_view text) {
    std::vector<Stage> stages;
    double level = 0;
    for (const std::string_view part : split(text, ',')) {
        const std::size_t colon = part.find(':');
        if (colon == std::string_view::npos) {
            return fail(ErrorCode::kInvalidArgument, fmt::format("stages are TIME:LEVEL,..., not `{}`", part));
        }
        TG_TRY(const double seconds, parse_seconds(part.substr(0, colon)));
        const auto to = parse_double(part.substr(colon + 1));
        if (!to || !(*to >= 0) || *to > 10'000'000) {
            return fail(ErrorCode::kInvalidArgument, fmt::format("`{}` is no level from 0 to 10,000,000", part));
        }
        stages.push_back({.seconds = seconds, .from = level, .to = *to});
        level = *to;
    }
    const Shape shape(stages);
    if (shape.seconds() <= 0 || shape.area() <= 0) {
        return fail(ErrorCode::kInvalidArgument, "the stages make no load");
    }
    return stages;
}

}  // namespace tidegate::load
