// KeptDecisions: the decisions of an answer as they are kept with it, so that a hit can leave its own.
//
// Position    Written when an answer is kept, read when it is given again, by this process or another one over Redis.
// Guarantee   What is read back says the same of the answer (model, output, band, confidence, tags, hash of the question that was
//             first asked) and names the decision it repeats; who asks now, when, and for how much, is for the caller to add.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "audit/decision.h"
#include "base/result.h"

namespace tidegate::pipeline {

/// One line of JSON without control characters. Empty for no decisions.
std::string pack_decisions(const std::vector<audit::Decision>& decisions);
/// With the tag `original`: the id of the decision that is repeated. No ids, times, callers. kDataLoss when the text is none of ours.
Result<std::vector<audit::Decision>> unpack_decisions(std::string_view text);

}  // namespace tidegate::pipeline
