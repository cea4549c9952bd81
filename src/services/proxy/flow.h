// Flow: one request of a proxied route, from its target to its answer.
//
// Order       Method -> loop (Via) -> target -> cache: fresh, stale, or a fetch -> admission, breaker, balance (Fetch) ->
//             answer. A fetch that may be kept runs through a Fill, which outlives the client that caused it.
// Guarantee   One answer. A client that leaves ends what only it waited for, and nothing else.
// Memory      The request's body when it is whole; see Answer and Fill.
// Threads     The loop of the exchange.
#pragma once

#include <memory>
#include <optional>
#include <string>

#include "pipeline/cache/rules/facts.h"
#include "pipeline/cache/store.h"
#include "pipeline/context.h"
#include "services/proxy/answer.h"
#include "services/proxy/fetch.h"
#include "services/proxy/fill.h"
#include "services/proxy/loop.h"
#include "services/proxy/route.h"

namespace tidegate::proxy {

class Flow final : public FillClient, public std::enable_shared_from_this<Flow> {
  public:
    Flow(pipeline::ContextPtr context, ProxyRoutePtr route, ProxyLoop& loop);
    void start();

  private:
    // FetchSink, for what is not kept, and what a Fill passes on.
    void on_interim(int status, const http::Headers& headers) override;
    void on_answer(http::ResponseHead head) override;
    bool on_bytes(std::string_view bytes) override;
    void on_done() override;
    void on_failed(const FetchFailure& failure) override;
    void on_tunnel(http::ResponseHead head) override;
    void on_tunnel_room() override;
    void on_batched(const BatchFacts& facts) override;
    // FillClient
    void on_entry(const cache::EntryPtr& entry, Provenance provenance) override;

    bool look_up();
    bool use_stored(const cache::EntryPtr& entry);
    cache::Key make_key() const;
    Result<FetchRequest> make_request(bool for_fill);
    void fetch(cache::EntryPtr stored);
    void join(const cache::Key& key);
    void landed(const cache::Landing& landing);
    void begin_fill(cache::Flights::Leader leader, bool ask_others);
    void refresh(const cache::EntryPtr& stored);
    FillQuestion question(bool ask_others) const;
    bool client_has(const http::ResponseHead& head) const;
    void hold();
    void fetch_plainly();
    void invalidate(const http::ResponseHead& head);
    void client_left();
    void refuse(int status, std::string_view error, std::string_view detail);
    void finish();

    pipeline::ContextPtr context_;
    const ProxyRoutePtr route_;
    ProxyLoop& loop_;
    Answer answer_;
    std::string target_;
    cache::rules::RequestFacts facts_;
    std::optional<cache::Key> key_;
    Provenance provenance_;
    std::shared_ptr<Source> fetch_;  // Of our own.
    std::shared_ptr<Fill> fill_;
    cache::EntryPtr stored_;  // What was found and may not be used as it is.
    cache::Flights::Waiter waiter_;
    std::string flight_vary_;     // See FillQuestion.
    bool without_body_ = false;   // The client gets a 304 of an answer that comes whole.
    std::shared_ptr<Flow> self_;  // While the sink of somebody.
    std::shared_ptr<http::Tunnel> tunnel_;
};

}  // namespace tidegate::proxy
