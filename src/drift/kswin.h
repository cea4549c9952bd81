// Kswin: compares the newest values of a window with a random sample of the older ones by Kolmogorov and Smirnov's test.
//
// Algorithm   Raab, Heusinger and Schleif, "Reactive soft prototype computing for concept drift streams", Neurocomputing
//             2020. The sample is drawn without repetition from a seed of ours, so the indices of other libraries, which
//             depend on their generator's order, are not reproduced. The exact critical value is found once.
// Guarantee   Each look has a level of at most alpha; a look follows every value, so runs between false alarms are short
//             (River's defaults: see `tidegate eval drift`).
// Memory      8 bytes a value of the window and of the two samples.
#pragma once

#include <cstddef>
#include <vector>

#include "drift/detector.h"
#include "drift/dice.h"

namespace tidegate::drift {

struct KswinOptions {
    double alpha = 0.005;
    std::size_t window = 100;
    std::size_t newest = 30;  // Under half the window.
    double statistic_min = 0.1;
    std::uint64_t seed = 1;
};

class Kswin final : public Detector {
  public:
    explicit Kswin(KswinOptions options = {});
    void reset() override;
    std::string_view name() const noexcept override { return "kswin"; }

  protected:
    State step(double value) override;

  private:
    double distance();
    KswinOptions options_;
    double critical_;  // The smallest statistic whose exact p is at most alpha.
    Dice dice_;
    std::vector<double> ring_;
    std::size_t next_ = 0;
    std::size_t filled_ = 0;
    std::vector<double> old_;
    std::vector<double> sample_;
    std::vector<double> new_;
};

}  // namespace tidegate::drift
