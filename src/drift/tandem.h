// Tandem: a fast alarm with a stated false-alarm budget; a betting sum raises a candidate, a likelihood ratio confirms it.
//
// Position    The default detector of error rates, scores and rank-transformed features.
// Guarantee   Without change, the mean number of values between false alarms is at least `expected_run` (calibrated by
//             simulation on coins of 5 to 50 %, the widest spread that values in a range can have; tests/drift holds it).
// Algorithm   First stage: Shiryaev-Roberts sums of bets that the mean rose (or fell) by a small or a large part (Shin,
//             Ramdas and Rinaldo, "E-detectors", 2022), from the mean of the window so far. Second: the generalised
//             likelihood ratio of "one coin" against "one before, another after" (Lorden 1971) over every cut of an
//             exponential histogram (Bifet and Gavalda 2007): it knows how uncertain the old mean is, the first does not. An
//             alarm needs both. Each `clock` values the second looks alone, with its own part of the budget, for changes too
//             slow to bet on. kl(p, q) <= (p - q)^2 / (q (1 - q)) spares the logarithms of nearly all cuts.
// Memory      24 buckets of 8 bytes a doubling of the window: 4 KB for a million values.
#pragma once

#include <array>
#include <cstddef>
#include <vector>

#include "drift/bytes.h"
#include "drift/detector.h"

namespace tidegate::drift {

enum class Direction : std::uint8_t { kRise, kFall, kBoth };

struct TandemOptions {
    /// Mean number of values between false alarms; 1,000 to 1e12.
    double expected_run = 1'000'000;
    Direction direction = Direction::kRise;
    double low = 0;  // Values are clipped to this range and scaled to [0, 1].
    double high = 1;
    /// Values between looks of the second stage alone.
    std::uint32_t clock = 32;
};

class Tandem final : public Detector {
  public:
    explicit Tandem(TandemOptions options = {});
    void reset() override;
    std::string_view name() const noexcept override { return "tandem"; }
    /// Another budget from the next value on; what was learnt stays.
    void set_expected_run(double expected_run) noexcept;
    /// What it has learnt, and what it is set to.
    void save(ByteWriter& writer) const;
    /// False, and as new, when the bytes are none of save().
    bool load(ByteReader& reader);
    /// What an alarm needs: the sum of the first stage and the log likelihood ratio beside it, or the ratio alone.
    struct Thresholds {
        double bets = 0;
        double confirm = 0;
        double alone = 0;
    };
    const Thresholds& thresholds() const noexcept { return thresholds_; }
    static Thresholds thresholds_for(double expected_run, Direction direction) noexcept;
    /// Of the window before and after the cut of the last alarm.
    double mean_before() const noexcept { return before_; }
    double mean_after() const noexcept { return after_; }
    /// Values in the window before that cut.
    double values_before() const noexcept { return n0_; }
    /// How many values ago the change began, by the likeliest cut, at the last alarm.
    double age_of_change() const noexcept { return age_; }

  protected:
    State step(double value) override;

  private:
    static constexpr std::uint32_t kRowBuckets = 24;
    struct Row {
        std::array<double, kRowBuckets> sums{};  // Oldest first.
        std::uint32_t used = 0;
    };
    struct Cut {
        std::size_t row = 0;
        std::uint32_t bucket = 0;
        double ratio = 0;
        double n0 = 0, n1 = 0, mean0 = 0, mean1 = 0;
    };
    void insert(double value);
    void bet(double value);
    State look(bool candidate);
    Cut likeliest_cut() const;
    void drop_before(const Cut& cut);

    TandemOptions options_;
    Thresholds thresholds_;
    std::vector<Row> rows_;
    double n_ = 0;
    double total_ = 0;
    std::array<double, 4> sums_{};  // Of the first stage: rise large, rise small, fall large, fall small.
    std::uint32_t since_look_ = 0;
    bool drifted_ = false;
    double before_ = 0, after_ = 0, age_ = 0, n0_ = 0;
};

}  // namespace tidegate::drift
