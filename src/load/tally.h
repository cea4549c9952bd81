// Tally: what one thread counts: by operation, by error, by time. Threads' tallies are merged when they are done.
//
// Guarantee   Every request of the measured window is in exactly one place: ok, a status, a fault, or cut off by the end of an
//             interrupted run. `ok` has the latencies of answers below 400 and, at the time they had waited, of time-outs: leaving
//             those out would make a server look faster the slower it is. Answers of 400 and more have latencies of their own: a quick
//             refusal is no quick answer.
// Memory      70 KiB a histogram, two an operation; 300 intervals at most, each a sparse list.
// Threads     One.
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <vector>

#include "load/latencies.h"
#include "load/wire.h"

namespace tidegate::load {

struct OperationTally {
    std::uint64_t sent = 0;
    std::uint64_t repeats = 0;  // Of those sent: asked before.
    std::uint64_t good = 0;     // Answers below 400.
    std::array<std::uint64_t, kFaults> faults{};
    std::map<int, std::uint64_t> statuses;  // All answers.
    Latencies ok;
    Latencies refused;

    std::uint64_t errors() const noexcept;
    void merge(const OperationTally& other);
};

/// A piece of the measured window.
struct Interval {
    std::uint64_t good = 0;
    std::uint64_t errors = 0;
    double p50 = 0, p95 = 0, p99 = 0, max = 0;  // Nanoseconds; filled by Series::close().
    std::vector<std::pair<std::uint32_t, std::uint64_t>> steps;
};

/// Counts by interval; at() must not go back by more than the open interval.
class Series {
  public:
    explicit Series(double interval_s) : interval_s_(interval_s) {}
    void add(double second, bool good, Duration latency, bool timed);
    /// Ends the last interval and computes quantiles.
    void close();
    void merge(const Series& other);
    const std::vector<Interval>& intervals() const noexcept { return intervals_; }
    double interval_s() const noexcept { return interval_s_; }

  private:
    void roll(std::size_t index);
    static void fill(Interval& interval);

    double interval_s_;
    std::vector<Interval> intervals_;
    Latencies open_;
};

struct Tally {
    Tally(std::size_t count, double interval_s) : operations(count), series(interval_s) {}
    void merge(const Tally& other);

    std::vector<OperationTally> operations;
    Series series;
    Latencies late;  // Open loop: from due to sent, where a connection was free: the generator's own delay.
    std::uint64_t in_window = 0;     // Good answers that came within the measured window, whenever they were asked for.
    std::uint64_t window_bytes = 0;  // Received in all of the run.
    std::uint64_t reconnects = 0;    // The server ended a connection between two requests.
    std::uint64_t connect_failures = 0;
    std::uint64_t connects = 0;  // Connections that stood.
    std::uint64_t cut_off = 0;   // Under way when an interrupted run ended.
    std::uint64_t warm_up = 0;   // Requests before the measured window.
    double cpu_s = 0;            // Of the thread.
};

}  // namespace tidegate::load
