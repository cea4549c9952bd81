#include "drift/detector.h"

namespace tidegate::drift {

std::string_view to_string(State state) noexcept {
    switch (state) {
        case State::kNormal:
            return "normal";
        case State::kWarning:
            return "warning";
        case State::kDrift:
            return "drift";
    }
    return "normal";
}

}  // namespace tidegate::drift
