// The route by which a caller sees its own spend of the day.
#pragma once

#include <vector>

#include "pipeline/route.h"
#include "pipeline/spend/policy.h"

namespace tidegate::app {

/// `policy` and `zone` outlive the route.
void register_usage(std::vector<pipeline::Route>& routes, const pipeline::spend::SpendPolicy& policy,
                    const pipeline::spend::Zone& zone);

}  // namespace tidegate::app
