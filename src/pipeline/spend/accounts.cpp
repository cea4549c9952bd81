#include "pipeline/spend/accounts.h"

#include <algorithm>
#include <bit>
#include <functional>

#include "base/hash.h"

namespace tidegate::pipeline::spend {
namespace {

// A tenant named as a key is would share its account otherwise.
constexpr std::uint64_t kTenantSalt = 0x9e3779b97f4a7c15ULL;

bool passes(std::int64_t used, Points cost, Points cap) {
    return cap.is_zero() || used + cost.milli <= cap.milli;
}

}  // namespace

Accounts::Accounts(std::size_t accounts_max, std::uint64_t seed) : seed_(seed) {
    const std::size_t sets = std::bit_ceil(std::max<std::size_t>(1, accounts_max / (kShards * kWays)));
    for (Table* table : {&named_, &addresses_}) {
        table->sets = sets;
        for (Shard& shard : table->shards) shard.places.resize(sets * kWays);
    }
}

Accounts::Place Accounts::place_of(const Payer& payer, bool tenant) noexcept {
    const std::uint64_t raw = tenant ? payer.tenant ^ kTenantSalt : payer.actor;
    const std::uint64_t key = raw == 0 ? 1 : raw;
    return {.table = tenant || !payer.is_address ? &named_ : &addresses_, .key = key, .hash = mix64(key ^ seed_)};
}

Accounts::Account* Accounts::find(const Place& place, std::int64_t day, bool make, const Account* keep) {
    const std::size_t set = (place.hash / kShards) & (place.table->sets - 1);
    Account* const first = place.shard().places.data() + set * kWays;
    Account* victim = nullptr;
    const auto cost_of = [&](const Account& account) -> std::int64_t {
        return account.key == 0 || account.day < day ? -1 : account.spent();
    };
    for (Account* account = first; account != first + kWays; ++account) {
        if (account->key == place.key) {
            if (account->day < day) *account = {.key = place.key, .day = day};
            return account;
        }
        const std::int64_t cost = cost_of(*account);
        if (account == keep || (cost >= 0 && account->reserved > 0)) continue;
        if (victim == nullptr || cost < cost_of(*victim)) victim = account;
    }
    if (!make || victim == nullptr) return nullptr;
    if (const std::int64_t lost = cost_of(*victim); lost > 0) {
        forgotten_.fetch_add(1, std::memory_order_relaxed);
        forgotten_milli_.fetch_add(static_cast<std::uint64_t>(lost), std::memory_order_relaxed);
    }
    *victim = {.key = place.key, .day = day};
    return victim;
}

template <class Use>
auto Accounts::with(const Payer& payer, std::int64_t day, bool make, Use&& use) {
    const Place actor = place_of(payer, false);
    Shard& actor_shard = actor.shard();
    if (payer.tenant == 0) {
        const Lock lock(actor_shard.mutex);
        return use(find(actor, day, make), static_cast<Account*>(nullptr));
    }
    const Place tenant = place_of(payer, true);
    Shard& tenant_shard = tenant.shard();
    const auto both = [&] {
        Account* const first = find(actor, day, make);
        return use(first, find(tenant, day, make, first));
    };
    if (&actor_shard == &tenant_shard) {
        const Lock lock(actor_shard.mutex);
        return both();
    }
    const bool in_order = std::less<>()(&actor_shard, &tenant_shard);
    const Lock first(in_order ? actor_shard.mutex : tenant_shard.mutex);
    const Lock second(in_order ? tenant_shard.mutex : actor_shard.mutex);
    return both();
}

Accounts::Verdict Accounts::admit(const Payer& payer, Points cost, std::int64_t day, bool already_held, Pair& pair) {
    return with(payer, day, true, [&](Account* actor, Account* tenant) {
        const std::int64_t own = already_held ? cost.milli : 0;
        const auto balance = [&](const Account* account, Points cap) {
            if (account == nullptr) return Balance{.spent = {}, .reserved = {}, .cap = cap};
            return Balance{.spent = {account->spent()}, .reserved = {account->held() - own}, .cap = cap};
        };
        pair.actor = balance(actor, payer.actor_cap);
        pair.tenant.reset();
        if (payer.tenant != 0) pair.tenant = balance(tenant, payer.tenant_cap);
        Verdict verdict = Verdict::kAdmitted;
        if (actor == nullptr || (payer.tenant != 0 && tenant == nullptr)) {
            verdict = Verdict::kFull;
        } else if (!passes(actor->spent() + actor->held() - own, cost, payer.actor_cap)) {
            verdict = Verdict::kActorCap;
        } else if (tenant != nullptr && !passes(tenant->spent() + tenant->held() - own, cost, payer.tenant_cap)) {
            verdict = Verdict::kTenantCap;
        }
        const std::int64_t change = (verdict == Verdict::kAdmitted ? cost.milli : 0) - own;
        for (Account* account : {actor, tenant}) {
            if (account != nullptr && account->day == day)
                account->reserved = std::max<std::int64_t>(0, account->reserved + change);
        }
        return verdict;
    });
}

bool Accounts::hold(const Payer& payer, Points cost, std::int64_t day) {
    return with(payer, day, true, [&](Account* actor, Account* tenant) {
        if (actor == nullptr || (payer.tenant != 0 && tenant == nullptr)) return false;
        for (Account* account : {actor, tenant}) {
            if (account != nullptr && account->day == day) account->reserved += cost.milli;
        }
        return true;
    });
}

void Accounts::settle(const Payer& payer, Points cost, Points actual, std::int64_t day, bool shared) {
    with(payer, day, false, [&](Account* actor, Account* tenant) {
        for (Account* account : {actor, tenant}) {
            // A later day owes nothing for an earlier one.
            if (account == nullptr || account->day != day) continue;
            account->reserved = std::max<std::int64_t>(0, account->reserved - cost.milli);
            (shared ? account->unconfirmed : account->known) += actual.milli;
        }
        return true;
    });
}

void Accounts::load_actor(std::uint64_t actor, bool is_address, Points spent, std::int64_t day) {
    const Payer payer{.actor = actor, .is_address = is_address};
    const Place place = place_of(payer, false);
    const Lock lock(place.shard().mutex);
    if (Account* account = find(place, day, true)) account->known += spent.milli;
}

void Accounts::load_tenant(std::uint64_t tenant, Points spent, std::int64_t day) {
    const Place place = place_of(Payer{.tenant = tenant}, true);
    const Lock lock(place.shard().mutex);
    if (Account* account = find(place, day, true)) account->known += spent.milli;
}

Accounts::Pair Accounts::balances(const Payer& payer, std::int64_t day) {
    return with(payer, day, false, [&](const Account* actor, const Account* tenant) {
        Pair pair{.actor = {.cap = payer.actor_cap}, .tenant = {}};
        if (actor != nullptr) pair.actor = {{actor->spent()}, {actor->held()}, payer.actor_cap};
        if (payer.tenant != 0) pair.tenant = Balance{.spent = {}, .reserved = {}, .cap = payer.tenant_cap};
        if (tenant != nullptr) pair.tenant = Balance{{tenant->spent()}, {tenant->held()}, payer.tenant_cap};
        return pair;
    });
}

void Accounts::learn(const Payer& payer, bool tenant, std::int64_t day, const News& news) {
    const Place place = place_of(payer, tenant);
    const Lock lock(place.shard().mutex);
    Account* const account = find(place, day, false);
    if (account == nullptr || account->day != day) return;
    account->known = std::max(account->known, news.spent.milli);
    account->unconfirmed = std::max<std::int64_t>(0, account->unconfirmed - news.confirmed.milli);
    account->others = std::max<std::int64_t>(0, news.reserved.milli - account->reserved);
}

Points Accounts::known(const Payer& payer, bool tenant, std::int64_t day) {
    const Place place = place_of(payer, tenant);
    const Lock lock(place.shard().mutex);
    const Account* const account = find(place, day, false);
    return {account == nullptr || account->day != day ? 0 : account->known};
}

}  // namespace tidegate::pipeline::spend
