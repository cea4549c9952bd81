// Stream: one sequence of decisions against its own past: a reference, windows that are tested, two detectors.
//
// Guarantee   The same observations give the same findings, also over a save and a load. A finding is significant at the level that
//             the budget has for this look, after correction over features, and its effect reaches the minimum. When nothing
//             changes and the decisions are independent, at most MonitorOptions::alarms_a_month looks or detections raise a
//             finding in 30 days on average.
// Algorithm   The first `baseline` decisions are the reference. A look is taken at `window` new decisions (at least
//             look_interval_ms after the last; meanwhile the newest `window` stay), or at window_min after window_age_max_ms. Its
//             level is the part of the budget that the time since the last look has earned. A numeric feature is judged by
//             the smaller of its KS and PSI p-values, doubled (Bonferroni), a class by chi-square; features by Benjamini-
//             Hochberg. Tandem watches the error rate and the latency's rank in the reference, one value at a time.
// Memory      8 bytes x (baseline + window) a numeric feature, 1 byte x window a class, and for the simulated tables 8 bytes x
//             replicates a test: 0.3 MB with the defaults.
// Threads     One at a time. No clock: times are the observations'.
#pragma once

#include <deque>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "base/result.h"
#include "drift/alerts.h"
#include "drift/bytes.h"
#include "drift/monitor_options.h"
#include "drift/observation.h"
#include "drift/tandem.h"
#include "drift/verdict.h"

namespace tidegate::drift {

/// Something changed.
struct Finding {
    StreamKey stream;
    std::string feature;
    Evidence evidence;
    UnixMillis at = 0;
};

/// One feature at a look.
struct FeatureLook {
    std::string feature;
    std::vector<TestResult> results;  // What was tested, the deciding one first.
    double p = 1;                     // Of the feature, before the correction over features.
    double p_adjusted = 1;
    bool drifted = false;
    double contribution = 0;
    std::vector<MovedCell> moved;  // Of a drifted feature, the largest change first; sixteen at most.
};

struct Look {
    std::uint64_t number = 0;  // Of this baseline, from 1; 0: none yet.
    UnixMillis at = 0;
    std::size_t n = 0;  // Decisions in the window.
    double level = 0;
    std::vector<FeatureLook> features;
};

struct FeatureSummary {
    std::string feature;
    std::uint64_t n = 0;  // Values that are there.
    double mean = 0;      // Of a class: 0.
    double deviation = 0;
};

struct Baseline {
    std::uint64_t number = 0;  // From 1.
    UnixMillis from = 0;
    UnixMillis to = 0;
    std::size_t n = 0;
    std::string reason;
    std::vector<FeatureSummary> features;
};

class Stream {
  public:
    Stream(StreamKey key, const MonitorOptions& options);

    void add(const Observation& observation, std::vector<Finding>& findings);
    /// Forgets the reference; the next decisions make a new one.
    void reset_baseline(std::string reason);
    /// The reference of these instead; kInvalidArgument for fewer than 100. At most `baseline` of them, the last.
    Result<void> set_baseline(std::span<const Observation> period, std::string reason);

    const StreamKey& key() const noexcept { return key_; }
    bool watching() const noexcept { return watching_; }
    std::uint64_t decisions() const noexcept { return decisions_; }
    std::size_t collected() const noexcept { return collected_; }
    /// In the window that is being filled.
    std::size_t fresh() const noexcept { return fresh_; }
    UnixMillis last_at() const noexcept { return last_at_; }
    std::uint64_t findings() const noexcept { return findings_; }
    const Look& last_look() const noexcept { return look_; }
    /// Oldest first; the last one holds now unless the stream is not watching().
    const std::deque<Baseline>& baselines() const noexcept { return baselines_; }
    /// Values between false alarms that the detectors are set to.
    double expected_run() const noexcept { return expected_run_; }

    /// What changes with a baseline only, and what changes with each decision. reference_version() tells when the first did.
    void save_reference(std::string& out) const;
    void save_state(std::string& out) const;
    std::uint64_t reference_version() const noexcept { return reference_version_; }
    /// kDataLoss when the bytes are none of ours, or of other features than the options name.
    Result<void> load(std::string_view reference, std::string_view state);

  private:
    static constexpr std::uint8_t kLeftOut = 255;  // A class that is not counted.
    struct Numeric {
        std::string feature;
        std::vector<double> values;  // Collecting: of the baseline; watching: of the window.
        std::optional<NumericTests> tests;
    };
    struct Category {
        std::string feature;
        std::map<std::string, std::uint64_t, std::less<>> seen;
        std::uint64_t unnamed = 0;  // Beyond kWordsMax different words.
        std::vector<std::uint8_t> cells;
        std::optional<CategoryTests> tests;
    };
    void collect(const Observation& observation);
    void make_tests();
    Result<void> load_reference(ByteReader& reader);
    Result<void> load_window(ByteReader& reader);
    void finish_baseline();
    void watch(const Observation& observation, std::vector<Finding>& findings);
    void feed_detectors(const Observation& observation, std::vector<Finding>& findings);
    bool is_due() const noexcept;
    void take_look(std::vector<Finding>& findings);
    FeatureLook look_at(Numeric& numeric, double level);
    FeatureLook look_at(Category& category, double level);
    void report(const FeatureLook& feature, const Look& look, std::vector<Finding>& findings);
    void raise_run(double decisions_a_month) noexcept;
    /// The chance of a false alarm a value that a detector is set to.
    double detector_level() const noexcept { return 1 / expected_run_; }
    std::vector<double> counted(const Numeric& numeric) const;
    TestOptions test_options() const;
    static double numeric_value(const Observation& observation, std::size_t feature) noexcept;

    StreamKey key_;
    const MonitorOptions* options_;
    std::vector<Numeric> numerics_;
    std::vector<Category> categories_;
    Tandem errors_;
    Tandem latencies_;
    double expected_run_ = 1'000;
    bool watching_ = false;
    std::uint64_t decisions_ = 0;
    std::size_t collected_ = 0;
    std::size_t fresh_ = 0;     // Decisions since the last look.
    std::size_t head_ = 0;      // Where the next one goes when the window is full.
    UnixMillis began_ = 0;      // Of the baseline.
    UnixMillis looked_at_ = 0;  // Of the last look, or the end of the baseline.
    UnixMillis last_at_ = 0;
    std::uint64_t findings_ = 0;
    std::uint64_t reference_version_ = 0;
    std::string reason_ = "the first decisions";
    Look look_;
    std::deque<Baseline> baselines_;
};

}  // namespace tidegate::drift
