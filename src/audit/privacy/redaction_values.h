// Values for the test set: made people's numbers, and numbers that are nobody's.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "audit/privacy/redaction.h"
#include "base/random.h"

namespace tidegate::audit::privacy {

/// A made value of a kind (`phone_de`, `card`, `date`), and what it is; no class: a number that points at nobody. An unknown kind is a
/// broken invariant.
struct MadeValue {
    std::string text;
    std::optional<PiiClass> which;
    const char* kind = "";
};
MadeValue make_value(std::string_view kind, Random& random);

}  // namespace tidegate::audit::privacy
