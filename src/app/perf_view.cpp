#include "app/perf_view.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "app/json_number.h"
#include "app/perf_client.h"

namespace tidegate::app {
namespace {

constexpr double kBytesOfMiB = 1024.0 * 1024;

std::string text_in(json::Value value, std::string_view name) {
    const auto found = value.find(name);
    return found && found->kind() == json::Kind::kString ? std::string(found->as_string()) : std::string();
}

std::string rounded(double value, int digits) {
    return std::isnan(value) ? "-" : fmt::format("{:.{}f}", value, digits);
}

std::vector<std::string> percentiles(json::Value of) {
    std::vector<std::string> out;
    const auto latency = of.find("latency_ms");
    const bool known = latency && latency->kind() == json::Kind::kObject;
    for (const char* name : {"p50", "p90", "p99", "p999"})
        out.push_back(known ? rounded(json_number(*latency, name), 2) : "-");
    return out;
}

struct Line {
    double requests = 0;
    std::vector<std::string> cells;
};

std::string route_table(json::Value root, double seconds, std::size_t routes_max) {
    std::vector<Line> lines;
    if (const auto routes = root.find("routes"); routes && routes->kind() == json::Kind::kArray) {
        routes->each([&](json::Value route) {
            Line line{.requests = json_number(route, "requests"), .cells = {}};
            line.cells = {text_in(route, "method") + " " + text_in(route, "route"), rounded(line.requests / seconds, 1),
                          rounded(json_number(route, "errors") / seconds, 1)};
            for (std::string& cell : percentiles(route)) line.cells.push_back(std::move(cell));
            lines.push_back(std::move(line));
        });
    }
    std::ranges::sort(lines, std::ranges::greater{}, &Line::requests);
    if (lines.size() > routes_max) lines.resize(routes_max);
    std::vector<std::vector<std::string>> rows;
    for (Line& line : lines) rows.push_back(std::move(line.cells));
    if (rows.empty()) return "no requests in this second\n";
    return text_table({"route", "req/s", "5xx/s", "p50 ms", "p90 ms", "p99 ms", "p99.9 ms"}, rows);
}

std::string cut(const std::string& page, std::size_t columns) {
    std::string out;
    std::size_t in_line = 0;
    for (const char c : page) {
        if (c == '\n') in_line = 0;
        if (c == '\n' || in_line++ < columns) out += c;
    }
    return out;
}

}  // namespace

Result<std::string> live_page(std::string_view sample, std::size_t columns, std::size_t routes_max) {
    TG_TRY(const json::Document document, json::parse(sample));
    const json::Value root = document.root();
    const auto process = root.find("process");
    const auto cache = root.find("cache");
    if (!process || !cache) return fail(ErrorCode::kInvalidArgument, "the stream holds what is no sample");
    const double seconds = std::max(1e-9, json_number(root, "interval_s"));
    const double hits = json_number(*cache, "hits");
    const double asked = hits + json_number(*cache, "misses");
    const auto latency = percentiles(root);
    std::string page = fmt::format("tidegate top   {}   over {} s\n\n", text_in(root, "time"), rounded(seconds, 1));
    page += fmt::format("requests/s {:>10}   5xx/s {:>8}   in flight {:>6}   cache hits {:>6}\n",
                        rounded(json_number(root, "requests") / seconds, 1),
                        rounded(json_number(root, "errors") / seconds, 1), rounded(json_number(root, "in_flight"), 0),
                        asked > 0 ? rounded(100 * hits / asked, 1) + " %" : "-");
    page += fmt::format("latency ms   p50 {:>8}   p90 {:>8}   p99 {:>8}   p99.9 {:>8}\n", latency[0], latency[1],
                        latency[2], latency[3]);
    page +=
        fmt::format("cpu cores  {:>6}   memory {:>8} MiB   descriptors {:>6}   threads {:>4}   loop lag {:>7} ms\n\n",
                    rounded(json_number(*process, "cpu_cores"), 2),
                    rounded(json_number(*process, "resident_bytes") / kBytesOfMiB, 1),
                    rounded(json_number(*process, "open_descriptors"), 0), rounded(json_number(*process, "threads"), 0),
                    rounded(json_number(*process, "loop_lag_ms"), 2));
    page += route_table(root, seconds, routes_max);
    return cut(page, columns);
}

Result<void> LiveTotals::add(std::string_view sample) {
    TG_TRY(const json::Document document, json::parse(sample));
    const json::Value root = document.root();
    const auto process = root.find("process");
    const auto histogram = root.find("latency_histogram");
    if (!process || !histogram) return fail(ErrorCode::kInvalidArgument, "the stream holds what is no sample");
    const double seconds = json_number(root, "interval_s");
    const double requests = json_number(root, "requests");
    const double errors = json_number(root, "errors");
    if (std::isnan(seconds) || std::isnan(requests) || std::isnan(errors)) {
        return fail(ErrorCode::kInvalidArgument, "the stream holds what is no sample");
    }
    ++samples_;
    seconds_ += seconds;
    requests_ += static_cast<std::uint64_t>(requests);
    errors_ += static_cast<std::uint64_t>(errors);
    if (seconds > 0) peak_ = std::max(peak_, requests / seconds);
    cpu_cores_ += json_number(*process, "cpu_cores") * seconds;
    resident_most_ = std::max(resident_most_, json_number(*process, "resident_bytes"));
    lag_most_ms_ = std::max(lag_most_ms_, json_number(*process, "loop_lag_ms"));
    upper_ms_.clear();
    if (const auto upper = histogram->find("upper_ms")) {
        upper->each([&](json::Value bound) { upper_ms_.push_back(bound.as_double()); });
    }
    counts_.resize(upper_ms_.size() + 1);
    std::size_t at = 0;
    if (const auto counts = histogram->find("counts")) {
        counts->each([&](json::Value count) {
            if (at < counts_.size()) counts_[at++] += count.as_unsigned();
        });
    }
    return {};
}

std::string LiveTotals::quantile(double q) const {
    std::uint64_t all = 0;
    for (const std::uint64_t count : counts_) all += count;
    if (all == 0) return "-";
    const auto rank = static_cast<std::uint64_t>(std::ceil(q * static_cast<double>(all)));
    std::uint64_t seen = 0;
    for (std::size_t i = 0; i < upper_ms_.size(); ++i) {
        seen += counts_[i];
        if (seen >= rank) return "<= " + rounded(upper_ms_[i], upper_ms_[i] < 1 ? 2 : 1);
    }
    return "> " + rounded(upper_ms_.empty() ? 0 : upper_ms_.back(), 1);
}

std::string LiveTotals::table() const {
    const bool any = seconds_ > 0;
    return text_table({"number", "value"},
                      {{"seconds", rounded(seconds_, 1)},
                       {"requests", fmt::format("{}", requests_)},
                       {"answered 5xx", fmt::format("{}", errors_)},
                       {"requests/s, mean", any ? rounded(static_cast<double>(requests_) / seconds_, 1) : "-"},
                       {"requests/s, busiest second", any ? rounded(peak_, 1) : "-"},
                       {"p50 ms", quantile(0.5)},
                       {"p95 ms", quantile(0.95)},
                       {"p99 ms", quantile(0.99)},
                       {"cpu cores, mean", any ? rounded(cpu_cores_ / seconds_, 2) : "-"},
                       {"memory MiB, most", resident_most_ > 0 ? rounded(resident_most_ / kBytesOfMiB, 1) : "-"},
                       {"event loop lag ms, most", rounded(lag_most_ms_, 2)}});
}

}  // namespace tidegate::app
