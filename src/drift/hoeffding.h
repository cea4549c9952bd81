// Hddm and Fhddm: detectors for values in [0, 1] whose thresholds come from concentration bounds, not from a model.
//
// Guarantee   The bound of each single comparison holds for any distribution on [0, 1]; the many comparisons of a long
//             stream are not corrected for: see tandem.h for a detector that is.
// Memory      HddmA, HddmW under 150 bytes; Fhddm one byte a value of its window.
#pragma once

#include <cstddef>
#include <vector>

#include "drift/detector.h"

namespace tidegate::drift {

struct HddmOptions {
    double drift_confidence = 0.001;
    double warning_confidence = 0.005;
    double lambda = 0.05;    // HddmW: weight of the newest value.
    bool two_sided = false;  // Also tell of a fall of the mean.
};

/// Frias-Blanco et al., "Online and non-parametric drift detection methods based on Hoeffding's bounds", IEEE TKDE 2015,
/// the A-test: the mean before a cut against the mean of all.
class HddmA final : public Detector {
  public:
    explicit HddmA(HddmOptions options = {}) : options_(options) {}
    void reset() override { *this = HddmA(options_); }
    std::string_view name() const noexcept override { return options_.two_sided ? "hddm_a_two_sided" : "hddm_a"; }

  protected:
    State step(double value) override;

  private:
    struct Sum {
        double n = 0;
        double total = 0;
        double mean() const noexcept { return total / n; }
    };
    bool apart(const Sum& cut, double difference, double confidence) const;
    void move_cuts();

    HddmOptions options_;
    Sum all_;
    Sum low_;   // Up to where the mean was lowest.
    Sum high_;  // Up to where it was highest.
};

/// The same paper's W-test: exponentially weighted means before and after a cut, bounded by McDiarmid's inequality.
class HddmW final : public Detector {
  public:
    explicit HddmW(HddmOptions options = {}) : options_(options) {}
    void reset() override { *this = HddmW(options_); }
    std::string_view name() const noexcept override { return options_.two_sided ? "hddm_w_two_sided" : "hddm_w"; }
    /// Whether the last alarm told of a fall; only with two_sided.
    bool last_was_fall() const noexcept { return last_was_fall_; }

  protected:
    State step(double value) override;

  private:
    struct Weighted {
        double mean = 0;
        double weights = 0;  // Sum of the squares of the weights; 0: empty.
        void add(double value, double lambda) noexcept;
    };
    struct Side {
        double cut = 0;
        bool started = false;
        Weighted before;
        Weighted after;
    };
    static bool above(const Weighted& low, const Weighted& high, double confidence);
    void follow(Side& side, double value, bool rising);

    HddmOptions options_;
    Weighted all_;
    Side rise_;
    Side fall_;
    bool last_was_fall_ = false;
};

struct FhddmOptions {
    std::size_t window = 100;
    double confidence = 1e-6;
};

/// Pesaranghader and Viktor, "Fast Hoeffding drift detection method for evolving data streams", ECML PKDD 2016: the share of
/// right answers in a window against the best seen. Takes errors: 1 wrong, 0 right.
class Fhddm final : public Detector {
  public:
    explicit Fhddm(FhddmOptions options = {});
    void reset() override;
    std::string_view name() const noexcept override { return "fhddm"; }

  protected:
    State step(double value) override;

  private:
    FhddmOptions options_;
    double epsilon_;
    std::vector<std::uint8_t> right_;  // A ring.
    std::size_t next_ = 0;
    std::size_t filled_ = 0;
    std::size_t hits_ = 0;
    double best_ = 0;
};

}  // namespace tidegate::drift
