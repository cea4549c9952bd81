// Fill: a fetch whose answer may be kept: collects it, stores it, and passes it on to the client that caused it, if any.
//
// Position    Between Fetch and Flow. It lives until the fetch has ended, whoever has left by then.
// Order       Other processes (SecondLevel): their answer; the lease, which makes one process fetch for all, or the wait for whoever
//             has it -> the upstream -> the store and the others. Without Redis, or when it is slow, the upstream at once.
// Guarantee   Only a whole answer is stored, and none that began before something it was made of was invalidated. A failure is
//             never stored. Whoever waits for the same key hears once: an entry, that it cannot be kept, or the failure.
// Memory      The collected body, up to the largest object the cache takes.
// Threads     The loop it was made for.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "pipeline/cache/flights.h"
#include "pipeline/cache/rules/facts.h"
#include "pipeline/cache/rules/reuse.h"
#include "pipeline/cache/rules/storable.h"
#include "pipeline/cache/store.h"
#include "services/proxy/answer.h"
#include "services/proxy/fetch.h"
#include "services/proxy/route.h"

namespace tidegate::proxy {

struct ProxyLoop;

/// What a client of a Fill hears besides the answer as it comes.
class FillClient : public FetchSink {
  public:
    /// Instead of an answer: this entry is the answer (revalidated, or stale because the upstream failed).
    virtual void on_entry(const cache::EntryPtr& entry, Provenance provenance) = 0;
};

/// The question, as far as the answer's keeping depends on it.
struct FillQuestion {
    cache::Key key;
    std::string target;
    cache::rules::RequestFacts facts;
    http::Headers client_fields;  // What Vary selects by.
    std::string flight_vary;      // The names whose values the key of the flight holds already.
    bool ask_others = false;      // Other processes, before the upstream.
};

class Fill final : public FetchSink, public std::enable_shared_from_this<Fill> {
  public:
    /// `stored`: what is being validated or refreshed; may be null. `client`: null for a refresh in the background.
    /// `leader`: for whoever else asks the same; may be empty.
    Fill(ProxyLoop& loop, ProxyRoutePtr route, FillQuestion question, cache::EntryPtr stored,
         cache::Flights::Leader leader, FillClient* client);

    ~Fill() override;

    void start(FetchRequest request);
    /// The client has left; the fetch goes on when others wait or the answer is being kept.
    void leave();
    /// Ends here and now; who waits hears that it failed. For a loop that ends.
    void abandon();
    void resume();
    const std::string& target() const noexcept;
    /// Known once the head has come: whether the answer is being kept, and if not, why.
    bool keeps() const noexcept { return collecting_; }
    cache::rules::Refusal refusal() const noexcept { return decision_.refusal; }

  private:
    void on_interim(int status, const http::Headers& headers) override;
    void on_answer(http::ResponseHead head) override;
    bool on_bytes(std::string_view bytes) override;
    void on_done() override;
    void on_failed(const FetchFailure& failure) override;
    void on_tunnel(http::ResponseHead head) override;
    void on_batched(const BatchFacts& facts) override;

    bool ask_others();
    void brought(const cache::EntryPtr& entry);
    void leased(bool mine);
    bool use_brought(const cache::EntryPtr& entry);
    Duration lease_max() const;
    void ask_upstream();

    /// The stored answer with another answer's news, and whether it is kept so.
    struct Renewed {
        cache::EntryPtr entry;
        bool kept = false;
    };
    Renewed renew(const http::ResponseHead& news);
    bool stand_in(cache::rules::Fault fault);
    bool confirmed(const http::ResponseHead& head);
    void heed_head(const http::ResponseHead& head);
    void decide(const http::ResponseHead& head);
    void keep();
    void give_up_keeping();
    void land_failed(const FetchFailure& failure);
    void land_uncacheable(bool remember);
    void land_kept(const cache::EntryPtr& entry);
    void release_lease();
    void close();

    ProxyLoop& loop_;
    const ProxyRoutePtr route_;
    const FillQuestion question_;
    cache::EntryPtr stored_;
    FillClient* client_;
    cache::Flights::Leader leader_;
    const cache::SharedTicket ticket_;
    UnixMillis asked_ms_ = 0;
    FetchRequest request_;  // Until the upstream is asked.
    std::shared_ptr<Source> fetch_;
    FetchRequest again_;  // Without conditions, should a 304 confirm nothing.
    http::ResponseHead head_;
    cache::rules::StoreDecision decision_;
    std::string body_;
    bool collecting_ = false;
    bool validating_ = false;
    bool has_lease_ = false;
    bool ended_ = false;
    std::shared_ptr<Fill> self_;  // While the sink of a fetch. Before that, who brings the others' word holds it.
};

}  // namespace tidegate::proxy
