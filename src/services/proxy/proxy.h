// Proxy: the routes that lead to other services, all stages of the gate before them.
//
// Position    A service like the others: app/ gives it its parts, it gives back routes.
// Threads     register_proxy() at start; the rest on the loops.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "base/mutex.h"
#include "base/random.h"
#include "base/result.h"
#include "observe/log.h"
#include "observe/metrics.h"
#include "pipeline/cache/store.h"
#include "pipeline/gate.h"
#include "pipeline/route.h"
#include "services/proxy/loop.h"
#include "services/proxy/route.h"
#include "services/proxy/settings.h"
#include "services/proxy/upstream.h"
#include "services/proxy/warmup.h"

namespace tidegate::proxy {

class Proxy final : public pipeline::LoopListener {
  public:
    /// kInvalidArgument names the route or upstream and the setting that is wrong.
    static Result<std::unique_ptr<Proxy>> create(const std::vector<upstream::UpstreamOptions>& upstreams,
                                                 std::vector<RouteOptions> routes, const ProxyParts& parts);
    ~Proxy() override;

    void register_routes(std::vector<pipeline::Route>& routes);
    void prepare_loops(unsigned loops);
    void on_loop_start(pipeline::LoopParts& parts) override;
    void on_loop_stop(pipeline::LoopParts& parts) override;

    const std::vector<std::unique_ptr<Upstream>>& upstreams() const noexcept { return upstreams_; }
    const std::vector<ProxyRoutePtr>& routes() const noexcept { return routes_; }
    /// Asks the upstreams again what `keys` stand for, as far as it is not kept and fresh, in the background. `done` runs on the
    /// first loop, within `deadline`. False: that loop does not run, and `done` will not come. Any thread.
    bool warm_up(std::vector<cache::HotKey> keys, Duration deadline, Warmup::Done done) TG_EXCLUDES(warm_mutex_);
    const WarmupCounts& warmup_counts() const noexcept { return warmup_counts_; }
    /// Members `upstreams` and `routes` of /health.
    void append_status(JsonWriter& writer, SteadyTime now) const;
    /// An upstream has no target that would be picked now.
    bool is_degraded(SteadyTime now) const;

  private:
    struct LoopState;
    explicit Proxy(const ProxyParts& parts);
    void answer(const pipeline::ContextPtr& context, const ProxyRoutePtr& route);

    const ProxyParts parts_;
    std::vector<std::unique_ptr<Upstream>> upstreams_;
    std::vector<ProxyRoutePtr> routes_;
    std::vector<std::unique_ptr<LoopState>> loops_;
    WarmupCounts warmup_counts_;
    Mutex warm_mutex_;
    std::shared_ptr<runtime::Mailbox> first_loop_ TG_GUARDED_BY(warm_mutex_);
};

}  // namespace tidegate::proxy
