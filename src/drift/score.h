// Score: how a detector does on a stream with known changes, and how often it fires where there is none.
//
// Algorithm   Prequential: naive Bayes answers, its error goes to the detector, then it learns the row; an alarm resets
//             both. The first alarm within `acceptance` rows after a change is a hit and its distance the delay; every
//             other alarm is false; a change without a hit is a miss (Pesaranghader and Viktor 2016).
#pragma once

#include <cstddef>
#include <functional>
#include <memory>
#include <vector>

#include "drift/detector.h"
#include "drift/streams.h"

namespace tidegate::drift {

using MakeDetector = std::function<std::unique_ptr<Detector>()>;

struct Score {
    std::size_t streams = 0;
    std::size_t changes = 0;
    std::size_t hits = 0;
    std::size_t false_alarms = 0;
    std::size_t delays = 0;  // Sum over the hits, in rows.

    double delay_mean() const noexcept {
        return hits == 0 ? 0 : static_cast<double>(delays) / static_cast<double>(hits);
    }
    double hits_a_stream() const noexcept { return a_stream(hits); }
    double false_alarms_a_stream() const noexcept { return a_stream(false_alarms); }
    void add(const Score& other) noexcept;

  private:
    double a_stream(std::size_t count) const noexcept {
        return streams == 0 ? 0 : static_cast<double>(count) / static_cast<double>(streams);
    }
};

/// `errors`, when given, receives the 0/1 errors that the detector saw.
Score score(const LabelledStream& stream, const MakeDetector& make, std::vector<double>* errors = nullptr);

}  // namespace tidegate::drift
