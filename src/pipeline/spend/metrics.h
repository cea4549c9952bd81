// The metrics of spend.
#pragma once

#include "observe/metrics.h"
#include "pipeline/spend/book.h"

namespace tidegate::pipeline::spend {

/// `book` outlives the registry.
void declare_metrics(observe::Registry& registry, Book& book);

}  // namespace tidegate::pipeline::spend
