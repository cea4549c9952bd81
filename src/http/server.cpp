#include "http/server.h"

#include <algorithm>
#include <thread>
#include <utility>

#include "http/listener.h"
#include "http/server_loop.h"

namespace tidegate::http {
namespace {

class ServerImpl final : public Server {
  public:
    ServerImpl(Application& application, const Clock& clock, const Limits& limits)
        : shared_{application, clock, limits, nullptr, {}, {}, {}} {}
    ~ServerImpl() override { stop(); }
    ServerImpl(const ServerImpl&) = delete;
    ServerImpl& operator=(const ServerImpl&) = delete;

    Result<void> open(const ServerOptions& options) {
        TG_TRY(shared_.proxies, TrustedProxies::parse(options.trusted_proxies));
        if (options.tls) {
            TG_TRY(shared_.tls, TlsContext::create(*options.tls));
        }
        const unsigned count = options.loops > 0 ? options.loops : std::max(1U, std::thread::hardware_concurrency());
        TG_TRY(Listeners listeners, listen_on(options.address, options.port, count));
        port_ = listeners.port;
        for (Socket& socket : listeners.sockets) {
            TG_TRY(auto loop, ServerLoop::create(shared_, std::move(socket), static_cast<unsigned>(loops_.size())));
            loops_.push_back(std::move(loop));
        }
        return {};
    }

    void start() override {
        for (const auto& loop : loops_) loop->start();
    }

    bool drain(Duration wait_max) override {
        draining_.store(true, std::memory_order_release);
        for (const auto& loop : loops_) loop->drain();
        const auto deadline = std::chrono::steady_clock::now() + wait_max;
        const Lock lock(shared_.drain_signal.mutex);
        while (shared_.counters.connections_open.load(std::memory_order_acquire) > 0) {
            const auto left = deadline - std::chrono::steady_clock::now();
            if (left <= Duration::zero()) return false;
            shared_.drain_signal.changed.wait_for(shared_.drain_signal.mutex, left);
        }
        return true;
    }

    void stop() override {
        for (const auto& loop : loops_) loop->stop();
    }

    std::uint16_t port() const noexcept override { return port_; }
    unsigned loops() const noexcept override { return static_cast<unsigned>(loops_.size()); }
    const ServerCounters& counters() const noexcept override { return shared_.counters; }
    bool draining() const noexcept override { return draining_.load(std::memory_order_acquire); }

  private:
    LoopShared shared_;
    std::vector<std::unique_ptr<ServerLoop>> loops_;
    std::uint16_t port_ = 0;
    std::atomic<bool> draining_{false};
};

}  // namespace

Result<std::unique_ptr<Server>> Server::create(ServerOptions options, Application& application, const Clock& clock) {
    auto server = std::make_unique<ServerImpl>(application, clock, options.limits);
    TG_CHECK(server->open(options));
    return std::unique_ptr<Server>(std::move(server));
}

}  // namespace tidegate::http
