// Rate in words: `100/1m` in settings, keys and headers.
//
// Position    Beside Rate (caller.h). A setting that holds one is a text with check_rate as its check.
#pragma once

#include <string>
#include <string_view>

#include "base/result.h"
#include "pipeline/identity/caller.h"

namespace tidegate::pipeline {

/// How a rate is written, for the reference of the settings.
inline constexpr std::string_view kRateForm = "COUNT/PERIOD, such as 100/1m or 10/s burst 20";

/// `100/1m`, `10/s`, `1000/1d`, `5/250ms`: a count of 1 to 4294967295, a period of whole `ms`, `s`, `m`, `h` or `d` (alone: one)
/// up to 366 days. The burst is the count, or what ` burst N` says. kInvalidArgument says what is wrong.
Result<Rate> parse_rate(std::string_view text);
/// parse_rate as a check of a setting: the empty text, no rate, passes too.
Result<void> check_rate(std::string_view text);
/// What parse_rate reads back: `100/1m`, ` burst N` only where it differs from the count.
std::string to_string(const Rate& rate);

}  // namespace tidegate::pipeline
