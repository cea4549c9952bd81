#include "services/proxy/fill.h"

#include <algorithm>

#include "pipeline/cache/rules/conditional.h"
#include "pipeline/cache/rules/invalidation.h"
#include "pipeline/cache/rules/reuse.h"
#include "pipeline/cache/rules/validation.h"
#include "pipeline/cache/rules/vary.h"
#include "services/proxy/batch_item.h"
#include "services/proxy/loop.h"

namespace tidegate::proxy {
namespace {

namespace rules = cache::rules;

std::string head_lines(const http::Headers& fields) {
    std::string lines;
    for (const auto& [name, value] : fields.fields()) lines.append(name).append(": ").append(value).append("\r\n");
    return lines;
}

cache::Timing timing_of(const rules::Times& times) {
    return {.response_ms = times.response_ms,
            .date_ms = times.date_ms,
            .initial_age_s = times.initial_age_s,
            .lifetime_s = times.lifetime_s,
            .stale_while_revalidate_s = times.stale_while_revalidate_s,
            .stale_if_error_s = times.stale_if_error_s};
}

rules::Candidate candidate_of(const std::string& etag, const cache::Entry& entry) {
    return {.etag = etag, .last_modified = entry.field("Last-Modified"), .response_ms = entry.timing().response_ms};
}

rules::Fault fault_of(const FetchFailure& failure) {
    return failure.status == 504 ? rules::Fault::kTimeout : rules::Fault::kUnreachable;
}

}  // namespace

Fill::Fill(ProxyLoop& loop, ProxyRoutePtr route, FillQuestion question, cache::EntryPtr stored,
           cache::Flights::Leader leader, FillClient* client)
    : loop_(loop),
      route_(std::move(route)),
      question_(std::move(question)),
      stored_(std::move(stored)),
      client_(client),
      leader_(std::move(leader)),
      ticket_(loop.begin_fill()) {}

Fill::~Fill() {
    if (!ended_) loop_.remove(*this);
}

void Fill::start(FetchRequest request) {
    loop_.add(*this);
    request_ = std::move(request);
    if (!ask_others()) ask_upstream();
}

// ---- Other processes.

bool Fill::ask_others() {
    cache::SecondLevel* level = loop_.second_level();
    return question_.ask_others && level != nullptr &&
           level->fetch(question_.key, {},
                        [fill = shared_from_this()](const cache::EntryPtr& entry) { fill->brought(entry); });
}

void Fill::brought(const cache::EntryPtr& entry) {
    if (ended_ || use_brought(entry)) return;
    // Only who is waited for leads for all. Variants share a key: theirs would wait for one another in vain.
    const bool leads = leader_ && question_.flight_vary.empty() && (!stored_ || stored_->vary().empty());
    cache::SecondLevel* level = loop_.second_level();
    if (leads &&
        level->lease(question_.key, lease_max(), [fill = shared_from_this()](bool mine) { fill->leased(mine); })) {
        return;
    }
    ask_upstream();
}

void Fill::leased(bool mine) {
    cache::SecondLevel* level = loop_.second_level();
    has_lease_ = mine;
    if (ended_) return close();
    const auto heard = [fill = shared_from_this()](const cache::EntryPtr& entry) {
        if (!fill->ended_ && !fill->use_brought(entry)) fill->ask_upstream();
    };
    if (mine || !level->await(question_.key, lease_max(), {}, heard)) ask_upstream();
}

/// So long, and never so long that no time is left to fetch.
Duration Fill::lease_max() const {
    const Duration left = request_.deadline - loop_.fetch_loop.loop.now();
    return std::max(std::min(loop_.lease_max, left / 2), Duration(std::chrono::milliseconds(1)));
}

bool Fill::use_brought(const cache::EntryPtr& entry) {
    if (!entry || !rules::variant_fits({.names = entry->vary(),
                                        .selecting = entry->selecting(),
                                        .content_language = entry->field("Content-Language")},
                                       question_.client_fields, route_->policy)) {
        return false;
    }
    const UnixMillis now = loop_.clock.unix_ms();
    const auto decision = rules::reuse(question_.facts, times_of(*entry), entry->flags(), route_->policy, now);
    if (decision.use != rules::Use::kFresh) {
        // Good to be validated, or to stand in for a failure.
        if (!stored_ || stored_->fresh_until() < entry->fresh_until()) stored_ = entry;
        return false;
    }
    Provenance how;
    how.word = rules::XCache::kHit;
    how.state = audit::CacheState::kHit;
    how.status.hit = true;
    how.status.has_ttl = true;
    how.status.ttl_s = decision.ttl_s;
    how.status.detail = "shared";
    land_kept(entry);
    if (FillClient* client = std::exchange(client_, nullptr)) client->on_entry(entry, std::move(how));
    close();
    return true;
}

// ---- The upstream.

void Fill::ask_upstream() {
    self_ = shared_from_this();
    asked_ms_ = loop_.clock.unix_ms();
    FetchRequest request = std::move(request_);
    const std::string etag = stored_ ? stored_->etag() : std::string();
    if (stored_ && rules::has_validator(etag, stored_->field("Last-Modified"))) {
        validating_ = true;
        again_ = request;
        const rules::Candidate candidate = candidate_of(etag, *stored_);
        rules::add_validators(std::span(&candidate, 1), 0, request.call.headers);
    }
    fetch_ = make_source(loop_.fetch_loop, *route_, std::move(request), *this);
    fetch_->start();
}

const std::string& Fill::target() const noexcept {
    static const std::string kNone;
    return fetch_ ? fetch_->target() : kNone;
}

void Fill::leave() {
    client_ = nullptr;
    // An answer on its way that is being kept, or that others wait for, is worth its end.
    if (collecting_ || (leader_ && leader_.others_wait())) return;
    // Whoever has come between, on another loop, goes alone: that this client left is no failure of theirs.
    land_uncacheable(false);
    abandon();
}

void Fill::abandon() {
    const auto self = shared_from_this();
    client_ = nullptr;
    if (fetch_) fetch_->cancel();
    land_failed({.status = 503, .error = "abandoned", .detail = "Whoever asked first has left."});
    close();
}

void Fill::resume() {
    if (fetch_) fetch_->resume();
}

void Fill::on_interim(int status, const http::Headers& headers) {
    if (client_ != nullptr) client_->on_interim(status, headers);
}

void Fill::on_answer(http::ResponseHead head) {
    if (validating_ && head.status == 304) {
        if (confirmed(head)) return;
        // It confirms nothing we have: the whole answer, without conditions.
        validating_ = false;
        const auto former = std::exchange(fetch_, nullptr);
        former->cancel();
        fetch_ = make_source(loop_.fetch_loop, *route_, std::move(again_), *this);
        fetch_->start();
        return;
    }
    if (rules::is_server_error(head.status) && stand_in(rules::Fault::kServerError)) return;
    if (stored_ && question_.facts.method == http::Method::kHead) heed_head(head);
    decide(head);
    if (client_ != nullptr) return client_->on_answer(std::move(head));
    // For nobody and not to be kept: it may be a stream without end.
    if (!collecting_) abandon();
}

/// New head and times, old body (RFC 9111, 3.2). Kept where the news do not forbid it.
Fill::Renewed Fill::renew(const http::ResponseHead& news) {
    // What is renewed is the stored answer to a GET, whoever asked.
    rules::RequestFacts facts = question_.facts;
    facts.method = http::Method::kGet;
    const rules::Exchange exchange{
        .request = facts, .target = question_.target, .request_ms = asked_ms_, .response_ms = loop_.clock.unix_ms()};
    const http::Headers stated = rules::updated_by_304(stored_->headers(), news.headers, route_->policy);
    const rules::StoreDecision decision =
        rules::storable(exchange, {.status = stored_->status(), .headers = stated}, route_->policy);
    const http::Headers fields =
        rules::updated_by_304(stored_->headers(), route_->answer_fields(news.headers), route_->policy);
    const std::string lines = head_lines(rules::stored_fields(fields, decision));
    const cache::Draft draft{.status = stored_->status(),
                             .flags = decision.flags,
                             .timing = timing_of(decision.times),
                             .head = lines,
                             .vary = stored_->vary(),
                             .selecting = stored_->selecting(),
                             .tags = stored_->own_tags()};
    Renewed renewed;
    // What chose among the stored answers does not any more: who else they are for cannot be told.
    const bool other_vary = news.headers.get("Vary") && rules::read_vary(news.headers).names != stored_->vary();
    if (decision.store() && !other_vary) {
        renewed.kept = loop_.store.refresh(question_.key, draft, *stored_, ticket_.ticket, loop_.clock.unix_ms(),
                                           &renewed.entry) == cache::Stored::kStored;
        if (cache::SecondLevel* level = loop_.second_level(); renewed.kept && level != nullptr) {
            level->keep(question_.key, renewed.entry, ticket_);
        }
    } else if (other_vary || decision.refusal == rules::Refusal::kNoStore ||
               decision.refusal == rules::Refusal::kPrivate) {
        // The origin takes its word back. What only this request forbids leaves the stored answer as it was.
        loop_.invalidator.invalidate_key(question_.key, loop_.second_level());
    }
    if (!renewed.entry) renewed.entry = cache::Entry::refreshed(question_.key, draft, *stored_);
    return renewed;
}

/// A 304 that names what we have.
bool Fill::confirmed(const http::ResponseHead& head) {
    const std::string etag = stored_->etag();
    const rules::Candidate candidate = candidate_of(etag, *stored_);
    if (!rules::confirmed_by_304(std::span(&candidate, 1), 0, head.headers, route_->policy)) return false;
    const Renewed renewed = renew(head);
    if (fetch_) fetch_->let_go();
    Provenance how;
    how.word = rules::XCache::kRevalidated;
    how.state = audit::CacheState::kHit;
    how.status.forward = rules::Forward::kStale;
    how.status.forward_status = 304;
    how.status.stored = renewed.kept;
    FillClient* client = std::exchange(client_, nullptr);
    renewed.kept ? land_kept(renewed.entry) : land_uncacheable(false);
    if (client != nullptr) client->on_entry(renewed.entry, std::move(how));
    close();
    return true;
}

/// What an answer to HEAD says of the stored answer to GET (RFC 9111, 4.3.5).
void Fill::heed_head(const http::ResponseHead& head) {
    // Without a validator or a length it tells nothing.
    const bool tells = head.headers.get("ETag") || head.headers.get("Last-Modified");
    switch (rules::effect_of_head(head.status, head.headers, stored_->etag(), stored_->field("Last-Modified"),
                                  stored_->body().size())) {
        case rules::HeadEffect::kNone:
            break;
        case rules::HeadEffect::kFreshen:
            if (tells) renew(head);
            break;
        case rules::HeadEffect::kInvalidate:
            loop_.invalidator.invalidate_key(question_.key, loop_.second_level());
            break;
    }
}

/// The stored answer in place of a failure, where that is allowed.
bool Fill::stand_in(rules::Fault fault) {
    if (!stored_) return false;
    const UnixMillis now = loop_.clock.unix_ms();
    if (!rules::may_stand_in(fault, question_.facts, times_of(*stored_), stored_->flags(), route_->policy, now)) {
        return false;
    }
    Provenance how;
    how.word = rules::XCache::kStale;
    how.state = audit::CacheState::kStale;
    how.status.hit = true;
    how.status.has_ttl = true;
    how.status.ttl_s = rules::ttl_s(times_of(*stored_), now);
    how.status.forward = rules::Forward::kStale;
    if (fetch_) fetch_->cancel();
    land_kept(stored_);
    if (FillClient* client = std::exchange(client_, nullptr)) client->on_entry(stored_, std::move(how));
    close();
    return true;
}

void Fill::decide(const http::ResponseHead& head) {
    const rules::Exchange exchange{.request = question_.facts,
                                   .target = question_.target,
                                   .request_ms = asked_ms_,
                                   .response_ms = loop_.clock.unix_ms()};
    decision_ = rules::storable(exchange, {.status = head.status, .headers = head.headers}, route_->policy);
    const bool fits = head.content_length.value_or(0) <= loop_.store.options().object_bytes_max;
    const bool whole = question_.facts.method == http::Method::kGet;
    collecting_ = decision_.store() && fits && whole;
    head_.status = head.status;
    head_.headers = head.headers;
    if (collecting_) {
        body_.reserve(head.content_length.value_or(0));
        const rules::VaryNames vary = rules::read_vary(head.headers);
        if (leader_ && vary.names != question_.flight_vary) {
            std::string selecting;
            rules::selecting_text(vary.names, question_.client_fields, route_->policy, selecting);
            leader_.varies(vary.names, selecting);
        }
    } else {
        // An answer to HEAD says nothing of what a GET will bring.
        land_uncacheable(whole && head.status < 500);
    }
}

bool Fill::on_bytes(std::string_view bytes) {
    if (collecting_) {
        if (body_.size() + bytes.size() > loop_.store.options().object_bytes_max) {
            give_up_keeping();
            if (client_ == nullptr) abandon();
        } else {
            body_.append(bytes);
        }
    }
    const bool more = client_ == nullptr || client_->on_bytes(bytes);
    // What is kept is not held up by one slow client; it reads from its own backlog.
    return more || collecting_;
}

void Fill::give_up_keeping() {
    collecting_ = false;
    body_ = std::string();
    land_uncacheable(true);
}

void Fill::on_done() {
    if (collecting_) keep();
    FillClient* client = std::exchange(client_, nullptr);
    if (client != nullptr) client->on_done();
    close();
}

void Fill::keep() {
    const http::Headers fields = rules::stored_fields(route_->answer_fields(head_.headers), decision_);
    const std::string lines = head_lines(fields);
    const rules::VaryNames vary = rules::read_vary(head_.headers);
    std::string selecting;
    if (!vary.names.empty()) rules::selecting_text(vary.names, question_.client_fields, route_->policy, selecting);
    std::vector<std::uint64_t> tags = route_->tags;
    tags.push_back(cache::tag_hash("target:" + question_.target));
    for (const std::string& group : rules::read_groups(head_.headers))
        tags.push_back(cache::tag_hash("group:" + group));
    cache::Draft draft{.status = head_.status,
                       .flags = decision_.flags,
                       .timing = timing_of(decision_.times),
                       .head = lines,
                       .vary = vary.names,
                       .selecting = selecting,
                       .tags = tags,
                       .body = std::make_shared<const std::string>(std::move(body_))};
    cache::EntryPtr entry;
    const auto stored = loop_.store.insert(question_.key, draft, ticket_.ticket, loop_.clock.unix_ms(), &entry);
    // What was invalidated meanwhile can be kept the next time.
    if (stored != cache::Stored::kStored) return land_uncacheable(stored == cache::Stored::kTooLarge);
    if (cache::SecondLevel* level = loop_.second_level()) level->keep(question_.key, entry, ticket_);
    land_kept(entry);
}

void Fill::on_failed(const FetchFailure& failure) {
    if (failure.upstream_failed && !collecting_ && stand_in(fault_of(failure))) return;
    collecting_ = false;
    land_failed(failure);
    FillClient* client = std::exchange(client_, nullptr);
    if (client != nullptr) {
        FetchFailure told = failure;
        if (stored_ && failure.upstream_failed) told.status = rules::status_for(fault_of(failure), stored_->flags());
        client->on_failed(told);
    }
    close();
}

void Fill::on_tunnel(http::ResponseHead) {
    on_failed({.status = 502, .error = "upstream_protocol", .detail = "The upstream switched protocols unasked."});
}

void Fill::on_batched(const BatchFacts& facts) {
    if (client_ != nullptr) client_->on_batched(facts);
}

void Fill::land_failed(const FetchFailure& failure) {
    if (!leader_) return;
    std::exchange(leader_, {})
        .failed({.status = failure.status,
                 .error = std::string(failure.error),
                 .detail = failure.detail,
                 .retry_after = failure.retry_after,
                 .upstream_failed = failure.upstream_failed});
}

void Fill::land_uncacheable(bool remember) {
    release_lease();  // Nobody elsewhere waits for the end of what is not for them.
    if (leader_) std::exchange(leader_, {}).uncacheable(remember, loop_.fetch_loop.loop.now());
}

void Fill::land_kept(const cache::EntryPtr& entry) {
    if (leader_) std::exchange(leader_, {}).kept(entry);
}

void Fill::release_lease() {
    if (!std::exchange(has_lease_, false)) return;
    if (cache::SecondLevel* level = loop_.second_level()) level->release(question_.key);
}

void Fill::close() {
    ended_ = true;
    loop_.remove(*this);
    fetch_.reset();
    release_lease();
    // The last hold may be this one: let go when the caller is done.
    if (self_) loop_.later([self = std::exchange(self_, nullptr)] { (void)self; });
}

}  // namespace tidegate::proxy
