// PageHinkley: the sum of distances from the running mean, which never falls below zero, against a threshold.
//
// Algorithm   Page, "Continuous inspection schemes", Biometrika 1954, in the recursive form; Hinkley 1971; the forgetting
//             factor of streaming libraries.
// Memory      Under 100 bytes.
#pragma once

#include "drift/detector.h"

namespace tidegate::drift {

struct PageHinkleyOptions {
    std::uint64_t warm_start = 30;
    double tolerance = 0.005;  // "delta": distance from the mean that is not counted.
    double threshold = 50;
    double memory = 0.9999;  // The sum's share that is kept a value.
    bool rise = true;
    bool fall = false;
};

class PageHinkley final : public Detector {
  public:
    explicit PageHinkley(PageHinkleyOptions options = {}) : options_(options) {}
    void reset() override { *this = PageHinkley(options_); }
    std::string_view name() const noexcept override { return "page_hinkley"; }

  protected:
    State step(double value) override;

  private:
    PageHinkleyOptions options_;
    double n_ = 0;
    double mean_ = 0;
    double up_ = 0;
    double down_ = 0;
};

}  // namespace tidegate::drift
