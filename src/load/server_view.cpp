#include "load/server_view.h"

#include <algorithm>
#include <cmath>
#include <optional>

#include "base/strings.h"

namespace tidegate::load {
namespace {

constexpr double kMegabyte = 1024.0 * 1024;

/// `name{a="b",c="d"} 1.5`
struct Sample {
    std::string_view name;
    std::map<std::string, std::string> labels;
    double value = 0;
};

/// The labels between the braces; false: they are no such thing.
bool read_labels(std::string_view text, std::map<std::string, std::string>& out) {
    while (!text.empty()) {
        const std::size_t equals = text.find("=\"");
        if (equals == std::string_view::npos) return false;
        const std::string name(text.substr(0, equals));
        text.remove_prefix(equals + 2);
        std::string value;
        std::size_t at = 0;
        while (at < text.size() && text[at] != '"') {
            if (text[at] == '\\' && at + 1 < text.size()) ++at;
            value.push_back(text[at++]);
        }
        if (at == text.size()) return false;
        out[name] = value;
        text.remove_prefix(at + 1);
        if (text.starts_with(',')) text.remove_prefix(1);
    }
    return true;
}

std::optional<Sample> read_sample(std::string_view line) {
    if (line.empty() || line.front() == '#') return std::nullopt;
    Sample sample;
    const std::size_t brace = line.find('{');
    const std::size_t blank = line.rfind(' ');
    if (blank == std::string_view::npos) return std::nullopt;
    if (brace != std::string_view::npos) {
        const std::size_t end = line.rfind('}');
        if (end == std::string_view::npos || end < brace ||
            !read_labels(line.substr(brace + 1, end - brace - 1), sample.labels)) {
            return std::nullopt;
        }
        sample.name = line.substr(0, brace);
    } else {
        sample.name = line.substr(0, line.find(' '));
    }
    const auto value = parse_double(line.substr(blank + 1));
    if (!value) return std::nullopt;
    sample.value = *value;
    return sample;
}

/// In the bucket where it falls, by straight line; seconds. In the last one: its lower end.
double bucket_quantile(const std::map<double, double>& buckets, double total, double q) {
    const double wanted = q * total;
    double below = 0;
    double low = 0;
    for (const auto& [bound, upto] : buckets) {
        if (upto >= wanted && upto > below) return low + (bound - low) * (wanted - below) / (upto - below);
        below = upto;
        low = bound;
    }
    return low;
}

}  // namespace

MetricsText MetricsText::read(std::string_view text) {
    constexpr std::string_view kFamily = "http_request_duration_seconds";
    MetricsText out;
    for (const std::string_view line : split(text, '\n')) {
        const bool wanted = line.starts_with("http_request") || line.starts_with("process_");
        if (!wanted) continue;
        const auto sample = read_sample(line);
        if (!sample) continue;
        const auto label = [&](const char* name) {
            const auto found = sample->labels.find(name);
            return found == sample->labels.end() ? std::string() : found->second;
        };
        if (sample->name == "process_cpu_seconds_total") out.cpu_s = sample->value;
        if (sample->name == "process_resident_memory_bytes") out.resident_bytes = sample->value;
        if (sample->name == "process_open_fds") out.open_files = sample->value;
        if (sample->name == "http_requests_total") out.requests_by_status[label("status")] += sample->value;
        if (!sample->name.starts_with(kFamily)) continue;
        Route& route = out.routes[{label("method"), label("handler")}];
        const std::string_view part = sample->name.substr(kFamily.size());
        if (part == "_count") route.count += sample->value;
        if (part == "_sum") route.sum_s += sample->value;
        const auto bound = parse_double(label("le"));
        if (part == "_bucket" && bound && std::isfinite(*bound)) route.buckets[*bound] += sample->value;
    }
    return out;
}

ServerView ServerView::between(const MetricsText& before, const MetricsText& after) {
    ServerView view;
    for (const auto& [name, now] : after.routes) {
        const auto found = before.routes.find(name);
        const MetricsText::Route was = found == before.routes.end() ? MetricsText::Route{} : found->second;
        const double count = now.count - was.count;
        if (count <= 0) continue;
        std::map<double, double> buckets;
        for (const auto& [bound, upto] : now.buckets) {
            const auto earlier = was.buckets.find(bound);
            buckets[bound] = upto - (earlier == was.buckets.end() ? 0 : earlier->second);
        }
        view.routes.push_back({.method = name.first,
                               .handler = name.second,
                               .count = static_cast<std::uint64_t>(count),
                               .mean_ms = (now.sum_s - was.sum_s) / count * 1000,
                               .p50_ms = bucket_quantile(buckets, count, 0.5) * 1000,
                               .p95_ms = bucket_quantile(buckets, count, 0.95) * 1000,
                               .p99_ms = bucket_quantile(buckets, count, 0.99) * 1000});
        view.requests += static_cast<std::uint64_t>(count);
    }
    std::ranges::sort(view.routes, std::greater<>(),
                      [](const Route& route) { return std::pair(route.count, route.handler); });
    for (const auto& [status, count] : after.requests_by_status) {
        const auto found = before.requests_by_status.find(status);
        const double more = count - (found == before.requests_by_status.end() ? 0 : found->second);
        if (more > 0) view.statuses[status] = static_cast<std::uint64_t>(more);
    }
    view.cpu_s = after.cpu_s - before.cpu_s;
    if (view.requests > 0) view.cpu_us_per_request = view.cpu_s * 1e6 / static_cast<double>(view.requests);
    view.resident_before_mb = before.resident_bytes / kMegabyte;
    view.resident_after_mb = after.resident_bytes / kMegabyte;
    view.open_files_before = before.open_files;
    view.open_files_after = after.open_files;
    return view;
}

const ServerView::Route* ServerView::find(std::string_view method, std::string_view handler) const noexcept {
    for (const Route& route : routes) {
        // An upstream route that takes every method counts them as one.
        if (route.handler == handler && (route.method == method || route.method == "ANY")) return &route;
    }
    return nullptr;
}

}  // namespace tidegate::load
