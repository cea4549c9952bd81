// The metrics of spend.
#pragma once

#include "base/clock.h"
#include "observe/metrics.h"
#include "pipeline/spend/book.h"

namespace tidegate::pipeline::spend {

/// `book` and `clock` outlive the registry.
void declare_metrics(observe::Registry& registry, Book& book, const Clock& clock);

}  // namespace tidegate::pipeline::spend
