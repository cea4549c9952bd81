// The routes by which callers see and cancel their jobs, and admins send dead ones again.
#pragma once

#include <vector>

#include "jobs/jobs.h"
#include "pipeline/route.h"

namespace tidegate::app {

struct JobRouteParts {
    jobs::Jobs& jobs;
    bool loopback_without_keys = false;
};

/// `parts.jobs` outlives the routes.
void register_job_routes(std::vector<pipeline::Route>& routes, const JobRouteParts& parts);

}  // namespace tidegate::app
