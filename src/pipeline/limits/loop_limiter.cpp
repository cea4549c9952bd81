#include "pipeline/limits/loop_limiter.h"

#include <algorithm>

#include "base/hash.h"

namespace tidegate::limits {
namespace {

// A call of 64 keys keeps Redis busy for well under a millisecond: nobody else waits for it.
constexpr std::size_t kNeedsMax = 64;
constexpr Duration kSweepEach = std::chrono::milliseconds(100);
// How long a denial is believed without asking: what was lifted by hand in Redis holds soon after.
constexpr Duration kDeniedMax = std::chrono::seconds(5);
// After a refusal of Redis itself (full, not permitted): each try makes requests wait a round trip for nothing.
constexpr Duration kSuspendedFor = std::chrono::seconds(1);

/// Of the map of one loop; the table of the process has its own, seeded.
std::uint64_t key_of(std::uint64_t rule_tag, std::uint64_t subject) noexcept {
    return mix64(subject ^ mix64(rule_tag));
}

}  // namespace

LoopLimiter::LoopLimiter(RateLimiter& limiter, runtime::EventLoop& loop, store::Redis* redis,
                         const LeaseOptions& options)
    : limiter_(limiter), loop_(loop), redis_(redis), options_(options), self_(std::make_shared<LoopLimiter*>(this)) {
    if (redis_ == nullptr) return;
    redis_->on_state([self = self_](bool connected) {
        LoopLimiter* limiter_here = *self;
        if (limiter_here == nullptr) return;
        if (connected) {
            limiter_here->suspended_until_ = {};
            limiter_here->recover();
        } else {
            limiter_here->degrade(limiter_here->redis_->trouble());
        }
    });
}

LoopLimiter::~LoopLimiter() {
    *self_ = nullptr;
    loop_.timers().cancel(*this);
    loop_.undefer(*this);
    recover();
}

void LoopLimiter::degrade(const std::string& reason) {
    if (degraded_) return;
    degraded_ = true;
    limiter_.loop_degraded(reason);
}

void LoopLimiter::recover() {
    if (!degraded_) return;
    degraded_ = false;
    limiter_.loop_recovered();
}

bool LoopLimiter::usable() {
    if (!redis_->connected()) {
        degrade(redis_->trouble());
        return false;
    }
    return loop_.now() >= suspended_until_;
}

void LoopLimiter::check_local(const Asks& asks, Verdict& out) noexcept {
    limiter_.check_local(asks.all(), loop_.now(), out);
}

void LoopLimiter::decide_degraded(const Asks& asks, Verdict& out) noexcept {
    limiter_.counters_.decided_degraded.add();
    limiter_.decide(asks.all(), loop_.now(), out);
}

void LoopLimiter::check(const Asks& asks, Verdict& out, Done& done) {
    if (redis_ == nullptr || asks.empty()) return check_local(asks, out);
    if (!usable()) return decide_degraded(asks, out);
    Draft draft;
    const std::span<const Ask> all = asks.all();
    for (std::size_t i = 0; i < all.size(); ++i) {
        draft.keys[i] = find_or_add(all[i]);
        if (draft.keys[i] == nullptr) {
            put_back(asks, draft);
            limiter_.counters_.overflows.add();
            return limiter_.decide(all, loop_.now(), out);
        }
        take(all[i], Mask{1} << i, draft.keys[i], true, draft);
    }
    if (draft.refused || draft.fetch == 0) {
        limiter_.counters_.decided_lease.add();
        return conclude(asks, draft, out);
    }
    if (waiting_ >= options_.waiting_max) {
        put_back(asks, draft);
        limiter_.counters_.overflows.add();
        return limiter_.decide(all, loop_.now(), out);
    }
    out.answer = Answer::kPending;
    wait_for(asks, draft, done);
}

LoopLimiter::Key* LoopLimiter::find_or_add(const Ask& ask) {
    const std::uint64_t id = key_of(ask.rule_tag, ask.subject);
    if (const auto found = keys_.find(id); found != keys_.end()) return &found->second;
    if (keys_.size() >= options_.lease_keys_max) return nullptr;
    if (keys_.empty()) loop_.timers().schedule(*this, loop_.now() + kSweepEach);
    Key& key = keys_[id];
    key.identity = {.subject = ask.subject, .rule_tag = ask.rule_tag, .gcra = ask.gcra};
    key.fetched = loop_.now() - options_.lease_hold;  // Cold.
    return &key;
}

void LoopLimiter::take(const Ask& ask, Mask bit, Key* key, bool may_fetch, Draft& draft) const {
    if (key != nullptr && key->permits > 0) {
        --key->permits;
        draft.taken |= bit;
    } else if (may_fetch && key != nullptr && key->denied_until <= loop_.now()) {
        draft.fetch |= bit;
    } else {
        draft.denied |= bit;
        draft.refused = draft.refused || !ask.shadow;
    }
}

LoopLimiter::Batch& LoopLimiter::open_batch(std::size_t more_needs) {
    if (batches_.empty() || batches_.back().needs.size() + more_needs > kNeedsMax) {
        batches_.emplace_back();
        ++batch_number_;
        loop_.defer(*this);
    }
    return batches_.back();
}

void LoopLimiter::wait_for(const Asks& asks, const Draft& draft, Done& done) {
    Batch& batch = open_batch(asks.all().size());
    for (std::size_t i = 0; i < asks.all().size(); ++i) {
        if ((draft.fetch >> i & 1U) != 0) need_one(*draft.keys[i], batch);
    }
    batch.requests.push_back({asks, draft.taken, std::move(done)});
    ++waiting_;
}

void LoopLimiter::need_one(Key& key, Batch& batch) {
    if (key.batch == batch_number_) {
        ++batch.needs[key.index].need;
        return;
    }
    // Ahead of need only with no other call under way: what is held stays below one block however long Redis takes.
    std::uint32_t ahead = 0;
    if (key.under_way == 0) {
        const bool hot = loop_.now() - key.fetched < options_.lease_hold;
        key.block = hot ? std::min(std::max(key.block * 2, 1U), options_.lease_max) : 0;
        ahead = key.block;
    }
    key.fetched = loop_.now();
    key.batch = batch_number_;
    key.index = batch.needs.size();
    ++key.under_way;
    KeyNeed need = key.identity;
    need.need = 1;
    need.extra = ahead;
    batch.needs.push_back(need);
}

void LoopLimiter::put_back(const Asks& asks, Draft& draft) {
    for (std::size_t i = 0; i < asks.all().size(); ++i) {
        if ((draft.taken >> i & 1U) != 0) ++draft.keys[i]->permits;
    }
    draft.taken = 0;
}

Standing LoopLimiter::standing_of(const Ask& ask, const Key* key, bool denied) const noexcept {
    Standing standing{ask.gcra, 0, ask.rule, ask.shadow, denied};
    if (key == nullptr) return standing;
    const std::int64_t since = (loop_.now() - key->seen).count();
    const std::int64_t unspent = static_cast<std::int64_t>(key->permits) * ask.gcra.interval_ns;
    standing.ahead_ns = std::max<std::int64_t>(key->ahead_ns - since - unspent, 0);
    if (denied) {
        const std::int64_t wait = std::max<std::int64_t>((key->denied_until - loop_.now()).count(), 1);
        standing.ahead_ns = std::max(standing.ahead_ns, ask.gcra.capacity_ns - ask.gcra.interval_ns + wait);
    }
    return standing;
}

void LoopLimiter::conclude(const Asks& asks, Draft& draft, Verdict& out) {
    const std::span<const Ask> all = asks.all();
    if (draft.refused) put_back(asks, draft);
    out.answer = draft.refused ? Answer::kDenied : Answer::kAllowed;
    out.shadow_denied = false;
    out.count = static_cast<std::uint8_t>(all.size());
    for (std::size_t i = 0; i < all.size(); ++i) {
        const bool denied = (draft.denied >> i & 1U) != 0;
        out.standings[i] = standing_of(all[i], draft.keys[i], denied);
        if (denied && all[i].shadow) out.shadow_denied = true;
        // Should Redis go away, the process knows what it has admitted itself.
        if (!draft.refused && !denied) limiter_.table_.charge(all.subspan(i, 1), loop_.now());
    }
    limiter_.count(out);
}

void LoopLimiter::send() {
    std::vector<Batch> batches;
    batches.swap(batches_);
    for (Batch& batch : batches) {
        limiter_.counters_.redis_batches.add();
        const std::vector<KeyNeed> needs = batch.needs;
        run_lease_script(*redis_, needs,
                         [self = self_, batch = std::move(batch)](Result<std::vector<KeyGrant>> grants) mutable {
                             if (*self != nullptr) (*self)->on_grants(batch, grants);
                         });
    }
}

void LoopLimiter::on_grants(Batch& batch, const Result<std::vector<KeyGrant>>& grants) {
    waiting_ -= batch.requests.size();
    if (!grants) {
        limiter_.counters_.redis_failures.add();
        // Connected and refused: full, or not permitted.
        if (redis_->connected()) suspended_until_ = loop_.now() + kSuspendedFor;
        degrade(grants.error().message);
    } else {
        recover();
    }
    for (std::size_t i = 0; i < batch.needs.size(); ++i) note(batch.needs[i], grants ? &(*grants)[i] : nullptr);
    for (Waiting& request : batch.requests) answer(request, grants.has_value());
    if (grants) give_back_surplus(batch);
}

void LoopLimiter::answer(Waiting& request, bool granted) {
    const std::span<const Ask> all = request.asks.all();
    Draft draft{.taken = request.taken};
    for (std::size_t i = 0; i < all.size(); ++i) {
        const Mask bit = Mask{1} << i;
        draft.keys[i] = find_or_add(all[i]);
        // A key forgotten meanwhile and no room for it now: its permit has gone with it.
        if (draft.keys[i] == nullptr) draft.taken &= ~bit;
        if (granted && (request.taken & bit) == 0) {
            take(all[i], bit, draft.keys[i], false, draft);
        }
    }
    Verdict verdict;
    if (granted) {
        limiter_.counters_.decided_redis.add();
        conclude(request.asks, draft, verdict);
    } else {
        put_back(request.asks, draft);
        decide_degraded(request.asks, verdict);
    }
    request.done(verdict);
}

void LoopLimiter::note(const KeyNeed& need, const KeyGrant* grant) {
    const auto found = keys_.find(key_of(need.rule_tag, need.subject));
    if (found != keys_.end() && need.need > 0) --found->second.under_way;
    if (grant == nullptr) return;
    if (need.need < 0) limiter_.counters_.permits_returned.add(static_cast<std::uint64_t>(-need.need));
    if (need.need > 0) limiter_.counters_.permits_taken.add(static_cast<std::uint64_t>(grant->permits));
    if (found == keys_.end()) return;
    Key& key = found->second;
    key.seen = loop_.now();
    key.ahead_ns = grant->ahead_ns;
    if (need.need < 0) return;
    // What was there before keeps its time: the new ones go back together with it, earlier than they had to.
    if (key.permits == 0) key.lease_until = loop_.now() + options_.lease_hold;
    key.permits += static_cast<std::uint32_t>(grant->permits);
    if (grant->permits < need.need) {
        key.denied_until = loop_.now() + std::min(Duration(need.gcra.wait_ns(grant->ahead_ns)), kDeniedMax);
    }
}

void LoopLimiter::give_back(Key& key, std::uint32_t permits) {
    KeyNeed need = key.identity;
    need.need = -static_cast<std::int64_t>(permits);
    key.permits -= permits;
    open_batch(1).needs.push_back(need);
}

/// Permits fetched for requests that another rule then denied do not become a lease larger than a block.
void LoopLimiter::give_back_surplus(const Batch& batch) {
    for (const KeyNeed& need : batch.needs) {
        const auto found = keys_.find(key_of(need.rule_tag, need.subject));
        if (found == keys_.end() || found->second.permits <= found->second.block) continue;
        give_back(found->second, found->second.permits - found->second.block);
    }
}

void LoopLimiter::on_timer() {
    const SteadyTime now = loop_.now();
    for (auto at = keys_.begin(); at != keys_.end();) {
        Key& key = at->second;
        if (key.permits > 0 && key.lease_until <= now) {
            give_back(key, key.permits);
            key.block /= 2;
        }
        const bool idle = key.permits == 0 && key.under_way == 0 && key.denied_until <= now &&
                          key.fetched + options_.lease_hold <= now;
        at = idle ? keys_.erase(at) : std::next(at);
    }
    if (!keys_.empty()) loop_.timers().schedule(*this, now + kSweepEach);
}

void LoopLimiter::stop() {
    if (redis_ == nullptr) return;
    for (auto& [id, key] : keys_) {
        if (key.permits > 0) give_back(key, key.permits);
    }
    if (!batches_.empty()) send();
}

}  // namespace tidegate::limits
