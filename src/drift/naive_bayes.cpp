#include "drift/naive_bayes.h"

#include <algorithm>
#include <cmath>

namespace tidegate::drift {

void NaiveBayes::reset(std::size_t features) {
    for (Class& one : classes_) one = {0, std::vector<Moments>(features)};
}

double NaiveBayes::score(const Class& one, std::span<const double> features) const {
    double sum = std::log(one.n);
    for (std::size_t i = 0; i < features.size(); ++i) {
        // The floor keeps a feature that was constant so far from deciding alone.
        const double variance = std::max(one.features[i].squares / std::max(one.n - 1, 1.0), 1e-9);
        const double distance = features[i] - one.features[i].mean;
        sum -= 0.5 * (std::log(variance) + distance * distance / variance);
    }
    return sum;
}

bool NaiveBayes::predict(std::span<const double> features) const {
    if (classes_[0].n < 2 || classes_[1].n < 2) return classes_[1].n > classes_[0].n;
    return score(classes_[1], features) > score(classes_[0], features);
}

void NaiveBayes::learn(std::span<const double> features, bool label) {
    Class& one = classes_[label ? 1 : 0];
    one.n += 1;
    for (std::size_t i = 0; i < features.size(); ++i) {
        Moments& moments = one.features[i];
        const double before = features[i] - moments.mean;
        moments.mean += before / one.n;
        moments.squares += before * (features[i] - moments.mean);
    }
}

}  // namespace tidegate::drift
