// Vary: which fields of a request choose among the answers of one key, and their values in one spelling (RFC 9111, 4.1).
//
// Guarantee   Two requests with one selecting text mean the same to the origin: blanks around commas and the splitting of a list
//             into lines do not count, nor case and order where the field's definition says so. Absent matches only absent.
// Memory      Bounded: over kVaryFieldsMax names or kSelectingBytesMax bytes the answer is not kept.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

#include "http/message.h"
#include "pipeline/cache/rules/policy.h"

namespace tidegate::cache::rules {

inline constexpr std::size_t kVaryFieldsMax = 16;
inline constexpr std::size_t kSelectingBytesMax = 4096;

struct VaryNames {
    bool star = false;       // No request ever matches.
    bool too_large = false;  // Over kVaryFieldsMax.
    std::string names;       // Lower case, sorted, once each, separated by commas; empty: the answer does not vary.
};
VaryNames read_vary(const http::Headers& response);

/// The values of `names` in `request`, normalised; a line each, `-` for absent. Appends to `out`.
void selecting_text(std::string_view names, const http::Headers& request, const RoutePolicy& policy, std::string& out);

/// One stored variant. `content_language` matters to RoutePolicy::select_language alone; may be empty otherwise.
struct VariantView {
    std::string_view names;
    std::string_view selecting;
    std::string_view content_language;
};
/// Whether it serves `request`.
bool variant_fits(const VariantView& variant, const http::Headers& request, const RoutePolicy& policy);

}  // namespace tidegate::cache::rules
