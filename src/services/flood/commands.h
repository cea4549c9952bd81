// Commands of the flood service: basins by the command line, the measurement of its models.
//
// Threads     The main thread.
#pragma once

#include "services/flood/settings.h"
#include "services/module/module.h"

namespace tidegate::flood {

/// `tidegate flood load|list|remove`. The exit status.
int run_command(const service::CommandInput& input);
/// `tidegate eval flood`: basins, labelled gauges and the Numenta benchmark, each part where it lies. The exit status.
int run_evaluation(const service::CommandInput& input, const FloodSettings& settings);

}  // namespace tidegate::flood
