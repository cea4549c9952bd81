#include "pipeline/cache/second_level.h"

#include <algorithm>
#include <utility>
#include <vector>

#include "base/hash.h"
#include "base/random.h"
#include "pipeline/cache/residence.h"

namespace tidegate::cache {
namespace {

using Words = std::vector<std::string_view>;
using std::chrono::milliseconds;
using store::RedisReply;

// Below this packing takes less than 0.2 ms and is done on the loop (l2_blob.h: 2.5 microseconds a KiB).
constexpr std::size_t kPackOnLoopMax = std::size_t{64} * 1024;
// What a payload holds beside the body: its own numbers, and key and head.
constexpr std::size_t kPayloadMargin = std::size_t{256} * 1024;

void count(L2Counters::Count& counter, std::uint64_t by = 1) {
    counter.fetch_add(by, std::memory_order_relaxed);
}

// Deletes a lease that is still one's own.
const store::RedisScript& release_script() {
    static const store::RedisScript script(
        "if redis.call('GET', KEYS[1]) == ARGV[1] then return redis.call('DEL', KEYS[1]) end return 0");
    return script;
}

std::string random_name() {
    SystemRandom random;
    return std::to_string(random.next_u64());
}

}  // namespace

SecondLevel::SecondLevel(runtime::EventLoop& loop, store::Redis& redis, ResponseStore& store, Coherence& coherence,
                         runtime::WorkerPool& pool, const Clock& clock, L2Counters& counters,
                         SecondLevelOptions options)
    : loop_(loop),
      redis_(redis),
      store_(store),
      coherence_(coherence),
      pool_(pool),
      clock_(clock),
      counters_(counters),
      options_(std::move(options)),
      self_(random_name()),
      alive_(std::make_shared<SecondLevel*>(this)) {}

// SHA-256 cut to 128 bits: the same in every process, and a collision is seen when the key's text is compared.
std::string SecondLevel::name_of(const Key& key) const {
    return options_.prefix + ":e:" + to_hex(sha256(key.text()).data(), 16);
}
std::string SecondLevel::lease_name_of(const Key& key) const {
    return options_.prefix + ":l:" + to_hex(sha256(key.text()).data(), 16);
}

SharedTicket SecondLevel::begin_fill() const noexcept {
    return {.ticket = store_.begin_fill(), .sequence = coherence_.sequence()};
}

// ---- Reading.

bool SecondLevel::fetch(const Key& key, CommonPtr common, Brought done) {
    if (!usable()) {
        count(counters_.skipped);
        return false;
    }
    const Ticket ticket = store_.begin_fill();
    const std::string name = name_of(key);
    redis_.command(Words{"GET", name}, [alive = std::weak_ptr(alive_), key, ticket, common = std::move(common),
                                        done = std::move(done)](const Result<RedisReply>& reply) mutable {
        const auto self = alive.lock();
        if (!self) return;
        SecondLevel& level = **self;
        EntryPtr entry;
        if (!reply) {
            count(level.counters_.failed);
        } else if (reply->kind != RedisReply::Kind::kText) {
            count(level.counters_.misses);
        } else {
            entry = level.take(key, reply->text, common, ticket);
        }
        done(std::move(entry));
    });
    return true;
}

EntryPtr SecondLevel::take(const Key& key, std::string_view blob, const CommonPtr& common, Ticket ticket) {
    auto found = unpack_entry(blob, options_.object_bytes_max + kPayloadMargin);
    if (!found || found->key_text != key.text()) {
        count(counters_.corrupt);
        return {};
    }
    if (!coherence_.good(*found)) {
        count(counters_.invalidated);
        return {};
    }
    share_common(*found, common);
    const UnixMillis now = clock_.unix_ms();
    EntryPtr entry = Entry::make(key, found->draft);
    if (entry->usable_until() <= now || is_ahead(entry->timing().response_ms, now)) {
        count(counters_.expired);
        return {};
    }
    if (store_.keep(key, entry, ticket, now) == Stored::kInvalidated) {
        count(counters_.invalidated);
        return {};
    }
    count(counters_.hits);
    return entry;
}

// ---- Writing.

void SecondLevel::keep(const Key& key, const EntryPtr& entry, const SharedTicket& ticket) {
    const UnixMillis left_ms = entry->usable_until() - clock_.unix_ms();
    if ((entry->flags() & kPrivate) != 0 || left_ms <= 0) return;
    if (entry->charge() > options_.object_bytes_max) return count(counters_.writes_too_large);
    if (!usable() || writing_bytes_ > options_.writes_bytes_max) return count(counters_.writes_dropped);
    const std::int64_t keep_max_ms = std::chrono::duration_cast<milliseconds>(options_.keep_max).count();
    const std::int64_t keep_ms = std::min<std::int64_t>(left_ms, keep_max_ms);
    const std::uint64_t sequence = ticket.sequence;
    if (entry->charge() <= kPackOnLoopMax) return write(name_of(key), pack_entry(*entry, sequence), keep_ms);

    pack_elsewhere(key, entry, sequence, keep_ms);
}

void SecondLevel::pack_elsewhere(const Key& key, const EntryPtr& entry, std::uint64_t sequence, std::int64_t keep_ms) {
    const std::size_t held = entry->charge();
    const std::string lease = lease_name_of(key);
    // Of two at once the second releases; a lease that nobody releases runs out.
    const bool first = packing_.try_emplace(lease, false).second;
    writing_bytes_ += held;
    const bool taken = pool_.submit([mailbox = loop_.mailbox(), alive = std::weak_ptr(alive_), name = name_of(key),
                                     lease, entry, sequence, keep_ms, held]() mutable {
        std::string blob = pack_entry(*entry, sequence);
        mailbox->post([alive, name = std::move(name), lease, blob = std::move(blob), keep_ms, held]() mutable {
            const auto self = alive.lock();
            if (!self) return;
            SecondLevel& level = **self;
            level.writing_bytes_ -= held;
            level.write(name, std::move(blob), keep_ms);
            const auto packed = level.packing_.extract(lease);
            if (packed && packed.mapped()) level.send_release(lease);
        });
    });
    if (taken) return;
    if (first) packing_.erase(lease);
    writing_bytes_ -= held;
    count(counters_.writes_dropped);
}

void SecondLevel::write(const std::string& name, std::string blob, std::int64_t keep_ms) {
    const std::size_t size = blob.size();
    writing_bytes_ += size;
    count(counters_.writes);
    count(counters_.write_bytes, size);
    const std::string keep = std::to_string(keep_ms);
    redis_.command(Words{"SET", name, blob, "PX", keep},
                   [alive = std::weak_ptr(alive_), size](const Result<RedisReply>& reply) {
                       const auto self = alive.lock();
                       if (!self) return;
                       (**self).writing_bytes_ -= size;
                       if (!reply) count((**self).counters_.writes_failed);
                   });
}

void SecondLevel::forget(const Key& key) {
    if (!redis_.connected()) return;  // Its blob is older than the invalidation that follows: nobody will use it.
    const std::string name = name_of(key);
    redis_.command(Words{"UNLINK", name}, [](const Result<RedisReply>&) {});
}

// ---- One leader among all processes.

bool SecondLevel::lease(const Key& key, Duration hold_max, Leased done) {
    if (!usable()) return false;
    const std::string name = lease_name_of(key);
    const std::string hold =
        std::to_string(std::max<std::int64_t>(1, std::chrono::duration_cast<milliseconds>(hold_max).count()));
    redis_.command(Words{"SET", name, self_, "NX", "PX", hold},
                   [alive = std::weak_ptr(alive_), done = std::move(done)](const Result<RedisReply>& reply) mutable {
                       const auto self = alive.lock();
                       if (!self) return;
                       const bool mine = !reply || reply->kind != RedisReply::Kind::kNil;
                       count(mine ? (**self).counters_.leases : (**self).counters_.leases_elsewhere);
                       done(mine);
                   });
    return true;
}

void SecondLevel::release(const Key& key) {
    const std::string name = lease_name_of(key);
    const auto packing = packing_.find(name);
    packing != packing_.end() ? static_cast<void>(packing->second = true) : send_release(name);
}

void SecondLevel::send_release(const std::string& lease_name) {
    if (!redis_.connected()) return;  // It runs out by itself.
    redis_.run(release_script(), Words{lease_name}, Words{self_}, [](const Result<RedisReply>&) {});
}

/// Looks for the answer of another process. The level holds it; a reply on its way holds it, too.
class SecondLevel::Wait final : public runtime::Timer, public std::enable_shared_from_this<Wait> {
  public:
    Wait(SecondLevel& level, const Key& key, SteadyTime until, CommonPtr common, Brought done)
        : level_(level.alive_),
          loop_(level.loop_),
          key_(key),
          until_(until),
          common_(std::move(common)),
          done_(std::move(done)) {}
    ~Wait() override = default;

    void start() { loop_.timers().schedule(*this, loop_.now() + kStep); }
    /// The level goes: nothing is said any more.
    void drop() {
        loop_.timers().cancel(*this);
        done_ = nullptr;
    }

  private:
    // An answer is noticed so much later at most, twice the wheel's tick.
    static constexpr milliseconds kStep{40};

    void on_timer() override {
        const auto level = level_.lock();
        if (!level) return;
        SecondLevel& it = **level;
        if (loop_.now() >= until_ || !it.usable()) return end({});
        const std::string lease = it.lease_name_of(key_);
        const std::string name = it.name_of(key_);
        // In this order: a lease that is gone after its answer was written is seen together with the answer.
        it.redis_.command(Words{"EXISTS", lease}, [wait = shared_from_this()](const Result<RedisReply>& reply) {
            wait->led_ = reply && reply->integer == 1;
        });
        const Ticket ticket = it.store_.begin_fill();
        it.redis_.command(Words{"GET", name}, [wait = shared_from_this(), ticket](const Result<RedisReply>& reply) {
            wait->on_reply(reply, ticket);
        });
    }
    void on_reply(const Result<RedisReply>& reply, Ticket ticket) {
        const auto level = level_.lock();
        if (!level) return;
        if (!reply) return end({});
        EntryPtr entry;
        if (reply->kind == RedisReply::Kind::kText) entry = (**level).take(key_, reply->text, common_, ticket);
        if (entry) count((**level).counters_.lease_waits_served);
        if (entry || !led_) return end(std::move(entry));
        loop_.timers().schedule(*this, std::min(loop_.now() + kStep, std::max(until_, loop_.now())));
    }
    void end(EntryPtr entry) {
        const auto self = shared_from_this();
        if (const auto level = level_.lock()) std::erase((**level).waits_, self);
        if (Brought done = std::exchange(done_, nullptr)) done(std::move(entry));
    }

    const std::weak_ptr<SecondLevel*> level_;
    runtime::EventLoop& loop_;
    const Key key_;
    const SteadyTime until_;
    const CommonPtr common_;
    Brought done_;
    bool led_ = false;
};

SecondLevel::~SecondLevel() {
    for (const auto& wait : waits_) wait->drop();
}

bool SecondLevel::await(const Key& key, Duration wait_max, CommonPtr common, Brought done) {
    if (!usable()) return false;
    waits_.push_back(std::make_shared<Wait>(*this, key, loop_.now() + wait_max, std::move(common), std::move(done)));
    waits_.back()->start();
    return true;
}

}  // namespace tidegate::cache
