// Registry: every metric of the process, declared once, counted without a lock, rendered for Prometheus at a scrape.
//
// Use         Declare a family at start, resolve a handle once for each label set (with()), keep the reference, and
//             count on the handle. Handles live as long as the Registry.
// Guarantee   add(), set() and record() take no lock, allocate nothing and look nothing up: relaxed atomics in cells on
//             cache lines of their own, one shard a group of threads. A scrape reads each cell once; a total never goes
//             back.
// Limits      A family holds at most `series_max` label sets. One more is counted under the label value `_other`, and
//             the refusal in `tidegate_metrics_label_overflow_total{family}`.
// Threads     Everything may be called from any thread. with() locks: for start-up and first use, not for the hot path.
#pragma once

#include <array>
#include <atomic>
#include <functional>
#include <initializer_list>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/mutex.h"
#include "observe/histogram.h"

namespace tidegate::observe {

enum class MetricType : std::uint8_t { kCounter, kGauge, kHistogram };

/// What one metric is. Two families of one name are a broken invariant, and so is a name that Prometheus
/// refuses.
struct FamilySpec {
    std::string name;  // Prometheus name; a counter's ends in `_total`, a unit's name stands before that.
    std::string help;
    std::vector<std::string> labels;  // Label names; empty: one series.
    std::string unit;                 // OpenMetrics unit (`seconds`, `bytes`), which must end the name; empty for none.
    std::string when_it_rises;        // For the operator: what to do. Printed in the reference.
    std::size_t series_max = 256;     // 256 x 512 bytes of cells: a counter family stays under 128 KiB.
};

/// A running total. 8 shards of one cache line: two threads on two cores do not share a line.
class Counter {
  public:
    void add(std::uint64_t n = 1) noexcept {
        cells_[thread_shard() % cells_.size()].value.fetch_add(n, std::memory_order_relaxed);
    }
    std::uint64_t value() const noexcept;

  private:
    struct alignas(64) Cell {
        std::atomic<std::uint64_t> value{0};
    };
    std::array<Cell, 8> cells_{};
};

/// A level that goes up and down. One cell: set() needs one place.
class alignas(64) Gauge {
  public:
    void set(double value) noexcept { value_.store(value, std::memory_order_relaxed); }
    void add(double by) noexcept { value_.fetch_add(by, std::memory_order_relaxed); }
    double value() const noexcept { return value_.load(std::memory_order_relaxed); }

  private:
    std::atomic<double> value_{0};
};

/// One family of labelled series of one kind. Made by the Registry.
template <class Metric>
class Family {
  public:
    using Make = std::function<std::unique_ptr<Metric>()>;
    Family(FamilySpec spec, Make make, Counter* overflow)
        : spec_(std::move(spec)), make_(std::move(make)), overflow_(overflow) {}

    /// The series of these label values, in the order of the spec's labels; made on first use. Values should
    /// be valid UTF-8 of our own choosing, never a piece of a request. The reference stays good.
    Metric& with(std::initializer_list<std::string_view> values) {
        return resolve(std::vector<std::string>(values.begin(), values.end()));
    }
    Metric& resolve(std::vector<std::string> values);
    /// Calls visit(label values, metric) for each series, in the order of the label values.
    void each(const std::function<void(const std::vector<std::string>&, const Metric&)>& visit) const;
    const FamilySpec& spec() const noexcept { return spec_; }

  private:
    const FamilySpec spec_;
    const Make make_;
    Counter* const overflow_;  // Null for the overflow family itself.
    mutable Mutex mutex_;
    std::map<std::vector<std::string>, std::unique_ptr<Metric>> series_ TG_GUARDED_BY(mutex_);
};

/// What a callback family hands over at a scrape: one sample for each label set.
class Samples {
  public:
    virtual ~Samples() = default;
    virtual void add(std::initializer_list<std::string_view> label_values, double value) = 0;
};

enum class Exposition : std::uint8_t { kPrometheusText, kOpenMetrics };
/// By the Accept header: OpenMetrics 1.0 when it is named with a quality not below text/plain's, else text
/// 0.0.4.
Exposition choose_exposition(std::string_view accept);
std::string_view content_type(Exposition exposition) noexcept;

class Registry {
  public:
    Registry();
    ~Registry();
    Registry(const Registry&) = delete;
    Registry& operator=(const Registry&) = delete;

    // Declaring a name a second time ends the process: a metric has one place of declaration.
    Family<Counter>& counters(FamilySpec spec);
    Family<Gauge>& gauges(FamilySpec spec);
    Family<Histogram>& histograms(FamilySpec spec, HistogramSpec shape);
    /// Without labels.
    Counter& counter(FamilySpec spec);
    Gauge& gauge(FamilySpec spec);
    Histogram& histogram(FamilySpec spec, HistogramSpec shape);
    /// A family read at each scrape (counters that live elsewhere). `read` runs on the scraping thread, must
    /// not block and must not call the Registry; what it captures outlives the Registry. A counter's value
    /// must never go back.
    void callback(FamilySpec spec, MetricType type, std::function<void(Samples&)> read);

    /// The whole exposition; at most a few hundred kilobytes. Not for an event loop when there are thousands
    /// of series.
    std::string render(Exposition exposition) const;

    /// The values of one family now: visit(label values, value) for each series; a histogram's `NAME_count` and `NAME_sum` are
    /// asked for by these names. False: there is no such family. Not for an event loop.
    bool read(std::string_view name,
              const std::function<void(const std::vector<std::string>& label_values, double value)>& visit) const;

    struct Described {
        FamilySpec spec;
        MetricType type;
    };
    /// Every family in the order of declaration: for the generated reference and its test.
    std::vector<Described> describe() const;

  private:
    struct Entry;
    Entry& declare(FamilySpec spec, MetricType type);
    mutable Mutex mutex_;
    std::vector<std::unique_ptr<Entry>> entries_ TG_GUARDED_BY(mutex_);
    Family<Counter>* overflow_ = nullptr;
};

/// The `process_*` metrics of the Prometheus client conventions, read from /proc at each scrape.
void add_process_metrics(Registry& registry);

}  // namespace tidegate::observe
