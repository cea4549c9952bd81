// Proxy: the routes that lead to other services, all stages of the gate before them.
//
// Position    A service like the others: app/ gives it its parts, it gives back routes.
// Threads     register_proxy() at start; the rest on the loops.
#pragma once

#include <memory>
#include <string>
#include <vector>

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

namespace tidegate::proxy {

struct ProxyParts {
    const Clock& clock;
    Random& random;
    observe::Logger& log;
    cache::ResponseStore& store;
    cache::Flights& flights;
};

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
};

}  // namespace tidegate::proxy
