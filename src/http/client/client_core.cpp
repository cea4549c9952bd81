#include "http/client/client_core.h"

#include <utility>

#include "http/client/upstream_connection.h"

namespace tidegate::http {

ClientCore::ClientCore(runtime::EventLoop& event_loop, runtime::WorkerPool& pool, const ClientOptions& client_options,
                       ClientCounters& counters, NameCache::Fetch look_up)
    : loop(event_loop),
      options(client_options),
      names(event_loop, pool, std::move(look_up), client_options.resolve_ttl),
      certificates(
          event_loop, pool,
          [](const std::string& key) { return TlsClientContext::create(key.substr(1), key.front() == 'v'); },
          kCertificatesKept),
      counters_(counters) {}

ClientCore::~ClientCore() {
    loop.timers().cancel(*this);
    graveyard_.clear();
    publish(counts_, counters_);
}

std::string ClientCore::tls_key(const Origin& origin) {
    return (origin.verify ? "v" : "n") + origin.ca_file;
}

void ClientCore::bury(std::shared_ptr<UpstreamConnection> connection) {
    graveyard_.push_back(std::move(connection));
    note_change();
}

// Timers run after all events of a turn.
void ClientCore::on_timer() {
    changed_ = false;
    graveyard_.clear();
    if (sweep_) sweep_();
    publish(counts_, counters_);
}

}  // namespace tidegate::http
