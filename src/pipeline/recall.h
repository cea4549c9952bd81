// Recall: one request of a route whose answers are kept: what was found, whom it waits for, what becomes of its own answer.
//
// Position    Made by the stage "look" on the loop, asked by "look" and "cache" (stages/cache.cpp), told by the Context what was
//             answered. Other routes have none: for them all of this costs one test of a pointer.
// Guarantee   A hit is the miss byte by byte but for Age and what names the request. Every hit leaves decisions of its own, durable
//             before it is sent. An answer is kept only when its decisions are durable and nothing that it was made of was
//             invalidated since the request came; a failure is told to who waits at that moment and never kept.
// Memory      The key's text and, until it is kept, the answer's body (shared with the answer under way).
// Threads     As the Context, one at a time; leave() and whatever waits: the loop.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "audit/decision.h"
#include "base/result.h"
#include "http/message.h"
#include "observe/metrics.h"
#include "pipeline/cache/flights.h"
#include "pipeline/cache/rules/cache_status.h"
#include "pipeline/cache/rules/facts.h"
#include "pipeline/cache/rules/reuse.h"
#include "pipeline/cache/second_level.h"
#include "pipeline/cache/store.h"
#include "pipeline/loop_parts.h"
#include "pipeline/route.h"
#include "pipeline/settings.h"

namespace tidegate::pipeline {

/// What is the same for all requests of a route. The counters are of one process.
struct RecallPlan {
    cache::ResponseStore& store;
    cache::Flights& flights;
    const Clock& clock;
    std::string operation;
    bool reads = false;  // GET: a client may keep the answer and ask whether it still holds.
    std::uint32_t lifetime_s = 0;
    unsigned decimals = 0;
    bool shared = false;
    cache::rules::RoutePolicy policy;
    std::string key_lines;                                  // Of the key: what changes every answer of the route.
    std::function<std::string(const Context&)> version_of;  // KeptAnswer::version_of
    cache::CommonPtr common;                                // Their tags.
    observe::Counter hits, coalesced, misses, bypassed;
};

/// kInvalidArgument names an element of `answers` that means no route whose answers may be kept, and the nearest that is one.
Result<void> check_answers(const std::vector<AnswerOptions>& answers, const std::vector<Route>& routes);
/// Null: answers of this route are not kept. `build`: of the program; another one's answers are not this one's.
std::unique_ptr<RecallPlan> plan_recall(const Route& route, const std::vector<AnswerOptions>& answers,
                                        cache::ResponseStore* store, cache::Flights* flights, const Clock& clock,
                                        std::string_view build);

class Recall : public std::enable_shared_from_this<Recall> {
  public:
    enum class Place : std::uint8_t {
        kNew,    // Not asked yet.
        kFound,  // The answer is here and left to be packed on a pool's thread.
        kOwn,    // The handler's turn.
    };

    /// On the loop.
    Recall(RecallPlan& plan, LoopParts& loop);

    Place place() const noexcept { return place_; }
    RecallPlan& plan() const noexcept { return plan_; }
    const cache::Key& key() const noexcept { return *key_; }

    /// Of the loop; outlives it.
    runtime::Mailbox& mailbox() const noexcept { return *mailbox_; }

    /// Looks in the store: kFresh (the answer is found()), kFetch, or kGatewayTimeout.
    cache::rules::Use look_up(const Context& context);
    /// Whether the cache was asked at all.
    bool looked() const noexcept { return looked_; }
    /// Whether others may wait for the answer, and this one for theirs.
    bool may_lead() const noexcept { return leads_; }
    /// Fresh enough for this request.
    bool fits(const cache::Entry& entry) const;

    void find(cache::EntryPtr entry, bool coalesced) noexcept {
        found_ = std::move(entry);
        coalesced_ = coalesced;
        place_ = Place::kFound;
    }
    const cache::EntryPtr& found() const noexcept { return found_; }
    std::size_t found_bytes() const noexcept { return found_->body().size(); }
    /// Answers with what was found. False, and it is the handler's turn: what was kept cannot be read.
    bool give(Context& context);

    void wait(cache::Flights::Waiter waiter) noexcept { waiter_ = std::move(waiter); }
    /// The client has left, or what was waited for has come.
    void leave() noexcept { waiter_ = {}; }
    void lead(cache::Flights::Leader leader) noexcept { leader_ = std::move(leader); }
    void hold_lease() noexcept { leased_ = true; }
    bool others_wait() const { return leader_ && leader_.others_wait(); }
    /// An answer made in another process is good for who waits here, too.
    void pass_on(const cache::EntryPtr& entry);
    /// It is the handler's turn.
    void begin() noexcept;

    /// The handler's answer, status 200 and whole: answers with it, and keeps it when its decisions are durable.
    void reply(Context& context, std::vector<audit::Decision> decisions, http::Response response);
    /// The answer is durable and about to be sent.
    void keep();
    /// No answer will come of it.
    void fail(const Error& error);
    /// What was answered is for this caller alone.
    void let_go(bool remember = false);

  private:
    struct Kept {
        std::string head;
        std::shared_ptr<const std::string> body;
    };
    void store(Kept kept, cache::Flights::Leader leader) const;
    void drop_lease();
    std::string key_text(const Context& context);
    bool may_keep(const std::vector<audit::Decision>& decisions) const;
    void dress(Context& context, http::Response& response, cache::rules::XCache word,
               const cache::rules::CacheStatus& status) const;

    RecallPlan& plan_;
    LoopParts& loop_;  // On the loop only.
    const std::shared_ptr<runtime::Mailbox> mailbox_;
    const cache::SharedTicket ticket_;
    Place place_ = Place::kNew;
    bool leads_ = true;
    bool keeps_ = true;
    bool looked_ = true;
    bool coalesced_ = false;
    bool leased_ = false;
    cache::rules::Forward forward_ = cache::rules::Forward::kUriMiss;
    cache::rules::RequestFacts facts_;
    std::optional<cache::Key> key_;
    std::string target_;
    std::string version_;  // By the plan's version_of.
    cache::EntryPtr found_;
    cache::Flights::Leader leader_;
    cache::Flights::Waiter waiter_;
    std::optional<Kept> kept_;
};

}  // namespace tidegate::pipeline
