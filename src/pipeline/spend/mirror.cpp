#include "pipeline/spend/mirror.h"

#include <fmt/core.h>

#include "base/hash.h"

namespace tidegate::pipeline::spend {

AccountName name_of(const Payer& payer, bool tenant) noexcept {
    if (tenant) return {.hash = payer.tenant, .kind = AccountName::Kind::kTenant};
    return {.hash = payer.actor, .kind = payer.is_address ? AccountName::Kind::kAddress : AccountName::Kind::kKey};
}

Payer payer_of(const AccountName& name) noexcept {
    const bool tenant = name.kind == AccountName::Kind::kTenant;
    return {.actor = tenant ? 0 : name.hash,
            .tenant = tenant ? name.hash : 0,
            .is_address = name.kind == AccountName::Kind::kAddress,
            .actor_cap = {},
            .tenant_cap = {}};
}

std::size_t AccountNameHash::operator()(const AccountName& name) const noexcept {
    return mix64(name.hash + static_cast<std::uint64_t>(name.kind));
}

void Mirror::begin_day(std::int64_t day) {
    if (day <= day_) return;
    day_ = day;
    entries_.clear();
    unconfirmed_ = 0;
}

bool Mirror::charge(const AccountName& name, Points spent) {
    auto found = entries_.find(name);
    if (found == entries_.end()) {
        if (entries_.size() >= accounts_max_) {
            std::erase_if(entries_,
                          [](const auto& entry) { return entry.second.confirmed == entry.second.total.milli; });
            ++generation_;
        }
        if (entries_.size() >= accounts_max_) return false;
        found = entries_.emplace(name, Entry{.total = {.milli = 0, .generation = generation_}, .confirmed = 0}).first;
    }
    Entry& entry = found->second;
    if (entry.confirmed == entry.total.milli) ++unconfirmed_;
    entry.total.milli += spent.milli;
    return true;
}

Mirror::Total Mirror::total(const AccountName& name) const {
    const auto found = entries_.find(name);
    return found == entries_.end() ? Total{} : found->second.total;
}

Points Mirror::confirm(const AccountName& name, const Total& sent) {
    const auto found = entries_.find(name);
    if (found == entries_.end() || found->second.total.generation != sent.generation) return {};
    Entry& entry = found->second;
    if (sent.milli <= entry.confirmed) return {};
    const Points news{sent.milli - entry.confirmed};
    entry.confirmed = sent.milli;
    if (entry.confirmed == entry.total.milli) --unconfirmed_;
    return news;
}

std::string Mirror::origin_of(const Total& total) const {
    return fmt::format("{}.{}", origin_, total.generation);
}

std::vector<AccountName> Mirror::names() const {
    std::vector<AccountName> out;
    out.reserve(entries_.size());
    for (const auto& [name, entry] : entries_) out.push_back(name);
    return out;
}

bool Mirror::is_confirmed() const noexcept {
    return unconfirmed_ == 0;
}

}  // namespace tidegate::pipeline::spend
