#include "load/plot.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <iterator>

#include "base/html.h"

namespace tidegate::load {
namespace {

// Units of the view box; the page scales it.
constexpr double kWidth = 760;
constexpr double kHeight = 260;
constexpr double kLeft = 64;
constexpr double kRight = 12;
constexpr double kTop = 16;
constexpr double kBottom = 40;

struct Axis {
    double low = 0;
    double high = 1;
    bool log = false;
    /// 0 to 1.
    double place(double value) const {
        if (!log) return (value - low) / (high - low);
        return (std::log10(std::max(value, low)) - std::log10(low)) / (std::log10(high) - std::log10(low));
    }
};

/// 1, 2 or 5 times a power of ten, so that about `count` steps fill the range.
double step_for(double range, double count) {
    const double raw = range / count;
    const double power = std::pow(10, std::floor(std::log10(raw)));
    for (const double factor : {1.0, 2.0, 5.0}) {
        if (raw <= factor * power) return factor * power;
    }
    return 10 * power;
}

Axis axis_for(const Plot& plot, bool y) {
    double low = y && plot.log_y ? 1e300 : 0;
    double high = 0;
    bool any = false;
    for (const Line& line : plot.lines) {
        for (const auto& [px, py] : line.points) {
            const double value = y ? py : px;
            if (y && plot.log_y && !(value > 0)) continue;
            low = any ? std::min(low, value) : (y && !plot.log_y ? 0 : value);
            high = any ? std::max(high, value) : value;
            any = true;
        }
    }
    if (!any) return {};
    if (y && plot.log_y) {
        low = std::pow(10, std::floor(std::log10(low)));
        high = std::pow(10, std::ceil(std::log10(high) + 1e-9));
        if (high <= low) high = low * 10;
        return {.low = low, .high = high, .log = true};
    }
    if (high <= low) high = low + 1;
    if (y) high = std::ceil(high / step_for(high - low, 5)) * step_for(high - low, 5);
    return {.low = low, .high = high};
}

double to_x(const Axis& axis, double value) {
    return kLeft + axis.place(value) * (kWidth - kLeft - kRight);
}
double to_y(const Axis& axis, double value) {
    return kHeight - kBottom - axis.place(value) * (kHeight - kTop - kBottom);
}

std::string number(double value) {
    if (value >= 10'000) return fmt::format("{:g}k", value / 1000);
    return fmt::format("{:.4g}", value);
}

void draw_y(std::string& out, const Axis& axis) {
    auto to = std::back_inserter(out);
    const auto tick = [&](double value) {
        const double y = to_y(axis, value);
        fmt::format_to(to, "<line class=\"grid\" x1=\"{}\" x2=\"{}\" y1=\"{:.1f}\" y2=\"{:.1f}\"/>", kLeft,
                       kWidth - kRight, y, y);
        fmt::format_to(to, "<text x=\"{}\" y=\"{:.1f}\" text-anchor=\"end\">{}</text>\n", kLeft - 6, y + 4,
                       number(value));
    };
    if (axis.log) {
        for (double value = axis.low; value <= axis.high * 1.001; value *= 10) tick(value);
        return;
    }
    const double step = step_for(axis.high - axis.low, 5);
    for (int i = 0; axis.low + i * step <= axis.high * 1.0001; ++i) tick(axis.low + i * step);
}

void draw_x(std::string& out, const Plot& plot, const Axis& axis) {
    auto to = std::back_inserter(out);
    const auto tick = [&](double value, const std::string& words) {
        fmt::format_to(to, "<text x=\"{:.1f}\" y=\"{}\" text-anchor=\"middle\">{}</text>\n", to_x(axis, value),
                       kHeight - kBottom + 16, escape_html(words));
    };
    for (const auto& [value, words] : plot.x_ticks) {
        if (value >= axis.low && value <= axis.high) tick(value, words);
    }
    if (!plot.x_ticks.empty()) return;
    const double step = step_for(axis.high - axis.low, 8);
    for (double value = std::ceil(axis.low / step) * step; value <= axis.high * 1.0001; value += step)
        tick(value, number(value));
}

void draw_line(std::string& out, const Line& line, const Axis& x, const Axis& y) {
    auto to = std::back_inserter(out);
    fmt::format_to(to, "<polyline class=\"{}\" points=\"", line.style);
    for (const auto& [px, py] : line.points) fmt::format_to(to, "{:.1f},{:.1f} ", to_x(x, px), to_y(y, py));
    fmt::format_to(to, "\"><title>{}</title></polyline>\n", escape_html(line.name));
}

}  // namespace

std::string draw(const Plot& plot) {
    std::string out = fmt::format("<figure><figcaption>{}</figcaption>\n", escape_html(plot.title));
    const bool empty = std::ranges::all_of(plot.lines, [](const Line& line) { return line.points.empty(); });
    if (empty) return out + "<p>No data.</p></figure>\n";
    auto to = std::back_inserter(out);
    const Axis x = axis_for(plot, false);
    const Axis y = axis_for(plot, true);
    fmt::format_to(to, "<svg viewBox=\"0 0 {} {}\" role=\"img\" aria-label=\"{}\">\n", kWidth, kHeight,
                   escape_html(plot.title));
    draw_y(out, y);
    draw_x(out, plot, x);
    fmt::format_to(to, "<text x=\"{}\" y=\"{}\" text-anchor=\"middle\">{}</text>\n", kWidth / 2, kHeight - 6,
                   escape_html(plot.x_label));
    fmt::format_to(to, "<text x=\"{}\" y=\"11\">{}</text>\n", 2, escape_html(plot.y_label));
    for (const Line& line : plot.lines) draw_line(out, line, x, y);
    out += "</svg><p class=\"legend\">";
    for (const Line& line : plot.lines)
        fmt::format_to(to, "<span class=\"{}\">{}</span> ", line.style, escape_html(line.name));
    return out + "</p></figure>\n";
}

}  // namespace tidegate::load
