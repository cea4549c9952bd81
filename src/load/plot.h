// Plots as SVG: lines over a plain or logarithmic axis, with axes, ticks and a legend; colours come from the page's style sheet.
#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace tidegate::load {

struct Line {
    std::string name;
    std::string style;  // Class of the stroke: c1 to c4.
    std::vector<std::pair<double, double>> points;
};

struct Plot {
    std::string title;
    std::string x_label;
    std::string y_label;
    std::vector<Line> lines;
    bool log_y = false;
    /// Ticks of x that are not to be found by themselves: place and words.
    std::vector<std::pair<double, std::string>> x_ticks;
};

/// An empty plot says that it has no data.
std::string draw(const Plot& plot);

}  // namespace tidegate::load
