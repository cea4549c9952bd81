#include "drift/multiplicity.h"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <numbers>
#include <numeric>

namespace tidegate::drift {

std::vector<double> adjusted_p(std::span<const double> p) {
    std::vector<std::size_t> order(p.size());
    std::iota(order.begin(), order.end(), std::size_t{0});
    const auto known = [&p](std::size_t i) { return std::isnan(p[i]) ? 1.0 : p[i]; };
    std::ranges::sort(order, [&known](std::size_t a, std::size_t b) { return known(a) < known(b); });
    std::vector<double> adjusted(p.size(), 1);
    double lowest = 1;
    for (std::size_t rank = order.size(); rank > 0; --rank) {
        const std::size_t i = order[rank - 1];
        lowest = std::min(lowest, known(i) * static_cast<double>(p.size()) / static_cast<double>(rank));
        adjusted[i] = lowest;
    }
    return adjusted;
}

double level_of_look(double look_s, double expected_run_s) noexcept {
    if (!(look_s > 0) || !(expected_run_s > 0)) return 0;
    return std::min(look_s / expected_run_s, 0.5);
}

double spent_at_look(double alpha, std::uint64_t k) noexcept {
    if (k == 0) return 0;
    const double at = std::numbers::pi * static_cast<double>(k);
    return 6 * alpha / (at * at);
}

}  // namespace tidegate::drift
