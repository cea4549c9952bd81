#include "pipeline/spend/policy.h"

#include <fmt/core.h>

#include <algorithm>

namespace tidegate::pipeline::spend {
namespace {

// A place in the table is free again as soon as one of eight requests has ended.
constexpr int kFullRetryS = 1;
// Held by open requests, not spent: they take as long as a request takes.
constexpr int kOpenRetryS = 1;

std::string_view name_of(Cap cap) noexcept {
    switch (cap) {
        case Cap::kKey:
            return "key";
        case Cap::kAddress:
            return "address";
        case Cap::kTenant:
            return "tenant";
    }
    return "";
}

void append_points(JsonWriter& writer, std::string_view name, const std::optional<Points>& points) {
    writer.key(name);
    if (points) {
        writer.raw(to_string(*points));
    } else {
        writer.null();
    }
}

void append_balance(JsonWriter& writer, const Balance& balance) {
    writer.begin_object();
    append_points(writer, "spent", balance.spent);
    append_points(writer, "reserved", balance.reserved);
    append_points(writer, "cap", balance.cap.is_zero() ? std::nullopt : std::optional(balance.cap));
    append_points(writer, "remaining", balance.remaining());
    writer.end_object();
}

}  // namespace

SpendPolicy::SpendPolicy(const SpendSettings& settings)
    : key_cap_(parse_points(settings.key_daily_cap).value_or(Points{})),
      address_cap_(parse_points(settings.address_daily_cap).value_or(Points{})),
      tenant_cap_(parse_points(settings.tenant_daily_cap).value_or(Points{})),
      charge_failures_(settings.charge_failures),
      charge_cache_hits_(settings.charge_cache_hits) {}

Payer SpendPolicy::payer(const Caller& caller) const noexcept {
    const bool is_address = caller.kind == Caller::Kind::kAnonymous;
    return {.actor = caller.actor_hash,
            .tenant = caller.tenant.empty() ? 0 : caller.tenant_hash,
            .is_address = is_address,
            .actor_cap = caller.daily_cap.value_or(is_address ? address_cap_ : key_cap_),
            .tenant_cap = tenant_cap_};
}

Points SpendPolicy::charge(Points cost, audit::Status status, audit::CacheState cache) const noexcept {
    if (status != audit::Status::kSuccess && !charge_failures_) return {};
    const bool from_cache = cache == audit::CacheState::kHit || cache == audit::CacheState::kStale;
    if (from_cache && !charge_cache_hits_) return {};
    return cost;
}

void add_spend_headers(http::Headers& headers, Points charged, const std::optional<Points>& remaining) {
    headers.set("X-Spend-Cost", to_string(charged));
    if (remaining) headers.set("X-Spend-Remaining", to_string(*remaining));
}

void add_refusal_headers(http::Headers& headers, const Refusal& refusal, Points cost, UnixMillis now) {
    std::int64_t retry_s = kFullRetryS;
    if (refusal.why == Refusal::Why::kCap) {
        add_spend_headers(headers, cost, refusal.balance.remaining());
        // Rounded up: a second early would be refused again.
        retry_s = refusal.until_reset ? std::max<std::int64_t>(1, (refusal.resets_at - now + 999) / 1000) : kOpenRetryS;
        if (refusal.until_reset) headers.set("x-should-retry", "false");
    }
    headers.set("Retry-After", std::to_string(retry_s));
}

Error error_of(const Refusal& refusal, Points cost, const Zone& zone) {
    if (refusal.why == Refusal::Why::kFull) {
        return {ErrorCode::kUnavailable, "too many callers have requests open for this one to be counted; ask again"};
    }
    const Balance& balance = refusal.balance;
    std::string message =
        fmt::format("this operation costs {} points; the daily cap of the {} is {}, of which {} are spent",
                    to_string(cost), name_of(refusal.cap), to_string(balance.cap), to_string(balance.spent));
    if (!balance.reserved.is_zero())
        message += fmt::format(" and {} held by open requests", to_string(balance.reserved));
    message += fmt::format("; it resets at {} ({})", zone.format(refusal.resets_at), zone.name());
    return {ErrorCode::kResourceExhausted, std::move(message)};
}

void append_json(JsonWriter& writer, const Usage& usage, const Zone& zone, bool degraded) {
    writer.begin_object();
    writer.key("day").begin_object().field("began", zone.format(usage.day_began));
    writer.field("resets_at", zone.format(usage.resets_at)).field("time_zone", zone.name()).end_object();
    writer.key("own");
    append_balance(writer, usage.actor);
    writer.key("tenant");
    if (usage.tenant) {
        append_balance(writer, *usage.tenant);
    } else {
        writer.null();
    }
    writer.field("degraded", degraded).end_object();
}

}  // namespace tidegate::pipeline::spend
