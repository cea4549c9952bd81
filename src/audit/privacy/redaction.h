// Redaction: finds what points at a person in a text and puts a label or a keyed pseudonym in its place.
//
// Position    Before a record is hashed: the log holds the redacted text alone. docs/privacy.md has the measured precision and recall.
// Guarantee   One pass: each byte is looked at a bounded number of times whatever the text, there is no engine that backtracks.
//             Bytes outside of findings stay as they are; findings never overlap; a second pass over redacted text finds nothing new
//             that the labels made.
// Algorithm   A candidate begins at `@`, `+`, `(`, `:`, a digit or a letter at the edge of a word. Its matcher reads at most
//             kCandidateBytesMax further; check digits (check_digits.h), lengths and the words before it decide.
// Threads     Plain functions: any thread.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace tidegate::audit::privacy {

class Key;

enum class PiiClass : std::uint8_t { kEmail, kPhone, kCard, kIban, kNationalId, kIpAddress };
inline constexpr std::size_t kPiiClasses = 6;
/// `email`, `phone`, `card`, `iban`, `national_id`, `ip`.
std::string_view to_string(PiiClass which) noexcept;
std::optional<PiiClass> parse_pii_class(std::string_view name) noexcept;

struct Finding {
    std::size_t begin = 0;  // Bytes.
    std::size_t end = 0;
    PiiClass which{};
    const char* kind = "";  // Which rule: `us_ssn`, `de_steuer_id`, `ipv6`; never null.
};

inline constexpr std::size_t kCandidateBytesMax = 320;  // An address of 64 + 1 + 253 bytes.

/// Everything in `text`, in order. `text` may be any bytes.
std::vector<Finding> find_personal(std::string_view text);

enum class Action : std::uint8_t { kLeave, kLabel, kPseudonym };

struct RedactionPolicy {
    std::array<Action, kPiiClasses> actions{};  // By PiiClass; kLeave: found but left.
    bool any() const noexcept;
    /// Rules as privacy.redact has them, with `otherwise` (`label`, `pseudonym`) where a rule names no action.
    static Result<RedactionPolicy> parse(const std::vector<std::string>& rules, std::string_view otherwise);
};

/// Redacts in place; gives how many findings were replaced. `[email]`, or `[email:0a1b2c3d4e5f]`: 48 bits of HMAC of the class and
/// the value in its plain form (digits alone, lower case) under `pseudonyms`, so that the same person reads the same within a
/// tenant. Without a key pseudonyms are labels.
std::size_t redact(std::string& text, const RedactionPolicy& policy, const Key* pseudonyms = nullptr);

/// The same in the strings of a JSON text, member names left out; structure, numbers and white space stay byte for byte.
/// A string is judged as it reads with its escapes undone. kInvalidArgument: a string is not closed or has a bad escape.
Result<std::size_t> redact_json(std::string& json, const RedactionPolicy& policy, const Key* pseudonyms = nullptr);

}  // namespace tidegate::audit::privacy
