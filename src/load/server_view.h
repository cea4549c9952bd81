// ServerView: what the server's own /metrics say of the same minutes, so that its numbers stand beside the client's.
//
// Algorithm   Two texts in Prometheus' format, one from the start and one from the end of the measured window; counters and buckets are
//             subtracted. A quantile is found in its bucket by straight line, as Prometheus' histogram_quantile() does: it is as fine as
//             the buckets.
// Note        The window's edges are asked for within 0.2 s; what else asks the server is in its numbers too.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace tidegate::load {

/// One text, as far as it is needed.
struct MetricsText {
    struct Route {
        double count = 0;
        double sum_s = 0;
        std::map<double, double> buckets;  // Cumulative, by upper bound; +Inf left out.
    };
    std::map<std::pair<std::string, std::string>, Route> routes;  // By method and handler.
    std::map<std::string, double> requests_by_status;
    double cpu_s = 0, resident_bytes = 0, open_files = 0;

    static MetricsText read(std::string_view text);
};

struct ServerView {
    struct Route {
        std::string method, handler;
        std::uint64_t count = 0;
        double mean_ms = 0, p50_ms = 0, p95_ms = 0, p99_ms = 0;
    };
    std::vector<Route> routes;  // Those that were asked, most first.
    std::uint64_t requests = 0;
    double cpu_s = 0;
    double cpu_us_per_request = 0;  // Of the whole process, by all requests.
    double resident_before_mb = 0, resident_after_mb = 0;
    double open_files_before = 0, open_files_after = 0;
    std::map<std::string, std::uint64_t> statuses;

    static ServerView between(const MetricsText& before, const MetricsText& after);
    const Route* find(std::string_view method, std::string_view handler) const noexcept;
};

}  // namespace tidegate::load
