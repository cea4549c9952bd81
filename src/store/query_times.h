// QueryTimes: how long the process waits for its databases, and which statements were slow.
//
// Guarantee   Every run of a statement over SQLite or PostgreSQL counts once, with all of its steps and its waits for locks. Of a slow one
//             the text is kept as we wrote it: values stand in it as `?` or `$1`, no data of anybody.
// Memory      The last kSlowMax slow ones until they are taken, at most 500 bytes each; a histogram.
// Threads     Any: the connections of a process are opened in many rooms, so there is one of these (database_times()).
// When full   More slow statements than kSlowMax between two looks: the oldest are dropped, the count goes on.
#pragma once

#include <atomic>
#include <cstdint>
#include <deque>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/mutex.h"
#include "observe/metrics.h"

namespace tidegate::store {

struct SlowQuery {
    SteadyTime ended{};
    Duration took{};
    std::string text;
};

class QueryTimes {
  public:
    static constexpr std::size_t kSlowMax = 64;
    static constexpr std::size_t kTextMax = 500;

    void add(std::string_view text, SteadyTime began, SteadyTime ended);
    void set_slow_from(Duration least) noexcept { slow_from_ns_.store(least.count(), std::memory_order_relaxed); }

    observe::HistogramSnapshot times() const { return times_.snapshot(); }
    std::uint64_t slow() const noexcept { return slow_count_.value(); }
    /// Those since the last call.
    std::vector<SlowQuery> take_slow();
    /// Open connections to SQLite.
    std::int64_t connections() const noexcept { return connections_.load(std::memory_order_relaxed); }
    /// Statements that are being stepped now.
    std::int64_t running() const noexcept { return running_.load(std::memory_order_relaxed); }
    void connection_opened() noexcept { connections_.fetch_add(1, std::memory_order_relaxed); }
    void connection_closed() noexcept { connections_.fetch_sub(1, std::memory_order_relaxed); }
    void step_begun() noexcept { running_.fetch_add(1, std::memory_order_relaxed); }
    void step_ended() noexcept { running_.fetch_sub(1, std::memory_order_relaxed); }

  private:
    observe::Histogram times_{observe::HistogramSpec::latency()};
    std::atomic<std::int64_t> slow_from_ns_{100'000'000};
    observe::Counter slow_count_;
    std::atomic<std::int64_t> connections_{0};
    std::atomic<std::int64_t> running_{0};
    Mutex mutex_;
    std::deque<SlowQuery> slow_ TG_GUARDED_BY(mutex_);
};

/// The process' own.
QueryTimes& database_times();

/// Counts from its making to its end as one run of `text`, which outlives it.
class QueryTimer {
  public:
    explicit QueryTimer(std::string_view text) : text_(text), began_(SystemClock().now()) {
        database_times().step_begun();
    }
    ~QueryTimer() {
        database_times().step_ended();
        database_times().add(text_, began_, SystemClock().now());
    }
    QueryTimer(const QueryTimer&) = delete;
    QueryTimer& operator=(const QueryTimer&) = delete;

  private:
    const std::string_view text_;
    const SteadyTime began_;
};

}  // namespace tidegate::store
