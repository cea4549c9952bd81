#include "pipeline/recall.h"

#include <algorithm>
#include <array>
#include <utility>

#include "base/assert.h"
#include "base/canonical_json.h"
#include "base/hash.h"
#include "pipeline/cache/rules/conditional.h"
#include "pipeline/dispatcher.h"
#include "pipeline/kept_decisions.h"
#include "pipeline/problem.h"
#include "pipeline/target_text.h"

namespace tidegate::pipeline {
namespace {

namespace rules = cache::rules;

/// In a kept head, never sent.
constexpr std::string_view kDecisionsLine = "Tidegate-Decisions";

rules::Times times_of(const cache::Entry& entry) {
    const cache::Timing timing = entry.timing();
    return {.response_ms = timing.response_ms,
            .date_ms = timing.date_ms,
            .initial_age_s = timing.initial_age_s,
            .lifetime_s = timing.lifetime_s,
            .stale_while_revalidate_s = timing.stale_while_revalidate_s,
            .stale_if_error_s = timing.stale_if_error_s};
}

void append_line(std::string& head, std::string_view name, std::string_view value) {
    head.append(name).append(": ").append(value).append("\r\n");
}

/// A larger body that is passed on unread is not hashed on the loop for the sake of a hit.
constexpr std::size_t kRawBytesMax = std::size_t{256} * 1024;
/// What says how a raw body is to be read, and how the answer is to be written.
constexpr std::array kRawFields{std::string_view("Content-Type"), std::string_view("Inference-Header-Content-Length"),
                                std::string_view("Accept")};

}  // namespace

Recall::Recall(RecallPlan& plan, LoopParts& loop)
    : plan_(plan),
      loop_(loop),
      mailbox_(loop.loop.mailbox()),
      ticket_(loop.second_level ? loop.second_level->begin_fill()
                                : cache::SharedTicket{.ticket = plan.store.begin_fill()}) {}

std::string Recall::key_text(const Context& context) {
    const Route& route = context.route_->route;
    target_ = target_text(context.head().path, context.query_values_);
    std::string text(http::to_string(route.method));
    text.append(" own:").append(target_).append(plan_.key_lines);
    if (plan_.shared) {
        text += "\nshared";
    } else {
        text += "\ntenant ";
        if (context.caller_) append_percent(text, context.caller_->tenant);
    }
    if (plan_.version_of) {
        text += "\nby ";
        append_percent(text, version_);
    }
    if (route.request) {
        text += "\nbody ";
        json::append_canonical(text, context.body(), plan_.decimals);
    } else if (route.raw_body) {
        const Sha256 digest = sha256(context.raw_body());
        text += "\nraw " + to_hex(digest.data(), digest.size());
        for (const std::string_view field : kRawFields) {
            text += '\n';
            append_percent(text, context.head().headers.get(field).value_or(""));
        }
    }
    return text;
}

bool Recall::may_keep(const std::vector<audit::Decision>& decisions) const {
    if (!keeps_) return false;
    return std::ranges::all_of(decisions, [&](const audit::Decision& one) {
        return one.status == audit::Status::kSuccess && (!plan_.version_of || one.model_version == version_);
    });
}

rules::Use Recall::look_up(const Context& context) {
    // What asks with a body is kept as the answer to a GET is: the key holds the body. Nothing here is given in parts.
    facts_ = rules::read_request(http::Method::kGet, context.head().headers, false);
    facts_.range = false;
    if (plan_.version_of) version_ = plan_.version_of(context);
    const bool known = !plan_.version_of || !version_.empty();
    const bool readable = !context.route_->route.raw_body || context.raw_body().size() <= kRawBytesMax;
    key_.emplace(known && readable ? key_text(context) : std::string());
    keeps_ = !facts_.directives.no_store;
    leads_ = rules::may_lead(facts_);
    if (!known || !readable || rules::way_of(facts_, plan_.policy) == rules::Way::kPass) {
        forward_ = rules::Forward::kBypass;
        looked_ = leads_ = keeps_ = false;
        return rules::Use::kFetch;
    }
    const UnixMillis now = plan_.clock.unix_ms();
    cache::Found found = plan_.store.lookup(*key_, now);
    if (!found.entry) return rules::nothing_stored(facts_, plan_.policy).use;
    const rules::ReuseDecision how =
        rules::reuse(facts_, times_of(*found.entry), found.entry->flags(), plan_.policy, now);
    if (how.use == rules::Use::kGatewayTimeout) return how.use;
    if (how.use == rules::Use::kFresh) {
        found_ = std::move(found.entry);
        return how.use;
    }
    forward_ = how.cause == rules::Cause::kRequest ? rules::Forward::kRequest : rules::Forward::kStale;
    return rules::Use::kFetch;
}

bool Recall::fits(const cache::Entry& entry) const {
    const UnixMillis now = plan_.clock.unix_ms();
    return rules::reuse(facts_, times_of(entry), entry.flags(), plan_.policy, now).use == rules::Use::kFresh;
}

void Recall::begin() noexcept {
    place_ = Place::kOwn;
    (looked_ ? plan_.misses : plan_.bypassed).add();
}

// ---- Giving what is kept.

bool Recall::give(Context& context) {
    auto decisions = unpack_decisions(found_->field(kDecisionsLine));
    if (!decisions) {
        found_ = {};
        return false;
    }
    (coalesced_ ? plan_.coalesced : plan_.hits).add();
    bool first = true;
    for (audit::Decision& kept : *decisions) {
        audit::Decision now = context.blank_decision();
        kept.id = now.id;
        kept.request_id = std::move(now.request_id);
        kept.actor = std::move(now.actor);
        kept.tenant = std::move(now.tenant);
        kept.trace_id = now.trace_id;
        kept.cache = audit::CacheState::kHit;
        // Several decisions of one answer have one price, and the first carries it.
        if (std::exchange(first, false)) kept.spend_points = context.price(kept.status, kept.cache);
    }
    const UnixMillis now = plan_.clock.unix_ms();
    http::Response response;
    response.headers = found_->headers();
    response.headers.remove(kDecisionsLine);
    response.shared_body = found_->shared_body();
    rules::CacheStatus status;
    status.hit = !coalesced_;
    status.collapsed = coalesced_;
    if (coalesced_) status.forward = forward_;
    status.has_ttl = true;
    status.ttl_s = rules::ttl_s(times_of(*found_), now);
    response.headers.add("Age", std::to_string(found_->age_s(now)));
    dress(context, response, coalesced_ ? rules::XCache::kCoalesced : rules::XCache::kHit, status);
    found_ = {};
    if (decisions->empty()) {
        context.finish(std::move(response));
    } else {
        context.send_recorded(*std::move(decisions), std::move(response));
    }
    return true;
}

/// Tag, conditions and coding by what this client sent; the words about the cache.
void Recall::dress(Context& context, http::Response& response, rules::XCache word,
                   const rules::CacheStatus& status) const {
    const http::Coding coding = context.choose_coding(response);
    // A tenant's answers are not for a cache between us and the tenant.
    const char* const control = plan_.shared ? "no-cache" : "private, no-cache";
    response.headers.set("Cache-Control", plan_.reads ? control : "no-store");
    rules::add_cache_status(status, response.headers);
    response.headers.add("X-Cache", rules::to_string(word));
    std::string etag(response.headers.get("ETag").value_or(""));
    if (coding != http::Coding::kIdentity) {
        etag.insert(etag.size() - 1, "-" + std::string(http::to_string(coding)));
        response.headers.set("ETag", etag);
    }
    const auto asked = context.head().headers.get("If-None-Match");
    if (plan_.reads && asked && rules::list_names(*asked, etag)) {
        response.status = 304;
        response.headers.remove("Content-Type");
        response.body.clear();
        response.shared_body.reset();
        return;
    }
    Context::compress(response, coding);
}

// ---- The handler's answer.

void Recall::reply(Context& context, std::vector<audit::Decision> decisions, http::Response response) {
    if (!response.shared_body) response.shared_body = std::make_shared<const std::string>(std::move(response.body));
    response.body.clear();
    const Sha256 digest = sha256(*response.shared_body);
    response.headers.set("ETag", "\"" + to_hex(digest.data(), 8) + "\"");
    const bool fits = response.shared_body->size() <= plan_.store.options().object_bytes_max;
    if (may_keep(decisions)) {
        Kept& kept = kept_.emplace();
        for (const auto& [name, value] : response.headers.fields()) append_line(kept.head, name, value);
        if (!decisions.empty()) append_line(kept.head, kDecisionsLine, pack_decisions(decisions));
        kept.body = response.shared_body;
    }
    for (audit::Decision& decision : decisions) {
        decision.cache = looked_ ? audit::CacheState::kMiss : audit::CacheState::kBypass;
    }
    rules::CacheStatus status;
    status.forward = forward_;
    status.stored = kept_.has_value() && fits;
    dress(context, response, looked_ ? rules::XCache::kMiss : rules::XCache::kBypass, status);
    context.end_stage("render");
    if (!decisions.empty()) return context.send_recorded(std::move(decisions), std::move(response));
    keep();
    context.finish(std::move(response));
}

void Recall::keep() {
    if (!kept_) return;
    // Before the answer, by the same way: who has read it and asks again finds it kept.
    mailbox_->post([self = shared_from_this(), kept = *std::exchange(kept_, std::nullopt), leader = std::move(leader_),
                    leased = std::exchange(leased_, false)]() mutable {
        self->store(std::move(kept), std::move(leader));
        if (leased && self->loop_.second_level) self->loop_.second_level->release(*self->key_);
    });
}

void Recall::store(Kept kept, cache::Flights::Leader leader) const {
    const UnixMillis now = plan_.clock.unix_ms();
    const std::uint64_t tag = cache::tag_hash("target:" + target_);
    const cache::Draft draft{.status = 200,
                             .flags = cache::kMustRevalidate | cache::kOwnLifetime,
                             .timing = {.response_ms = now, .lifetime_s = plan_.lifetime_s},
                             .head = kept.head,
                             .common = plan_.common,
                             .tags = std::span(&tag, 1),
                             .body = std::move(kept.body)};
    cache::EntryPtr made;
    const cache::Stored stored = plan_.store.insert(*key_, draft, ticket_.ticket, now, &made);
    if (stored != cache::Stored::kStored) {
        // Who waits may have asked after what the answer was made of had changed.
        if (leader) leader.uncacheable(stored == cache::Stored::kTooLarge, plan_.clock.now());
        return;
    }
    if (leader) leader.kept(made);
    if (loop_.second_level) loop_.second_level->keep(*key_, made, ticket_);
}

void Recall::pass_on(const cache::EntryPtr& entry) {
    if (leader_) std::exchange(leader_, {}).kept(entry);
}

void Recall::fail(const Error& error) {
    kept_.reset();
    // A client that has left is nobody else's failure.
    if (error.code == ErrorCode::kCancelled) return let_go();
    if (leader_) {
        std::exchange(leader_, {})
            .failed({.status = status_of(error.code),
                     .error = std::string(to_string(error.code)),
                     .detail = error.message,
                     .upstream_failed = false});
    }
    drop_lease();
}

void Recall::let_go(bool remember) {
    kept_.reset();
    if (leader_) std::exchange(leader_, {}).uncacheable(remember, plan_.clock.now());
    drop_lease();
}

void Recall::drop_lease() {
    if (!std::exchange(leased_, false)) return;
    mailbox_->post([self = shared_from_this()] {
        if (self->loop_.second_level) self->loop_.second_level->release(*self->key_);
    });
}

}  // namespace tidegate::pipeline
