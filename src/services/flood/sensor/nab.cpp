#include "services/flood/sensor/nab.h"

#include <algorithm>
#include <cmath>
#include <limits>

namespace tidegate::flood {
namespace {

constexpr double kFalseCosts = 0.11;

double sigmoid(double y) {
    return y > 3 ? -1 : 2 / (1 + std::exp(5 * y)) - 1;
}

struct Row {
    double score = 0;
    double worth = 0;
    std::ptrdiff_t window = -1;  // Of all windows.
};

struct Rows {
    std::vector<Row> rows;
    std::size_t windows = 0;  // That hold a row which counts.
    std::size_t all_windows = 0;
};

void add_rows(const NabSeries& series, Rows& out) {
    const auto n = series.scores.size();
    const double probation = std::min(std::floor(0.15 * static_cast<double>(n)), 750.0);
    const double most = sigmoid(-1);
    std::size_t next = 0;
    bool inside = false;
    double last_width = 0;
    double last_end = -1;
    for (std::size_t i = 0; i < n; ++i) {
        if (next < series.windows.size() && i == series.windows[next].first) {
            inside = true;
            ++next;
        }
        Row row{.score = series.scores[i], .worth = -1, .window = -1};
        const auto at = static_cast<double>(i);
        if (inside) {
            const auto [first, end] = series.windows[next - 1];
            const auto width = static_cast<double>(end - first + 1);
            row.worth = sigmoid(-(static_cast<double>(end) - at + 1) / width) / most;
            row.window = static_cast<std::ptrdiff_t>(out.all_windows + next - 1);
            if (i == end) {
                inside = false;
                last_width = width;
                last_end = at;
            }
        } else if (last_end >= 0) {
            row.worth = sigmoid((at - last_end) / (last_width - 1));
        }
        if (at >= probation) out.rows.push_back(row);
    }
    out.all_windows += series.windows.size();
}

Rows rows_of(std::span<const NabSeries> all) {
    Rows out;
    for (const NabSeries& series : all) add_rows(series, out);
    std::ranges::sort(out.rows, std::greater<>(), &Row::score);
    std::vector<bool> seen(out.all_windows);
    for (const Row& row : out.rows) {
        if (row.window >= 0) seen[static_cast<std::size_t>(row.window)] = true;
    }
    out.windows = static_cast<std::size_t>(std::ranges::count(seen, true));
    return out;
}

/// Walks from the highest score down; the raw score after each threshold.
template <class Visit>
void walk(const Rows& rows, Visit&& visit) {
    std::vector<double> got(rows.all_windows, -1);
    double raw = -static_cast<double>(rows.windows);
    visit(std::numeric_limits<double>::infinity(), raw);
    for (std::size_t i = 0; i < rows.rows.size(); ++i) {
        const Row& row = rows.rows[i];
        if (row.window < 0) {
            raw += row.worth * kFalseCosts;
        } else if (double& best = got[static_cast<std::size_t>(row.window)]; row.worth > best) {
            raw += row.worth - best;
            best = row.worth;
        }
        if (i + 1 == rows.rows.size() || rows.rows[i + 1].score != row.score) visit(row.score, raw);
    }
}

double normalised(const Rows& rows, double raw) {
    const auto null = -static_cast<double>(rows.windows);
    return 100 * (raw - null) / (static_cast<double>(rows.all_windows) - null);
}

}  // namespace

NabScore nab_at(std::span<const NabSeries> all, double threshold) {
    const Rows rows = rows_of(all);
    double raw = -static_cast<double>(rows.windows);
    walk(rows, [&](double score, double now) {
        if (score >= threshold) raw = now;
    });
    return {threshold, normalised(rows, raw)};
}

NabScore nab_best(std::span<const NabSeries> all) {
    const Rows rows = rows_of(all);
    NabScore best{0, -1e9};
    walk(rows, [&](double score, double raw) {
        if (normalised(rows, raw) > best.standard) best = {score, normalised(rows, raw)};
    });
    return best;
}

}  // namespace tidegate::flood
