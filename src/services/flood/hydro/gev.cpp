#include "services/flood/hydro/gev.h"

#include <algorithm>
#include <cmath>
#include <numbers>
#include <vector>

namespace tidegate::flood {

double Gev::return_level(double years) const noexcept {
    const double y = -std::log(1 - 1 / years);
    if (std::abs(shape) < 1e-6) return location - scale * std::log(y);
    return location + scale / shape * (1 - std::pow(y, shape));
}

std::optional<Gev> fit_gev(std::span<const double> yearly_maxima) {
    std::vector<double> x(yearly_maxima.begin(), yearly_maxima.end());
    std::ranges::sort(x);
    if (x.size() < 2 || x.front() == x.back()) return std::nullopt;
    const auto n = static_cast<double>(x.size());
    double b0 = 0, b1 = 0, b2 = 0;
    for (std::size_t i = 0; i < x.size(); ++i) {
        const auto j = static_cast<double>(i);
        b0 += x[i] / n;
        b1 += x[i] * j / (n - 1) / n;
        if (x.size() > 2) b2 += x[i] * j * (j - 1) / ((n - 1) * (n - 2)) / n;
    }
    const double l1 = b0;
    const double l2 = 2 * b1 - b0;
    constexpr std::size_t kYearsForShape = 10;
    Gev gev;
    if (x.size() >= kYearsForShape) {
        const double skew = (6 * b2 - 6 * b1 + b0) / l2;
        const double c = 2 / (3 + skew) - std::numbers::ln2 / std::log(3.0);
        // A fit of few years strays; rivers' shapes lie within these bounds.
        gev.shape = std::clamp(7.8590 * c + 2.9554 * c * c, -0.4, 0.4);
    }
    if (std::abs(gev.shape) < 1e-6) {
        gev.scale = l2 / std::numbers::ln2;
        gev.location = l1 - std::numbers::egamma * gev.scale;
        return gev;
    }
    const double gamma = std::tgamma(1 + gev.shape);
    gev.scale = l2 * gev.shape / ((1 - std::pow(2.0, -gev.shape)) * gamma);
    gev.location = l1 - gev.scale * (1 - gamma) / gev.shape;
    return gev;
}

}  // namespace tidegate::flood
