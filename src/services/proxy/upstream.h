// Upstream: all that is shared about one upstream of the settings: its targets, its queue, its budget of retries.
//
// Threads     One for all loops; its parts say for themselves.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <string>

#include "base/random.h"
#include "base/result.h"
#include "observe/log.h"
#include "pipeline/upstream/admission.h"
#include "pipeline/upstream/options.h"
#include "pipeline/upstream/pool.h"
#include "pipeline/upstream/retry.h"

namespace tidegate::proxy {

class Upstream {
  public:
    /// `random` and `log` outlive it. kInvalidArgument names the setting that is wrong.
    static Result<std::unique_ptr<Upstream>> create(const upstream::UpstreamOptions& options, Random& random,
                                                    observe::Logger& log, SteadyTime now);

    const std::string& name() const noexcept { return options.name; }

    /// Its place among all upstreams; set before the loops start.
    std::size_t index = 0;
    const upstream::UpstreamOptions options;
    upstream::Pool pool;
    upstream::Admission admission;
    upstream::RetryBudget budget;

  private:
    Upstream(const upstream::UpstreamOptions& all, std::vector<upstream::PoolTarget> targets, Random& random,
             observe::Logger& log, SteadyTime now);
};

}  // namespace tidegate::proxy
