// NaiveBayes: the small online classifier whose errors the labelled streams' detectors watch.
//
// Algorithm   Gaussian naive Bayes with two classes; means and variances by Welford (1962). Before both classes were seen
//             it answers with the commoner one.
#pragma once

#include <array>
#include <cstddef>
#include <span>
#include <vector>

namespace tidegate::drift {

class NaiveBayes {
  public:
    explicit NaiveBayes(std::size_t features) { reset(features); }
    void reset(std::size_t features);
    bool predict(std::span<const double> features) const;
    void learn(std::span<const double> features, bool label);

  private:
    struct Moments {
        double mean = 0;
        double squares = 0;
    };
    struct Class {
        double n = 0;
        std::vector<Moments> features;
    };
    double score(const Class& one, std::span<const double> features) const;
    std::array<Class, 2> classes_;
};

}  // namespace tidegate::drift
