#include "http/client/client.h"

#include <unordered_map>
#include <utility>

#include "http/client/call_state.h"
#include "http/client/client_core.h"
#include "http/client/make_client.h"
#include "http/client/origin.h"
#include "http/client/origin_pool.h"

namespace tidegate::http {
namespace {

class PooledClient final : public Client {
  public:
    PooledClient(runtime::EventLoop& loop, runtime::WorkerPool& pool, const ClientOptions& options,
                 ClientCounters& counters, NameCache::Fetch look_up)
        : core_(std::make_shared<ClientCore>(loop, pool, options, counters, std::move(look_up))) {
        core_->set_sweep([this] { sweep(); });
    }
    ~PooledClient() override { core_->set_sweep(nullptr); }
    PooledClient(const PooledClient&) = delete;
    PooledClient& operator=(const PooledClient&) = delete;

    CallPtr start(const Origin& origin, ClientRequest request, const CallTimes& times,
                  std::shared_ptr<CallHandler> handler) override {
        auto call = std::make_shared<CallState>(core_, times, std::move(handler));
        ++core_->counts().calls;
        if (const auto accepted = call->accept(origin, std::move(request)); !accepted) {
            call->fail_later(
                {CallFailure::Kind::kInvalidRequest, CallFailure::Stage::kConnect, accepted.error().message, true});
        } else {
            pool_of(origin).start(call);
        }
        return call;
    }

    void forget(const Origin& origin) override {
        const auto found = pools_.find(origin);
        if (found == pools_.end()) return;
        found->second->forget();
        forgotten_ = true;
    }

  private:
    OriginPool& pool_of(const Origin& origin) {
        const auto found = pools_.find(origin);
        if (found != pools_.end()) return *found->second;
        return *pools_.emplace(origin, std::make_unique<OriginPool>(*core_, origin)).first->second;
    }

    /// Drops the pools that were forgotten and have nothing left in them.
    void sweep() {
        if (!forgotten_) return;
        forgotten_ = false;
        std::erase_if(pools_, [](const auto& entry) { return entry.second->forgotten() && entry.second->empty(); });
        for (const auto& [origin, pool] : pools_) forgotten_ = forgotten_ || pool->forgotten();
    }

    const std::shared_ptr<ClientCore> core_;  // Outlives the pools.
    std::unordered_map<Origin, std::unique_ptr<OriginPool>, OriginHash> pools_;
    bool forgotten_ = false;
};

}  // namespace

std::unique_ptr<Client> make_client(runtime::EventLoop& loop, runtime::WorkerPool& pool, const ClientOptions& options,
                                    ClientCounters& counters, NameCache::Fetch look_up) {
    return std::make_unique<PooledClient>(loop, pool, options, counters, std::move(look_up));
}

std::unique_ptr<Client> make_client(runtime::EventLoop& loop, runtime::WorkerPool& pool, const ClientOptions& options,
                                    ClientCounters& counters) {
    return make_client(loop, pool, options, counters, look_up_addresses);
}

}  // namespace tidegate::http
