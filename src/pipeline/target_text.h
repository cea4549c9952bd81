// TargetText: a path and its query in one spelling, for keys: what differs in meaning differs in text, whatever a caller puts in.
//
// Guarantee   Injective: two different lists of path and pairs never give one text. No control characters, no spaces.
#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace tidegate::pipeline {

/// All but unreserved characters (RFC 3986, 2.3) and those of `also` as %XX.
void append_percent(std::string& out, std::string_view text, std::string_view also = {});

/// `/items/a%3Fb?n=3`: pairs sorted by name, those of one name in the order they came.
std::string target_text(std::string_view decoded_path, const std::vector<std::pair<std::string, std::string>>& query);

}  // namespace tidegate::pipeline
