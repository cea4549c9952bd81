// Import: contents from JSON or lines of it into the library, what cannot be taken named by its line.
//
// Memory      kImportBatch contents beside the text.
// Threads     Any.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "pipeline/schema.h"
#include "services/content/search/library.h"

namespace tidegate::content {

struct ImportFault {
    std::uint64_t line = 0;  // From 1; of an array: the element.
    pipeline::FieldError error;
};

struct ImportReport {
    static constexpr std::size_t kFaultsMax = 100;
    std::uint64_t received = 0, stored = 0, updated = 0, unchanged = 0, failed = 0;
    std::vector<std::string> ids;
    std::vector<ImportFault> faults;
};

/// A commit each.
inline constexpr std::size_t kImportBatch = 500;

/// `lines`: a JSON object a line; else one object, an array of them, or one with `contents`. kInvalidArgument: the whole is no JSON;
/// kTooLarge: over `items_max`, nothing is taken; others: the store's, and what was committed before stays.
Result<ImportReport> import_contents(Library& library, std::string_view tenant, std::string_view text, bool lines,
                                     std::size_t items_max);

}  // namespace tidegate::content
