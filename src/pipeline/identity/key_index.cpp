#include "pipeline/identity/key_index.h"

#include <algorithm>
#include <bit>
#include <limits>
#include <unordered_map>

#include "base/assert.h"

namespace tidegate::pipeline {
namespace {

constexpr UnixMillis kForever = std::numeric_limits<UnixMillis>::max();
constexpr UnixMillis kMinute = 60'000;

std::string_view bytes_of(const Sha256& digest) noexcept {
    return {reinterpret_cast<const char*>(digest.data()), digest.size()};
}

std::string actor_of(const KeyRecord& record) {
    return "key:" + record.family;
}

/// May requests under way keep the Caller they have? An end that moved is the slot's business.
bool has_rights_of(const KeyState& state, const StoredKey& row) {
    const KeyRecord& record = row.record;
    const Caller& caller = state.caller;
    return state.secret_hash == row.secret_hash && caller.actor == actor_of(record) && caller.tenant == record.tenant &&
           caller.scopes == record.scopes && caller.rate == record.rate && caller.daily_cap == record.daily_cap &&
           (record.revoked || !caller.revoked.load(std::memory_order_relaxed));
}

std::shared_ptr<KeyState> make_state(const StoredKey& row) {
    auto state = std::make_shared<KeyState>();
    const KeyRecord& record = row.record;
    Caller& caller = state->caller;
    caller.kind = Caller::Kind::kKey;
    caller.actor = actor_of(record);
    caller.actor_hash = hash_of(caller.actor);
    caller.tenant = record.tenant;
    caller.tenant_hash = record.tenant.empty() ? 0 : hash_of(record.tenant);
    caller.scopes = record.scopes;
    caller.admin = record.is_admin();
    caller.rate = record.rate;
    caller.daily_cap = record.daily_cap;
    state->public_id = record.public_id;
    state->secret_hash = row.secret_hash;
    state->used_written.store(record.last_used.value_or(0), std::memory_order_relaxed);
    return state;
}

}  // namespace

KeyIndex::KeyIndex(const std::vector<StoredKey>& rows, const KeyIndex* former) {
    std::unordered_map<std::string_view, std::shared_ptr<KeyState>> known;
    if (former != nullptr) {
        for (const auto& state : former->states_) known.emplace(state->public_id, state);
    }
    slots_.resize(std::bit_ceil(std::max<std::size_t>(8, rows.size() * 2)));
    mask_ = slots_.size() - 1;
    states_.reserve(rows.size());
    for (const StoredKey& row : rows) {
        const auto id = parse_public_id(row.record.public_id);
        if (!id) continue;  // Written into the table by hand: no key text leads to it.
        const auto before = known.find(row.record.public_id);
        const bool keep = before != known.end() && has_rights_of(*before->second, row);
        std::shared_ptr<KeyState> state = keep ? before->second : make_state(row);
        if (row.record.revoked) state->caller.revoked.store(true, std::memory_order_relaxed);
        if (keep) known.erase(before);
        Slot& slot = slots_[slot_of(*id)];
        TG_ASSERT(slot.id == 0);
        slot.id = *id;
        slot.ends = row.record.ends().value_or(kForever);
        state->caller.ends.store(slot.ends, std::memory_order_relaxed);
        slot.secret_hash = row.secret_hash;
        slot.state = state;
        states_.push_back(std::move(state));
    }
    for (const auto& [id, state] : known) state->caller.revoked.store(true, std::memory_order_relaxed);
}

std::size_t KeyIndex::slot_of(std::uint64_t id) const noexcept {
    // Ids are random already; mixing costs 2 ns and keeps a caller from choosing where probing begins.
    std::size_t at = mix64(id) & mask_;
    while (slots_[at].id != 0 && slots_[at].id != id) at = (at + 1) & mask_;
    return at;
}

KeyIndex::Found KeyIndex::find(const KeyText& key, UnixMillis now) const {
    // An empty slot's hash is all zeros, which no secret has: it is compared all the same, so that an unknown id takes as long
    // as a known one.
    const Slot& slot = slots_[slot_of(key.id)];
    const Sha256 hash = sha256(key.secret);
    const bool equal = equal_constant_time(bytes_of(hash), bytes_of(slot.secret_hash));
    if (!equal || slot.id == 0) return {nullptr, Refusal::kUnknown};
    KeyState& state = *slot.state;
    if (state.caller.revoked.load(std::memory_order_relaxed)) return {nullptr, Refusal::kRevoked};
    if (slot.ends <= now) return {nullptr, Refusal::kExpired};
    // Read before it is written: the line stays shared between the cores for all but one request a minute.
    const UnixMillis minute = now - now % kMinute;
    if (state.used.load(std::memory_order_relaxed) != minute) state.used.store(minute, std::memory_order_relaxed);
    return {CallerPtr(slot.state, &state.caller), Refusal::kNone};
}

std::size_t KeyIndex::count_active(UnixMillis now) const noexcept {
    return static_cast<std::size_t>(std::ranges::count_if(slots_, [now](const Slot& slot) {
        return slot.id != 0 && slot.ends > now && !slot.state->caller.revoked.load(std::memory_order_relaxed);
    }));
}

}  // namespace tidegate::pipeline
