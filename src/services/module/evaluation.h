// Evaluation: what every `tidegate eval NAME` does alike: its words, where its result is kept.
//
// Threads     Any.
#pragma once

#include <string>
#include <string_view>

#include "base/clock.h"
#include "base/result.h"
#include "services/module/module.h"

namespace tidegate::service {

struct EvaluationArguments {
    std::string data;  // The folder to measure on.
    std::string out;   // Empty: a dated file in the data folder.
};

/// `--data FOLDER [--out FILE]`, in any order. kInvalidArgument: `usage`.
Result<EvaluationArguments> read_evaluation(const CommandInput& input, std::string_view usage);

/// Writes the result where it was asked for, else to evaluations/NAME-TIME.json in the data folder, and says where.
Result<void> store_evaluation(const CommandInput& input, const EvaluationArguments& arguments, std::string_view name,
                              std::string_view json, UnixMillis now);

}  // namespace tidegate::service
