#include "drift/score.h"

#include "drift/naive_bayes.h"

namespace tidegate::drift {

void Score::add(const Score& other) noexcept {
    streams += other.streams;
    changes += other.changes;
    hits += other.hits;
    false_alarms += other.false_alarms;
    delays += other.delays;
}

Score score(const LabelledStream& stream, const MakeDetector& make, std::vector<double>* errors) {
    Score result{.streams = 1, .changes = stream.changes.size(), .hits = 0, .false_alarms = 0, .delays = 0};
    const std::unique_ptr<Detector> detector = make();
    NaiveBayes model(stream.features);
    std::size_t next = 0;  // The first change that has not begun.
    bool awaited = false;  // The one before it has not been hit.
    for (std::size_t i = 0; i < stream.rows(); ++i) {
        if (next < stream.changes.size() && stream.changes[next] == i) {
            ++next;
            awaited = true;
        }
        const bool wrong = model.predict(stream.row(i)) != stream.labels[i];
        model.learn(stream.row(i), stream.labels[i]);
        if (errors != nullptr) errors->push_back(wrong ? 1 : 0);
        if (detector->update(wrong ? 1 : 0) != State::kDrift) continue;
        model.reset(stream.features);
        detector->reset();
        if (awaited && i - stream.changes[next - 1] <= stream.acceptance) {
            ++result.hits;
            result.delays += i - stream.changes[next - 1];
            awaited = false;
        } else {
            ++result.false_alarms;
        }
    }
    return result;
}

}  // namespace tidegate::drift
