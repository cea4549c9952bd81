// A request with more rows than a pass takes: its parts, and their answers put together again.
//
// Guarantee   One answer, when the last part has its own: all rows in order, or the first part's error.
// Memory      The parts are views of the request; the joined outputs are one copy.
// Threads     Parts may end on several threads at once; the joined answer is told on the last one's.
#pragma once

#include <functional>
#include <memory>
#include <vector>

#include "base/result.h"
#include "model/batcher.h"

namespace tidegate::model {

/// Cuts `request` (rows over rows_each) into parts of at most `rows_each` rows. `joined` gets the request's own way back and its
/// answer, once.
std::vector<BatchRequest> split(BatchRequest&& request, std::uint32_t rows_each,
                                std::move_only_function<void(Answered, std::shared_ptr<AnswerSink>)> joined);

}  // namespace tidegate::model
