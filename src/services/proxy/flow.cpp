#include "services/proxy/flow.h"

#include <algorithm>

#include "base/strings.h"
#include "observe/trace.h"
#include "pipeline/cache/rules/conditional.h"
#include "pipeline/cache/rules/forwarding.h"
#include "pipeline/cache/rules/invalidation.h"
#include "pipeline/cache/rules/reuse.h"
#include "pipeline/cache/rules/validation.h"
#include "pipeline/cache/rules/vary.h"
#include "services/proxy/batch_item.h"
#include "services/proxy/loop.h"
#include "services/proxy/question.h"
#include "services/proxy/tunnel.h"

namespace tidegate::proxy {
namespace {

namespace rules = cache::rules;

}  // namespace

Flow::Flow(pipeline::ContextPtr context, ProxyRoutePtr route, ProxyLoop& loop)
    : context_(std::move(context)), route_(std::move(route)), loop_(loop), answer_(context_, route_) {}

void Flow::start() {
    const http::RequestHead& head = context_->head();
    if (!route_->takes(head.method_text))
        return refuse(405, "method_not_allowed", "This route does not take that method.");
    if (rules::is_loop(head.headers, route_->forward.pseudonym)) {
        return refuse(508, "loop_detected", "The request has come through this gateway before (Via).");
    }
    auto target = route_->upstream_target(head);
    if (!target) return refuse(400, "invalid_argument", target.error().message);
    target_ = *std::move(target);
    facts_ = rules::read_request(head.method, head.headers, head.has_body());
    // A credential that was for us has not shaped the upstream's answer.
    if (context_->credential_is_ours()) facts_.authorization = false;
    // On an open route this one is the upstream's as well (ProxyRoute::create), and no less a credential than Authorization.
    if (route_->options.access == "open" && head.headers.get("X-Api-Key")) facts_.authorization = true;
    for (const std::string& name : route_->options.cache.credential_headers) {
        if (head.headers.get(name)) facts_.authorization = true;
    }
    if (head.wants_upgrade && route_->options.websocket) return fetch_plainly();
    if (look_up()) return;
    key_ ? fetch({}) : fetch_plainly();
}

/// The answer comes from the cache, or a fetch that began from what was found there is under way.
bool Flow::look_up() {
    provenance_.status.forward = rules::Forward::kBypass;
    provenance_.word = rules::XCache::kBypass;
    provenance_.state = audit::CacheState::kBypass;
    if (!route_->caches()) return false;
    const bool by_body =
        route_->keys_by_body() && context_->head().method == http::Method::kPost && context_->body_pipe() == nullptr;
    if (by_body) {
        // The key holds the body, so the answer is kept as that of a GET is.
        facts_.method = http::Method::kGet;
        facts_.body = false;
    }
    if (rules::way_of(facts_, route_->policy) == rules::Way::kPass) {
        provenance_.status.forward = rules::is_safe(context_->head().method, context_->head().method_text)
                                         ? rules::Forward::kBypass
                                         : rules::Forward::kMethod;
        return false;
    }
    key_.emplace(make_key());
    const http::Headers& fields = context_->head().headers;
    const auto found = loop_.store.lookup(*key_, context_->clock().unix_ms(), [&](const cache::Entry& variant) {
        return rules::variant_fits({.names = variant.vary(),
                                    .selecting = variant.selecting(),
                                    .content_language = variant.field("Content-Language")},
                                   fields, route_->policy);
    });
    provenance_.word = rules::XCache::kMiss;
    provenance_.state = audit::CacheState::kMiss;
    if (found.entry) return use_stored(found.entry);
    provenance_.status.forward = found.other_variants ? rules::Forward::kVaryMiss : rules::Forward::kUriMiss;
    if (rules::nothing_stored(facts_, route_->policy).use != rules::Use::kGatewayTimeout) return false;
    refuse(504, "not_cached", "The request asked for a kept answer only, and there is none.");
    return true;
}

bool Flow::use_stored(const cache::EntryPtr& entry) {
    const UnixMillis now = context_->clock().unix_ms();
    const rules::ReuseDecision decision = rules::reuse(facts_, times_of(*entry), entry->flags(), route_->policy, now);
    Provenance kept;
    kept.word = rules::XCache::kHit;
    kept.state = audit::CacheState::kHit;
    kept.status.hit = true;
    kept.status.ttl_s = decision.ttl_s;
    kept.status.has_ttl = true;
    switch (decision.use) {
        case rules::Use::kFresh:
            answer_.give(entry, context_->head(), now, kept, decision.age_s);
            return true;
        case rules::Use::kStale:
        case rules::Use::kStaleRevalidate:
            kept.word = rules::XCache::kStale;
            kept.state = audit::CacheState::kStale;
            answer_.give(entry, context_->head(), now, kept, decision.age_s);
            if (decision.use == rules::Use::kStaleRevalidate) refresh(entry);
            return true;
        case rules::Use::kGatewayTimeout:
            refuse(504, "not_cached", "The request asked for a kept answer only, and there is none that may be used.");
            return true;
        case rules::Use::kValidate:
        case rules::Use::kFetch:
            break;
    }
    provenance_.status.forward =
        decision.cause == rules::Cause::kRequest ? rules::Forward::kRequest : rules::Forward::kStale;
    fetch(entry);
    return true;
}

/// The question in the words of the cache; noted, where it may be asked again without its client.
cache::Key Flow::make_key() const {
    const http::RequestHead& head = context_->head();
    Question question{.method = head.method,
                      .method_text = head.method_text,
                      .host = head.headers.get("Host").value_or(route_->authority),
                      .target = target_,
                      .tenant = {},
                      .body = context_->raw_body(),
                      .kind = {}};
    if (head.method == http::Method::kPost) question.kind = body_kind(head.headers);
    if (context_->caller()) question.tenant = context_->caller()->tenant;
    cache::Key key(key_text(*route_, question));
    const bool anybodys = route_->options.cache.shared || !question.tenant || question.tenant->empty();
    // What is asked again says one type and no coding.
    const bool plain = head.method != http::Method::kPost ||
                       (head.headers.count("Content-Type") <= 1 && !head.headers.get("Content-Encoding"));
    const bool nobodys = !facts_.authorization && !facts_.cookie && !facts_.range;
    if (anybodys && plain && nobodys && facts_.method == http::Method::kGet) {
        loop_.hot_keys.note(key, loop_.fetch_loop.loop.now(), [&] {
            return pack_replay({.method = head.method_text,
                                .route = route_->options.name,
                                .host = std::string(question.host),
                                .target = target_,
                                .content_type = std::string(head.headers.get("Content-Type").value_or("")),
                                .body = std::string(question.body)});
        });
    }
    return key;
}

Result<FetchRequest> Flow::make_request(bool for_fill) {
    const http::RequestHead& head = context_->head();
    FetchRequest request;
    rules::ForwardOptions options = route_->forward;
    if (context_->credential_is_ours()) options.drop.push_back("authorization");
    options.keep_upgrade = head.wants_upgrade && route_->options.websocket;
    auto fields = rules::forward_request_headers(head, options);
    if (!fields) return fail(ErrorCode::kInvalidArgument, std::string(fields.error().detail));
    request.call.method = for_fill && head.method == http::Method::kHead ? "HEAD" : head.method_text;
    request.call.target = target_;
    request.call.headers = *std::move(fields);
    if (for_fill) rules::strip_conditions(request.call.headers, false);
    for (const HeaderRule& rule : route_->options.request_headers) {
        request.call.headers.remove(rule.name);
        if (!rule.value.empty()) request.call.headers.add(rule.name, rule.value);
    }
    request.call.headers.set("X-Request-Id", context_->request_id());
    request.call.headers.set("traceparent", observe::format_traceparent(context_->upstream_trace()));
    if (options.keep_upgrade) request.call.upgrade = "websocket";
    request.idempotent = upstream::is_idempotent(head.method_text);
    request.priority = route_->priority;
    request.deadline = context_->exchange()->received_at() + route_->options.deadline;
    request.exchange = context_->exchange();
    if (context_->caller()) request.tenant = context_->caller()->tenant;
    if (context_->body_pipe()) {
        request.call.streamed = true;
        request.call.content_length = head.content_length;
        request.pipe = context_->body_pipe();
    } else {
        request.call.body = context_->raw_body();
    }
    return request;
}

/// Asks the upstream, or waits for somebody who asks the same.
void Flow::fetch(cache::EntryPtr stored) {
    stored_ = std::move(stored);
    hold();
    // Whose answer may be nobody else's waits for nobody, and nobody for it.
    const bool shares = rules::may_lead(facts_) && !facts_.authorization && !facts_.cookie;
    if (shares) return join(*key_);
    begin_fill({}, !loop_.flights.marked(*key_, loop_.fetch_loop.loop.now()));
}

void Flow::join(const cache::Key& key) {
    auto& loop = loop_.fetch_loop.loop;
    const SteadyTime deadline = context_->exchange()->received_at() + route_->options.deadline;
    auto joined = loop_.flights.join(key, loop.now(), deadline, loop.mailbox(),
                                     [flow = weak_from_this()](const cache::Landing& landing) {
                                         if (const auto alive = flow.lock()) alive->landed(landing);
                                     });
    // For all who wait one asks other processes; who goes alone knows that it is of no use.
    using Role = cache::Flights::Joined::Role;
    if (joined.role != Role::kWaiter) return begin_fill(std::move(joined.leader), joined.role == Role::kLeader);
    provenance_.status.collapsed = true;
    waiter_ = std::move(joined.waiter);
}

void Flow::landed(const cache::Landing& landing) {
    using Outcome = cache::Landing::Outcome;
    const auto self = shared_from_this();
    waiter_ = {};
    const http::Headers& fields = context_->head().headers;
    switch (landing.outcome) {
        case Outcome::kKept:
            if (rules::variant_fits({.names = landing.entry->vary(),
                                     .selecting = landing.entry->selecting(),
                                     .content_language = landing.entry->field("Content-Language")},
                                    fields, route_->policy)) {
                Provenance shared = provenance_;
                shared.word = rules::XCache::kCoalesced;
                shared.state = audit::CacheState::kHit;
                return on_entry(landing.entry, std::move(shared));
            }
            return begin_fill({}, false);
        case Outcome::kVaries: {
            std::string selecting;
            rules::selecting_text(landing.vary, fields, route_->policy, selecting);
            flight_vary_ = landing.vary;
            return join(cache::variant_key(*key_, landing.vary, selecting));
        }
        case Outcome::kUncacheable:
            return begin_fill({}, false);
        case Outcome::kFailed:
            return on_failed({.status = landing.failure->status,
                              .error = landing.failure->error,
                              .detail = landing.failure->detail,
                              .retry_after = landing.failure->retry_after,
                              .upstream_failed = landing.failure->upstream_failed});
        case Outcome::kOverdue:
            return on_failed({.status = 504,
                              .error = "upstream_timeout",
                              .detail = "The answer that others asked for too did not come in time.",
                              .retry_after = {}});
    }
}

void Flow::begin_fill(cache::Flights::Leader leader, bool ask_others) {
    auto request = make_request(true);
    if (!request)
        return on_failed({.status = 400,
                          .error = "invalid_argument",
                          .detail = request.error().message,
                          .retry_after = {},
                          .upstream_failed = false});
    fill_ = std::make_shared<Fill>(loop_, route_, question(ask_others), stored_, std::move(leader), this);
    // The client may hear of a failure before start() returns, and let go of the fill.
    const auto fill = fill_;
    fill->start(*std::move(request));
}

/// Alive until the end, and told when the client leaves.
void Flow::hold() {
    self_ = shared_from_this();
    context_->exchange()->on_gone([flow = weak_from_this()] {
        if (const auto alive = flow.lock()) alive->client_left();
    });
}

FillQuestion Flow::question(bool ask_others) const {
    return {.key = *key_,
            .target = target_,
            .facts = facts_,
            .client_fields = context_->head().headers,
            .flight_vary = flight_vary_,
            .ask_others = ask_others};
}

/// Once, in the background: whoever comes meanwhile gets the stale answer as well.
void Flow::refresh(const cache::EntryPtr& stored) {
    auto leader = loop_.flights.lead(*key_, loop_.fetch_loop.loop.now());
    if (!leader) return;
    auto request = make_request(true);
    if (!request) return;
    // Nobody's body and nobody's deadline.
    request->deadline = loop_.fetch_loop.loop.now() + route_->options.deadline;
    std::make_shared<Fill>(loop_, route_, question(true), stored, std::move(leader), nullptr)
        ->start(*std::move(request));
}

void Flow::fetch_plainly() {
    auto request = make_request(false);
    if (!request) return refuse(400, "invalid_argument", request.error().message);
    hold();
    fetch_ = make_source(loop_.fetch_loop, *route_, *std::move(request), *this);
    fetch_->start();
}

void Flow::on_interim(int status, const http::Headers& headers) {
    context_->exchange()->send_interim(status, headers);
}

void Flow::on_answer(http::ResponseHead head) {
    context_->end_stage("upstream");
    if (fetch_) provenance_.target = fetch_->target();
    if (fill_) {
        provenance_.target = fill_->target();
        provenance_.status.stored = fill_->keeps();
        if (!fill_->keeps()) provenance_.status.detail = rules::to_string(fill_->refusal());
    }
    // A POST that is kept by its body asks, it does not change.
    if (!key_ && !rules::is_safe(context_->head().method, context_->head().method_text)) invalidate(head);
    provenance_.status.forward_status = head.status;
    http::Headers fields = route_->answer_fields(head.headers);
    if (client_has(head)) {
        without_body_ = true;
        return answer_.begin(304, rules::not_modified_fields(fields), {}, false, provenance_);
    }
    answer_.begin(head.status, std::move(fields), head.content_length, head.has_body, provenance_);
}

/// A fill asks without the client's conditions, so that the answer is whole; whether the client has it already is for us to say.
bool Flow::client_has(const http::ResponseHead& head) const {
    if (!fill_ || !facts_.conditional || head.status != 200) return false;
    const http::RequestHead& asked = context_->head();
    const UnixMillis now = context_->clock().unix_ms();
    const rules::Representation whole{.status = head.status,
                                      .etag = head.headers.get("ETag").value_or(""),
                                      .last_modified = head.headers.get("Last-Modified").value_or(""),
                                      .date_ms = now,
                                      .body_bytes = head.content_length.value_or(0)};
    return rules::answer_for(asked.method, asked.headers, whole, now).kind == rules::Answer::Kind::kNotModified;
}

bool Flow::on_bytes(std::string_view bytes) {
    if (tunnel_) return tunnel_->write(bytes);
    if (without_body_) return true;
    return answer_.write(bytes, [flow = weak_from_this()] {
        const auto alive = flow.lock();
        if (!alive) return;
        if (alive->fetch_) alive->fetch_->resume();
        if (alive->fill_) alive->fill_->resume();
    });
}

void Flow::on_done() {
    const auto self = shared_from_this();
    tunnel_ ? tunnel_->finish() : answer_.end();
    finish();
}

void Flow::on_failed(const FetchFailure& failure) {
    const auto self = shared_from_this();
    if (tunnel_) {
        tunnel_->cut();
    } else if (answer_.begun()) {
        answer_.break_off(failure.detail);
    } else {
        answer_.refuse(failure.status, failure.error, failure.detail, failure.retry_after, failure.upstream_failed);
    }
    finish();
}

void Flow::on_entry(const cache::EntryPtr& entry, Provenance provenance) {
    const auto self = shared_from_this();
    const UnixMillis now = context_->clock().unix_ms();
    answer_.give(entry, context_->head(), now, std::move(provenance), entry->age_s(now));
    finish();
}

void Flow::on_tunnel(http::ResponseHead head) {
    http::Response response;
    response.status = 101;
    response.headers = rules::forward_response_headers(head.headers, route_->forward.pseudonym, {});
    if (const auto protocol = context_->head().headers.get("Upgrade")) response.headers.set("Upgrade", *protocol);
    tunnel_ = context_->start_tunnel(std::move(response), std::make_shared<ClientEnd>(fetch_));
}

void Flow::on_tunnel_room() {
    if (tunnel_) tunnel_->resume();
}

void Flow::on_batched(const BatchFacts& facts) {
    context_->end_stage("batch", facts.cut_at);
    answer_.tag("batch", facts.id);
    answer_.tag("batch_requests", std::to_string(facts.requests));
}

/// An answer to a method that changes things makes kept answers of its target unusable (RFC 9111, 4.4).
void Flow::invalidate(const http::ResponseHead& head) {
    const http::RequestHead& asked = context_->head();
    const std::string_view host = asked.headers.get("Host").value_or("");
    const std::array<rules::OriginName, 2> origins{
        rules::OriginName{asked.tls ? "https" : "http", host},
        rules::OriginName{route_->upstream->pool.target(0).origin.tls ? "https" : "http", route_->authority}};
    const rules::Invalidation what =
        rules::invalidated_by(asked.method, asked.method_text, head.status, head.headers, target_, origins);
    if (what.target) loop_.invalidate_target(target_);
    for (const std::string& target : what.others) loop_.invalidate_target(target);
    for (const std::string& group : what.groups) loop_.invalidate_group(group);
}

void Flow::client_left() {
    const auto self = shared_from_this();
    if (!context_->exchange() || !context_->exchange()->unreachable()) return;
    if (fetch_) fetch_->cancel();
    if (fill_) fill_->leave();
    waiter_ = {};
    finish();
}

void Flow::refuse(int status, std::string_view error, std::string_view detail) {
    answer_.refuse(status, error, detail, {}, false);
}

void Flow::finish() {
    fetch_.reset();
    fill_.reset();
    self_.reset();
}

}  // namespace tidegate::proxy
