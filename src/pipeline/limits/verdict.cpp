#include "pipeline/limits/verdict.h"

namespace tidegate::limits {

const Standing* Verdict::tightest() const noexcept {
    const Standing* best = nullptr;
    for (const Standing& standing : all()) {
        if (standing.shadow || (answer == Answer::kDenied && !standing.denied)) continue;
        if (best == nullptr) {
            best = &standing;
        } else if (answer == Answer::kDenied) {
            if (standing.gcra.wait_ns(standing.ahead_ns) > best->gcra.wait_ns(best->ahead_ns)) best = &standing;
        } else {
            const std::int64_t left = standing.remaining();
            const std::int64_t least = best->remaining();
            if (left < least || (left == least && standing.reset_ns() > best->reset_ns())) best = &standing;
        }
    }
    return best;
}

std::int64_t Verdict::retry_after_ns() const noexcept {
    if (answer != Answer::kDenied) return 0;
    const Standing* standing = tightest();
    return standing == nullptr ? 0 : standing->gcra.wait_ns(standing->ahead_ns);
}

}  // namespace tidegate::limits
