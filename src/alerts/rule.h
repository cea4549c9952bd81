// Rule: one rule of the settings made ready: what it reads, how it is judged.
//
// Position    Pure: from the series of now, and what it keeps of before, to a number for each group of labels.
// Guarantee   A rate needs a quarter of its window behind it before it says anything; a ratio needs count_min. What says nothing is not
//             a zero.
// Memory      A number for each judgement within the window and each group; groups_max groups, the rest is left out and counted.
// Threads     One at a time.
#pragma once

#include <deque>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "alerts/settings.h"
#include "alerts/source.h"
#include "base/clock.h"
#include "base/result.h"

namespace tidegate::alerts {

/// What a rule found for one group of labels.
struct Finding {
    Labels labels;
    std::optional<double> value;  // Absent: too early to say.
};

class Rule {
  public:
    static constexpr std::size_t kGroupsMax = 200;

    /// kInvalidArgument: an unknown metric (with the nearest name), an unknown label, a rule that says too little.
    static Result<Rule> make(RuleOptions options, const std::vector<Source::Described>& known);

    const RuleOptions& options() const noexcept { return options_; }
    const std::string& name() const noexcept { return options_.name; }
    std::vector<Finding> look(const Source& source, SteadyTime now);
    /// `value` calls for the alert.
    bool is_bad(double value) const noexcept;
    /// `value` is back far enough.
    bool is_good(double value) const noexcept;
    std::uint64_t left_out() const noexcept { return left_out_; }

  private:
    struct Matcher {
        std::string label;
        std::string value;  // Without the star.
        bool is_start = false;
    };
    using Sums = std::map<Labels, double>;
    struct Past {
        SteadyTime at{};
        double part = 0;
        double whole = 0;
    };
    struct Growth {
        std::optional<double> part;  // Absent: too early.
        double whole = 0;
        Duration over{};
    };
    explicit Rule(RuleOptions options) : options_(std::move(options)) {}
    Result<void> fill_in();
    static Result<std::vector<Matcher>> matchers(const std::vector<std::string>& texts);
    Sums sum(const std::vector<Series>& series, const std::vector<Matcher>& matchers) const;
    Growth growth(const Labels& labels, double part, double whole, SteadyTime now);
    Finding judge(const Labels& labels, double part, double whole, SteadyTime now);

    RuleOptions options_;
    std::vector<Matcher> of_part_, of_whole_;
    std::map<Labels, std::deque<Past>> past_;
    std::optional<SteadyTime> first_look_;
    bool grows_ = false;  // The metric is a counter.
    std::uint64_t left_out_ = 0;
};

}  // namespace tidegate::alerts
