// The named actions of `optimize`: what each does, what it measures, when it is called for.
#pragma once

#include "app/performance_assembly.h"

namespace tidegate::app {

/// What `needs` and `recorder` lead to outlives `actions`.
void add_performance_actions(performance::Actions& actions, performance::Recorder& recorder,
                             const PerformanceNeeds& needs);

}  // namespace tidegate::app
