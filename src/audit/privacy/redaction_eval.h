// How good the redaction is: a made test set with known answers, and precision and recall by class.
//
// Position    `tidegate eval redaction` and the test that holds the figures to their minimum.
// What it is  Synthetic: values from a seeded generator (right check digits, national forms) in sentences of six languages, with numbers
//             beside them that are nobody's, and sentences written by hand to mislead. It shows what the rules do with the forms that
//             their author knew; it is no sample of anybody's real texts, whose figures will be lower.
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "audit/privacy/redaction.h"

namespace tidegate::audit::privacy {

struct LabelledText {
    std::string text;
    std::vector<Finding> labels;  // In order; `kind` is the generator's word: `phone_de`, `us_ssn`.
};

/// `sentences` made ones and the hand-written ones. The same seed gives the same set.
std::vector<LabelledText> redaction_cases(std::uint64_t seed, std::size_t sentences);

struct Share {
    std::uint64_t of = 0;
    std::uint64_t right = 0;
    /// 1 where there was none.
    double value() const noexcept { return of == 0 ? 1.0 : static_cast<double>(right) / static_cast<double>(of); }
};

struct RedactionScore {
    /// Of what was found: it overlaps something of that class. Of what was there: one finding of that class covers all of it.
    std::array<Share, kPiiClasses> precision{};
    std::array<Share, kPiiClasses> recall{};
    std::map<std::string, Share> recall_by_kind;
    std::size_t texts = 0;
    std::size_t bytes = 0;
    std::vector<std::string> mistakes;  // The first 50, for reading.
};
RedactionScore score_redaction(const std::vector<LabelledText>& cases);

}  // namespace tidegate::audit::privacy
