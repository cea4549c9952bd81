#include "pipeline/spend/book.h"

#include <algorithm>

#include "pipeline/identity/caller.h"

namespace tidegate::pipeline::spend {
namespace {

constexpr std::string_view kAddressPrefix = "address:";

}  // namespace

Book::Book(Zone zone, std::size_t accounts_max, UnixMillis now, Random& random)
    : zone_(std::move(zone)), accounts_(accounts_max, random.next_u64()) {
    const Lock lock(mutex_);
    current_.store(&days_.emplace_back(zone_.day_at(now)), std::memory_order_release);
}

const Day& Book::day(UnixMillis now) {
    const Day* const today = current_.load(std::memory_order_acquire);
    if (now < today->end) return *today;
    const Lock lock(mutex_);
    if (now >= days_.back().end) current_.store(&days_.emplace_back(zone_.day_at(now)), std::memory_order_release);
    return days_.back();
}

UnixMillis Book::ahead_ms(UnixMillis now) const noexcept {
    return std::max<UnixMillis>(0, current_.load(std::memory_order_acquire)->begin - now);
}

void Book::load(const audit::SpentSince& spent) {
    const std::int64_t today = current_.load(std::memory_order_acquire)->begin;
    for (const auto& actor : spent.by_actor) {
        accounts_.load_actor(hash_of(actor.name), actor.name.starts_with(kAddressPrefix), actor.spent, today);
    }
    for (const auto& tenant : spent.by_tenant) accounts_.load_tenant(hash_of(tenant.name), tenant.spent, today);
}

Usage Book::usage_of(const Accounts::Pair& pair, const Day& day) const {
    return {.actor = pair.actor, .tenant = pair.tenant, .day_began = day.begin, .resets_at = day.end};
}

Refusal Book::refuse(Accounts::Verdict verdict, const Payer& payer, const Accounts::Pair& pair, Points cost,
                     const Day& day) {
    Refusal refusal{.resets_at = day.end};
    if (verdict == Accounts::Verdict::kFull) {
        counters_.refused_full.add();
        refusal.why = Refusal::Why::kFull;
        return refusal;
    }
    if (verdict == Accounts::Verdict::kTenantCap) {
        counters_.refused_tenant.add();
        refusal.cap = Cap::kTenant;
        refusal.balance = pair.tenant.value_or(Balance{});
    } else {
        (payer.is_address ? counters_.refused_address : counters_.refused_key).add();
        refusal.cap = payer.is_address ? Cap::kAddress : Cap::kKey;
        refusal.balance = pair.actor;
    }
    refusal.until_reset = refusal.balance.spent + cost > refusal.balance.cap;
    return refusal;
}

std::optional<Points> remaining_after(const Accounts::Pair& before, Points cost) noexcept {
    std::optional<Points> least = before.actor.remaining();
    const std::optional<Points> tenant = before.tenant ? before.tenant->remaining() : std::nullopt;
    if (tenant && (!least || *tenant < *least)) least = tenant;
    if (least) least = std::max(Points{}, *least - cost);
    return least;
}

}  // namespace tidegate::pipeline::spend
