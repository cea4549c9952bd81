// RouteMetrics: the HTTP metrics of one route and the times of its stages, resolved once so that counting costs no look-up.
//
// Threads     Any.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <string>
#include <string_view>

#include "base/clock.h"
#include "observe/metrics.h"
#include "pipeline/route_stages.h"

namespace tidegate::pipeline {

/// The families, declared once in a process.
struct HttpMetrics {
    explicit HttpMetrics(observe::Registry& registry);
    observe::Family<observe::Histogram>& duration;  // method, handler
    observe::Family<observe::Counter>& requests;    // method, handler, status
    observe::Family<observe::Gauge>& in_progress;   // method, handler
    observe::Family<observe::Histogram>& size;      // method, handler
    observe::Family<observe::Histogram>& stages;    // stage
};

class RouteMetrics {
  public:
    RouteMetrics(HttpMetrics& families, std::string_view method, std::string_view handler);
    void started() noexcept { in_progress_.add(1); }
    /// `status` is the one that was sent, 100 to 599.
    void finished(int status, Duration took, std::uint64_t body_bytes);
    RouteStages& stages() noexcept { return stages_; }

  private:
    observe::Counter& count_of(int status);

    HttpMetrics& families_;
    const std::string method_;
    const std::string handler_;
    observe::Histogram& duration_;
    observe::Histogram& size_;
    observe::Gauge& in_progress_;
    RouteStages stages_;
    std::array<std::atomic<observe::Counter*>, 500> by_status_{};  // Index: status - 100.
};

}  // namespace tidegate::pipeline
