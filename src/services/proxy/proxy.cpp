#include "services/proxy/proxy.h"

#include <algorithm>
#include <set>

#include "base/strings.h"
#include "pipeline/context.h"
#include "pipeline/upstream/health_checker.h"
#include "services/proxy/flow.h"

namespace tidegate::proxy {
namespace {

// How often what waits is looked at: a deadline is kept to within this. The timers of a loop tick each 20 ms.
constexpr Duration kTick = std::chrono::milliseconds(40);
// Entries of the cache looked at in one tick, to free what has expired: 50,000 a second cost under 1 % of a core.
constexpr std::size_t kSweepEntries = 2000;

/// One active health check: a GET of the target's health path.
class Probe final : public http::CallHandler {
  public:
    Probe(upstream::HealthChecker::Done done, runtime::EventLoop& loop) : done_(std::move(done)), loop_(loop) {}
    void on_head(http::ResponseHead head) override { status_ = head.status; }
    bool on_body(std::string_view) override { return true; }
    void on_end() override { done_({.status = status_}, loop_.now()); }
    void on_failure(const http::CallFailure& failure) override {
        done_({.status = 0, .failure = upstream::outcome_of(failure)}, loop_.now());
    }

  private:
    const upstream::HealthChecker::Done done_;
    runtime::EventLoop& loop_;
    int status_ = 0;
};

/// `/Items/{id}` -> `items_id`: what a rule of the limits may be called by, with room for its endings.
std::string name_from_path(std::string_view path) {
    std::string name;
    for (const char c : to_lower(path)) {
        const bool plain = (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
        if (plain) {
            name.push_back(c);
        } else if (!name.empty() && name.back() != '_') {
            name.push_back('_');
        }
    }
    name.resize(std::min<std::size_t>(name.size(), 26));
    while (name.ends_with('_')) name.pop_back();
    return name.empty() ? "root" : name;
}

}  // namespace

/// One loop's share: its fetches, and on the first loop the clockwork of all upstreams.
struct Proxy::LoopState final : public runtime::Timer {
    LoopState(Proxy& owner, pipeline::LoopParts& parts)
        : proxy(owner), event_loop(parts.loop), index(parts.index), loop(parts, owner.parts_) {
        if (parts.make_client) {
            // Numbers of connections and their times are settings of each upstream, so each has a client of its own.
            for (const auto& upstream : owner.upstreams_) {
                loop.fetch_loop.own->push_back(parts.make_client(upstream::client_options(upstream->options)));
            }
        }
        for (const ProxyRoutePtr& route : owner.routes_) {
            if (route->batching) route->batching->on_loop_start(parts.index, loop.fetch_loop);
        }
        if (parts.index != 0) return;
        for (const auto& upstream : owner.upstreams_) {
            if (upstream->options.health.path.empty()) continue;
            checkers.push_back(std::make_unique<upstream::HealthChecker>(
                upstream->pool, upstream->options.health, owner.parts_.random,
                [this, &client = loop.fetch_loop.client_of(*upstream)](
                    const upstream::PoolTarget& target, const upstream::HealthOptions& options,
                    upstream::HealthChecker::Done done) { probe(client, target, options, done); },
                parts.loop.now()));
        }
        next_warmup = parts.loop.now() + owner.parts_.warmup_interval;
        parts.loop.timers().schedule(*this, parts.loop.now() + kTick);
    }
    ~LoopState() override {
        event_loop.timers().cancel(*this);
        for (const auto& warmup : warmups) warmup->drop();
        loop.stop();
        for (const ProxyRoutePtr& route : proxy.routes_) {
            if (route->batching) route->batching->on_loop_stop(index);
        }
        checkers.clear();
        // Calls end with their client, and what they hold still refers to this loop.
        loop.fetch_loop.own->clear();
    }

    void on_timer() override {
        const SteadyTime now = event_loop.now();
        for (const auto& upstream : proxy.upstreams_) upstream->admission.tick(now);
        for (const auto& checker : checkers) checker->tick(now);
        proxy.parts_.flights.expire(now);
        proxy.parts_.store.sweep(proxy.parts_.clock.unix_ms(), kSweepEntries);
        warm_up_if_due(now);
        event_loop.timers().schedule(*this, now + kTick);
    }

    void warm_up_if_due(SteadyTime now) {
        const Duration interval = proxy.parts_.warmup_interval;
        if (interval <= Duration::zero() || now < next_warmup) return;
        next_warmup = now + interval;
        warm_up(proxy.parts_.hot_keys.top(proxy.parts_.warmup_keys, now), interval,
                [&log = proxy.parts_.log](const WarmupReport& report) {
                    log.line(observe::Level::kInfo, "cache_warmup")
                        .field("asked", report.asked)
                        .field("fresh", report.fresh)
                        .field("stored", report.stored)
                        .field("failed", report.failed);
                });
    }

    void warm_up(std::vector<cache::HotKey> keys, Duration deadline, Warmup::Done done) {
        std::erase_if(warmups, [](const auto& warmup) { return warmup->ended(); });
        warmups.push_back(
            std::make_shared<Warmup>(loop, proxy.routes_, std::move(keys), proxy.warmup_counts_, std::move(done)));
        warmups.back()->start(deadline);
    }

    void probe(http::Client& client, const upstream::PoolTarget& target, const upstream::HealthOptions& options,
               const upstream::HealthChecker::Done& done) {
        http::ClientRequest request;
        request.target = options.path;
        request.headers.add("Host", target.origin.host);
        request.headers.add("User-Agent", "tidegate-health");
        const http::CallTimes times{.connect_max = options.timeout,
                                    .first_byte_max = options.timeout,
                                    .idle_max = options.timeout,
                                    .total_max = options.timeout};
        client.start(target.origin, std::move(request), times, std::make_shared<Probe>(done, event_loop));
    }

    Proxy& proxy;
    runtime::EventLoop& event_loop;
    const unsigned index;
    ProxyLoop loop;
    std::vector<std::unique_ptr<upstream::HealthChecker>> checkers;
    std::vector<std::shared_ptr<Warmup>> warmups;
    SteadyTime next_warmup{};
};

Proxy::Proxy(const ProxyParts& parts) : parts_(parts) {}
Proxy::~Proxy() = default;

Result<std::unique_ptr<Proxy>> Proxy::create(const std::vector<upstream::UpstreamOptions>& upstreams,
                                             std::vector<RouteOptions> routes, const ProxyParts& parts) {
    std::unique_ptr<Proxy> proxy(new Proxy(parts));
    std::set<std::string> names;
    for (const upstream::UpstreamOptions& options : upstreams) {
        if (!names.insert(options.name).second) {
            return fail(ErrorCode::kInvalidArgument, "upstreams: the name " + options.name + " is given twice");
        }
        TG_TRY(auto upstream, Upstream::create(options, parts.random, parts.log, parts.clock.now()));
        upstream->index = proxy->upstreams_.size();
        proxy->upstreams_.push_back(std::move(upstream));
    }
    names.clear();
    for (RouteOptions& options : routes) {
        if (options.name.empty()) options.name = name_from_path(options.path);
        if (!names.insert(options.name).second) {
            return fail(ErrorCode::kInvalidArgument,
                        "routes: the name " + options.name + " is given twice; set `name`");
        }
        const auto found = std::ranges::find(proxy->upstreams_, options.upstream, &Upstream::name);
        if (found == proxy->upstreams_.end()) {
            return fail(ErrorCode::kInvalidArgument,
                        "routes: " + options.name + ": there is no upstream `" + options.upstream + "`");
        }
        TG_TRY(auto route, ProxyRoute::create(options, **found, parts.clock));
        proxy->routes_.push_back(std::move(route));
    }
    return proxy;
}

void Proxy::register_routes(std::vector<pipeline::Route>& routes) {
    for (const ProxyRoutePtr& route : routes_) {
        pipeline::Route made;
        made.any_method = true;
        made.path = route->options.path;
        made.operation = route->options.name;
        made.family = route->options.family;
        made.summary = "Passed on to the upstream " + route->options.upstream + ".";
        if (!route->options.answer_after.empty()) {
            made.answer_after = route->options.answer_after == "accepted" ? pipeline::AnswerAfter::kAccepted
                                                                          : pipeline::AnswerAfter::kDurable;
        }
        made.raw_body = true;
        made.spend_points = route->cost;
        made.body_bytes_max = route->options.body_bytes_max;
        made.access = route->options.access == "open" ? pipeline::Access::kOpen : pipeline::Access::kScoped;
        made.response_type = "application/octet-stream";
        // Whole in memory only where the body is part of a key or of a list.
        const bool gathers = route->gathers();
        made.streams_body = [gathers](const http::RequestHead& head) {
            return !(gathers && head.method == http::Method::kPost);
        };
        made.handler = [this, route](const pipeline::ContextPtr& context) { answer(context, route); };
        routes.push_back(std::move(made));
    }
}

void Proxy::answer(const pipeline::ContextPtr& context, const ProxyRoutePtr& route) {
    std::make_shared<Flow>(context, route, loops_[context->loop()->index]->loop)->start();
}

void Proxy::prepare_loops(unsigned loops) {
    loops_.resize(loops);
    for (const ProxyRoutePtr& route : routes_) {
        if (route->batching) route->batching->prepare_loops(loops);
    }
}

void Proxy::on_loop_start(pipeline::LoopParts& parts) {
    loops_[parts.index] = std::make_unique<LoopState>(*this, parts);
    if (parts.index != 0) return;
    const Lock lock(warm_mutex_);
    first_loop_ = parts.loop.mailbox();
}

void Proxy::on_loop_stop(pipeline::LoopParts& parts) {
    loops_[parts.index].reset();
}

bool Proxy::warm_up(std::vector<cache::HotKey> keys, Duration deadline, Warmup::Done done) {
    std::shared_ptr<runtime::Mailbox> mailbox;
    {
        const Lock lock(warm_mutex_);
        mailbox = first_loop_;
    }
    return mailbox && mailbox->post([this, keys = std::move(keys), deadline, done = std::move(done)]() mutable {
        if (loops_[0]) loops_[0]->warm_up(std::move(keys), deadline, std::move(done));
    });
}

}  // namespace tidegate::proxy
