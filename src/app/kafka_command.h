// What `tidegate kafka worker` and the server in the mode `consume` have in common.
#pragma once

#include "app/settings.h"
#include "bus/worker.h"

namespace tidegate::app {

/// kInvalidArgument: no brokers are set.
Result<bus::WorkerOptions> kafka_worker_options(const AppSettings& settings);

}  // namespace tidegate::app
