// Ask and Verdict: what a request wants of the rules that apply to it, and what it was told.
//
// Memory      Fixed arrays: nothing is allocated for a check.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>

#include "pipeline/limits/gcra.h"

namespace tidegate::limits {

/// Rules that may apply to one request, the caller's own rate with them.
inline constexpr std::size_t kAsksMax = 16;
/// The caller's own rate, in place of a rule's index.
inline constexpr std::uint16_t kOwnRule = 0xffff;

/// One permit of one rule for one subject.
struct Ask {
    std::uint64_t subject = 0;   // Equal on every server.
    std::uint64_t rule_tag = 0;  // Of the rule's name and rate; equal on every server with the same rule.
    Gcra gcra;
    std::uint16_t rule = 0;  // Index in the RuleSet, or kOwnRule.
    bool shadow = false;     // Decide and count, do not refuse.
};

class Asks {
  public:
    void add(const Ask& ask) noexcept {
        if (count_ < kAsksMax) asks_[count_++] = ask;
    }
    std::span<const Ask> all() const noexcept { return {asks_.data(), count_}; }
    bool empty() const noexcept { return count_ == 0; }

  private:
    std::array<Ask, kAsksMax> asks_;
    std::size_t count_ = 0;
};

/// How one rule stands after the check.
struct Standing {
    Gcra gcra;
    std::int64_t ahead_ns = 0;  // Of the TAT, this request counted if it was charged.
    std::uint16_t rule = 0;
    bool shadow = false;
    bool denied = false;

    /// Permits left now.
    std::int64_t remaining() const noexcept { return gcra.permits(ahead_ns); }
    /// Without a permit left: until there is one; else until all are back.
    std::int64_t reset_ns() const noexcept {
        const std::int64_t wait = gcra.wait_ns(ahead_ns);
        return wait > 0 ? wait : ahead_ns;
    }
};

enum class Answer : std::uint8_t { kAllowed, kDenied, kPending };

struct Verdict {
    Answer answer = Answer::kAllowed;
    bool shadow_denied = false;  // A rule in shadow would have refused.
    std::uint8_t count = 0;
    std::array<Standing, kAsksMax> standings;

    std::span<const Standing> all() const noexcept { return {standings.data(), count}; }
    /// Of the rules not in shadow: when denied, the one to wait for longest; else the one with the fewest permits left, of
    /// those the one that takes longest to come back. Null: there is none.
    const Standing* tightest() const noexcept;
    /// When denied: until the request could pass, as far as is known now. 0 otherwise.
    std::int64_t retry_after_ns() const noexcept;
};

}  // namespace tidegate::limits
