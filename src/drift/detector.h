// Detector: watches one stream of numbers, one at a time, and says when it changed.
//
// Position    Fed by audit/views through app/; one detector a stream (service, model, tenant, feature).
// Guarantee   A value that is not finite is not looked at: it is counted in ignored() and changes nothing. After
//             State::kDrift the next value meets a detector that starts afresh (ADWIN and Page-Hinkley as their papers say).
// Memory      Bounded; each detector says how much.
// Threads     None of its own; one detector belongs to one thread at a time. No clock, no randomness but a seed.
#pragma once

#include <cmath>
#include <cstdint>
#include <string_view>

namespace tidegate::drift {

enum class State : std::uint8_t { kNormal, kWarning, kDrift };
/// `normal`, `warning`, `drift`.
std::string_view to_string(State state) noexcept;

class Detector {
  public:
    virtual ~Detector() = default;
    /// Takes the next value of the stream.
    State update(double value) {
        if (!std::isfinite(value)) {
            ++ignored_;
            return State::kNormal;
        }
        return step(value);
    }
    /// As new, but for the count of ignored values.
    virtual void reset() = 0;
    virtual std::string_view name() const noexcept = 0;
    std::uint64_t ignored() const noexcept { return ignored_; }

  protected:
    Detector() = default;
    Detector(const Detector&) = default;
    /// Assigning a new detector is how one resets; the count of ignored values stays.
    Detector& operator=(const Detector&) noexcept { return *this; }
    virtual State step(double value) = 0;

  private:
    std::uint64_t ignored_ = 0;
};

}  // namespace tidegate::drift
