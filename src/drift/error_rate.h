// Ddm and Eddm: watch a stream of errors (1: the answer was wrong, 0: right) by its rate, or by the gaps between errors.
//
// Memory      Under 100 bytes each.
#pragma once

#include <limits>

#include "drift/detector.h"

namespace tidegate::drift {

struct DdmOptions {
    std::uint64_t warm_start = 30;
    double warning_sigmas = 2;
    double drift_sigmas = 3;
};

/// Gama, Medas, Castillo and Rodrigues, "Learning with drift detection", SBIA 2004: the error rate p + its standard
/// deviation s against the lowest p + s seen.
class Ddm final : public Detector {
  public:
    explicit Ddm(DdmOptions options = {}) : options_(options) {}
    void reset() override { *this = Ddm(options_); }
    std::string_view name() const noexcept override { return "ddm"; }

  protected:
    State step(double value) override;

  private:
    DdmOptions options_;
    bool drifted_ = false;
    double n_ = 0;
    double mean_ = 0;
    double mean_low_ = 0;
    double deviation_low_ = 0;
    double sum_low_ = std::numeric_limits<double>::infinity();
};

struct EddmOptions {
    std::uint64_t warm_start = 30;
    double warning_share = 0.95;  // "alpha".
    double drift_share = 0.9;     // "beta".
    /// The gaps' variance divides by their count less one; false: by their count, as libraries had it first.
    bool sample_variance = true;
};

/// Baena-Garcia et al., "Early drift detection method", IWKDDS 2006: the mean gap between errors plus two deviations
/// against the highest seen.
class Eddm final : public Detector {
  public:
    explicit Eddm(EddmOptions options = {}) : options_(options) {}
    void reset() override { *this = Eddm(options_); }
    std::string_view name() const noexcept override { return "eddm"; }

  protected:
    State step(double value) override;

  private:
    EddmOptions options_;
    State state_ = State::kNormal;
    double n_ = 0;
    double errors_ = 0;
    double last_error_ = 0;
    double gap_mean_ = 0;
    double gap_squares_ = 0;
    double highest_ = 0;
};

}  // namespace tidegate::drift
