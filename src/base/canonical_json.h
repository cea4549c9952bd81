// Canonical JSON: one text for all spellings of one document; what a cache asks by.
//
// Guarantee   White space, the order of members and the spelling of strings and numbers do not matter; everything else
//             does: `1` and `1.0` are two documents unless `decimals` makes them one, and so are a member given twice and
//             a member given once. The text is itself valid JSON.
// Memory      A sorted list of members at each level, freed as it goes.
#pragma once

#include <string>

#include "base/json.h"

namespace tidegate::json {

/// Appends the canonical form. With `decimals` 1 to 15 every number is rounded to so many places first (half away from zero),
/// so that questions closer than that are one; 0 leaves numbers as they are. Integers over 2^53 are never rounded.
void append_canonical(std::string& out, Value value, unsigned decimals = 0);

}  // namespace tidegate::json
