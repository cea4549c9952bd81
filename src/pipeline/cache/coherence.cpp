#include "pipeline/cache/coherence.h"

#include <algorithm>

#include "base/hash.h"
#include "base/strings.h"
#include "pipeline/cache/key.h"

namespace tidegate::cache {
namespace {

using Words = std::vector<std::string_view>;
using std::chrono::milliseconds;

// Numbers one item, logs and publishes it. KEYS: number, log, floor. ARGV: item, log size, channel, sender.
constexpr std::string_view kAnnounce = R"(
if redis.call('EXISTS', KEYS[1]) == 0 then
  local t = redis.call('TIME')
  redis.call('SET', KEYS[1], string.format('%.0f', t[1] * 1000000 + t[2]))
end
local n = redis.call('INCR', KEYS[1])
redis.call('ZADD', KEYS[2], string.format('%.0f', n), ARGV[1])
local over = redis.call('ZCARD', KEYS[2]) - tonumber(ARGV[2])
if over > 0 then
  local last = redis.call('ZRANGE', KEYS[2], over - 1, over - 1, 'WITHSCORES')
  redis.call('SET', KEYS[3], string.format('%.0f', last[2]))
  redis.call('ZREMRANGEBYRANK', KEYS[2], 0, over - 1)
end
redis.call('PUBLISH', ARGV[3], string.format('%.0f', n) .. ' ' .. ARGV[4] .. ' ' .. ARGV[1])
return string.format('%.0f', n))";

// All of the log: number, floor, item, its number, item, ...
constexpr std::string_view kSnapshot = R"(
if redis.call('EXISTS', KEYS[1]) == 0 then
  local t = redis.call('TIME')
  redis.call('SET', KEYS[1], string.format('%.0f', t[1] * 1000000 + t[2]))
end
local all = redis.call('ZRANGE', KEYS[2], 0, -1, 'WITHSCORES')
local out = {redis.call('GET', KEYS[1]), redis.call('GET', KEYS[3]) or '0'}
for i = 1, #all, 2 do
  out[#out + 1] = all[i]
  out[#out + 1] = string.format('%.0f', all[i + 1])
end
return out)";

const store::RedisScript& announce_script() {
    static const store::RedisScript script(kAnnounce);
    return script;
}
const store::RedisScript& snapshot_script() {
    static const store::RedisScript script(kSnapshot);
    return script;
}

constexpr std::size_t kBatch = 128;  // Of announcements in one write.
constexpr milliseconds kPulse(200);  // How often what did not succeed is tried again.

// A longer key is announced as everything: the log holds up to kLogMax of them.
constexpr std::size_t kKeyBytesMax = 4096;

// Items: `k` and a key's text, `p` and a prefix, `t` and 16 hex digits, `a`.
std::string tag_item(std::uint64_t tag) {
    std::string item = "t";
    for (int shift = 60; shift >= 0; shift -= 4)
        item += "0123456789abcdef"[(tag >> static_cast<unsigned>(shift)) & 15U];
    return item;
}
std::uint64_t tag_of(std::string_view hex) noexcept {
    std::uint64_t tag = 0;
    for (const char c : hex) tag = tag << 4U | static_cast<std::uint64_t>(c <= '9' ? c - '0' : c - 'a' + 10);
    return tag;
}
bool is_tag(std::string_view item) noexcept {
    return item.size() == 17 && item[0] == 't' &&
           item.find_first_not_of("0123456789abcdef", 1) == std::string_view::npos;
}

}  // namespace

/// Tries again what waits: the proof, the announcements.
class Coherence::Pulse final : public runtime::Timer {
  public:
    Pulse(Coherence& owner, runtime::EventLoop& loop) : owner_(owner), loop_(loop) {
        loop_.timers().schedule(*this, loop_.now() + kPulse);
    }
    ~Pulse() override { loop_.timers().cancel(*this); }

  private:
    void on_timer() override {
        if (!owner_.synced()) owner_.prove();
        owner_.send_waiting();
        loop_.timers().schedule(*this, loop_.now() + kPulse);
    }
    Coherence& owner_;
    runtime::EventLoop& loop_;
};

Coherence::Coherence(ResponseStore& store, L2Counters& counters, Random& random, std::string prefix)
    : store_(store),
      counters_(counters),
      prefix_(std::move(prefix)),
      channel_(prefix_ + ":invalidations"),
      self_(tag_item(random.next_u64())),
      alive_(std::make_shared<Coherence*>(this)),
      weak_(alive_) {}

Coherence::~Coherence() {
    stop();
}

void Coherence::start(runtime::EventLoop& loop, store::Redis& redis) {
    loop_ = &loop;
    redis_ = &redis;
    pulse_ = std::make_unique<Pulse>(*this, loop);
    const auto guard = [alive = weak_](auto member) {
        return [alive, member](auto&&... arguments) {
            if (const auto self = alive.lock()) ((**self).*member)(arguments...);
        };
    };
    redis.subscribe(channel_, guard(&Coherence::on_message), guard(&Coherence::on_lost));
    redis.on_state(guard(&Coherence::on_state));
    connected_.store(redis.connected(), std::memory_order_relaxed);
    std::vector<std::string> early;
    {
        const SpinGuard held(lock_);
        mailbox_ = loop.mailbox();
        early.swap(early_);
    }
    for (std::string& item : early) take(std::move(item));
}

void Coherence::stop() {
    alive_.reset();
    pulse_.reset();
    synced_.store(false, std::memory_order_release);
    counters_.synced.store(0, std::memory_order_relaxed);
}

// ---- Announcing.

void Coherence::announce_key(const Key& key) {
    announce(key.text().size() <= kKeyBytesMax ? "k" + key.text() : "a");
}
void Coherence::announce_prefix(std::string_view path_prefix) {
    announce("p" + std::string(path_prefix));
}
void Coherence::announce_tag(std::uint64_t tag) {
    announce(tag_item(tag));
}
void Coherence::announce_all() {
    announce("a");
}

void Coherence::announce(std::string item) {
    std::shared_ptr<runtime::Mailbox> mailbox;
    {
        const SpinGuard guard(lock_);
        ++own_[item];
        mailbox = mailbox_;
        if (!mailbox && early_.size() < kWaitingMax) {
            early_.push_back(item);
        } else if (!mailbox) {
            early_.assign(1, "a");
            own_ = {{"a", 1}};
        }
    }
    if (!mailbox) return;
    mailbox->post([alive = weak_, item = std::move(item)]() mutable {
        if (const auto self = alive.lock()) (**self).take(std::move(item));
    });
}

void Coherence::take(std::string item) {
    // The one for everything covers it, unless that one has left already.
    const bool all_has_left = sending_ > 0 && batch_ >= waiting_.size();
    if (all_waiting_ && !all_has_left) return forget_own(item);
    all_waiting_ = false;
    if (waiting_.size() >= kWaitingMax) {
        // The batch under way stays until it has gone through.
        waiting_.resize(std::min(waiting_.size(), sending_ > 0 ? batch_ : 0));
        all_waiting_ = true;
        item = "a";
        const SpinGuard guard(lock_);
        own_ = {{item, 1}};
        for (const std::string& sent : waiting_) ++own_[sent];
    }
    if (!redis_->connected()) counters_.announced_late.fetch_add(1, std::memory_order_relaxed);
    waiting_.push_back(std::move(item));
    send_waiting();
}

// A batch at a time: one that did not go through whole is sent again whole, and a repeated invalidation does no harm.
void Coherence::send_waiting() {
    if (sending_ > 0 || waiting_.empty() || !redis_->connected()) return;
    batch_ = std::min(waiting_.size(), kBatch);
    sending_ = batch_;
    batch_failed_ = false;
    for (std::size_t i = 0; i < batch_; ++i) send(waiting_[i]);
}

void Coherence::send(const std::string& item) {
    const std::string number = prefix_ + ":number";
    const std::string log = prefix_ + ":log";
    const std::string floor = prefix_ + ":floor";
    const std::string size = std::to_string(kLogMax);
    redis_->run(announce_script(), Words{number, log, floor}, Words{item, size, channel_, self_},
                [alive = weak_, item](const Result<store::RedisReply>& reply) {
                    if (const auto self = alive.lock()) (**self).on_sent(item, reply);
                });
}

void Coherence::on_sent(const std::string& item, const Result<store::RedisReply>& reply) {
    const auto number = reply ? parse_u64(reply->text) : std::nullopt;
    if (number) {
        // Known here before the message comes back: from now on the number says what is too old.
        const SpinGuard guard(lock_);
        note_locked(*number, item);
    }
    batch_failed_ = batch_failed_ || !number;
    if (--sending_ == 0) end_batch();
}

void Coherence::end_batch() {
    stuck_.store(batch_failed_ && redis_->connected(), std::memory_order_relaxed);
    if (batch_failed_) return tell_unnumbered();  // The pulse tries again.
    counters_.announced.fetch_add(batch_, std::memory_order_relaxed);
    for (std::size_t i = 0; i < batch_; ++i) forget_own(waiting_[i]);
    waiting_.erase(waiting_.begin(), waiting_.begin() + static_cast<std::ptrdiff_t>(batch_));
    all_waiting_ = all_waiting_ && !waiting_.empty();
    send_waiting();
}

// A message takes no memory in Redis. Said at every attempt: whoever has heard it does nothing.
void Coherence::tell_unnumbered() {
    for (std::size_t i = 0; i < batch_ && redis_->connected(); ++i) {
        const std::string message = "unnumbered " + self_ + " " + waiting_[i];
        redis_->command(Words{"PUBLISH", channel_, message}, [](const Result<store::RedisReply>&) {});
    }
}

void Coherence::forget_own(const std::string& item) {
    const SpinGuard guard(lock_);
    const auto found = own_.find(item);
    if (found != own_.end() && --found->second == 0) own_.erase(found);
}

// ---- Hearing.

// `NUMBER SENDER ITEM`, or `proof SENDER COUNT`.
void Coherence::on_message(std::string_view message) {
    const std::size_t first = message.find(' ');
    const std::size_t second = message.find(' ', first + 1);
    if (first == std::string_view::npos || second == std::string_view::npos) return;
    const std::string_view head = message.substr(0, first);
    const bool own = message.substr(first + 1, second - first - 1) == self_;
    const std::string_view item = message.substr(second + 1);
    if (head == "proof") {
        if (own && item == std::to_string(proofs_)) take_snapshot();
        return;
    }
    if (head == "unnumbered" && !own) return hear_unnumbered(item);
    const auto number = parse_u64(head);
    if (!number) return;
    if (!own) {
        counters_.heard.fetch_add(1, std::memory_order_relaxed);
        apply(item);
    }
    if (synced()) {
        hear(*number, item);
    } else if (snapshot_under_way_) {
        meanwhile_.push_back({*number, std::string(item)});
    }
    const SpinGuard guard(lock_);
    if (!others_.empty()) others_.erase(std::string(item));
}

void Coherence::hear_unnumbered(std::string_view item) {
    {
        const SpinGuard guard(lock_);
        if (others_.size() >= kWaitingMax) {
            others_.clear();
            item = "a";
        }
        if (!others_.try_emplace(std::string(item), 1).second) return;
    }
    counters_.heard.fetch_add(1, std::memory_order_relaxed);
    apply(item);
}

void Coherence::hear(std::uint64_t number, std::string_view item) {
    if (number <= sequence()) return;  // The snapshot had it.
    if (number == sequence() + 1) {
        note(number, item);
    } else {
        on_lost();  // One is missing: as if the connection had broken.
    }
}

void Coherence::apply(std::string_view item) {
    if (is_tag(item)) {
        store_.invalidate_tag(tag_of(item.substr(1)));
    } else if (item.starts_with('p')) {
        store_.invalidate_prefix(item.substr(1));
    } else if (item.starts_with('k')) {
        store_.invalidate_key(Key(std::string(item.substr(1))));
    } else {
        store_.invalidate_all();
    }
}

void Coherence::note(std::uint64_t sequence, std::string_view item) {
    {
        const SpinGuard guard(lock_);
        note_locked(sequence, item);
    }
    sequence_.store(sequence, std::memory_order_release);
}

void Coherence::note_locked(std::uint64_t sequence, std::string_view item) {
    if (is_tag(item)) {
        tags_[tag_of(item.substr(1))] = sequence;
    } else if (item.starts_with('k')) {
        keys_[std::string(item.substr(1))] = sequence;
    } else if (item.starts_with('p')) {
        const auto found = std::ranges::find(prefixes_, item.substr(1), &std::pair<std::string, std::uint64_t>::first);
        if (found != prefixes_.end()) {
            found->second = sequence;
        } else {
            prefixes_.emplace_back(item.substr(1), sequence);
        }
    } else {
        all_ = sequence;
    }
    if (tags_.size() + keys_.size() + prefixes_.size() <= 2 * kLogMax) return;
    // The server keeps the last kLogMax; so much older than that need not be told apart.
    floor_ = std::max(floor_, sequence - kLogMax);
    std::erase_if(tags_, [this](const auto& entry) TG_REQUIRES(lock_) { return entry.second <= floor_; });
    std::erase_if(keys_, [this](const auto& entry) TG_REQUIRES(lock_) { return entry.second <= floor_; });
    std::erase_if(prefixes_, [this](const auto& entry) TG_REQUIRES(lock_) { return entry.second <= floor_; });
}

/// What was announced and has no number yet names it. Few, unless Redis is full: then it is enough that there are many.
bool Coherence::unsettled(const Unpacked& answer) const {
    constexpr std::size_t kLookedAtMax = 256;
    if (own_.empty() && others_.empty()) return false;
    if (own_.size() + others_.size() > kLookedAtMax) return true;
    const std::string_view path = path_of(answer.key_text);
    const auto names = [&](const auto& waiting) {
        const std::string_view item = waiting.first;
        const std::string_view rest = item.substr(1);
        if (is_tag(item)) return std::ranges::find(answer.tags, tag_of(rest)) != answer.tags.end();
        if (item.starts_with('k')) return rest == answer.key_text;
        return item.starts_with('p') ? path.starts_with(rest) : true;
    };
    return std::ranges::any_of(own_, names) || std::ranges::any_of(others_, names);
}

bool Coherence::good(const Unpacked& answer) const {
    if (!synced()) return false;
    const std::string key(answer.key_text);
    const std::string_view path = path_of(answer.key_text);
    const SpinGuard guard(lock_);
    if (unsettled(answer)) return false;
    const std::uint64_t since = answer.sequence;
    if (since < floor_ || since < all_) return false;
    const auto later = [since](const auto& map, const auto& named) {
        const auto found = map.find(named);
        return found != map.end() && found->second > since;
    };
    if (later(keys_, key)) return false;
    if (std::ranges::any_of(answer.tags, [&](std::uint64_t tag) TG_REQUIRES(lock_) { return later(tags_, tag); }))
        return false;
    return std::ranges::none_of(
        prefixes_, [&](const auto& prefix) { return prefix.second > since && path.starts_with(prefix.first); });
}

// ---- Being sure.

void Coherence::on_lost() {
    ++losses_;
    counters_.lost.fetch_add(1, std::memory_order_relaxed);
    counters_.synced.store(0, std::memory_order_relaxed);
    synced_.store(false, std::memory_order_release);
    store_.invalidate_all();
    {
        // Whoever told of them tells again.
        const SpinGuard guard(lock_);
        others_.clear();
    }
    prove();
}

std::string_view Coherence::trouble() const noexcept {
    if (!connected_.load(std::memory_order_relaxed)) return "no connection to Redis, or it is slow";
    if (!synced()) return "not sure yet to hear what other servers invalidate";
    if (stuck_.load(std::memory_order_relaxed)) return "Redis takes no invalidations: it may be full";
    return {};
}

void Coherence::on_state(bool connected) {
    connected_.store(connected, std::memory_order_relaxed);
    if (!connected) return;
    if (!synced()) prove();
    send_waiting();
}

// Says something to itself: once it is heard, the subscription is alive.
void Coherence::prove() {
    if (!redis_->connected() || snapshot_under_way_) return;
    const std::string message = "proof " + self_ + " " + std::to_string(++proofs_);
    redis_->command(Words{"PUBLISH", channel_, message}, [](const Result<store::RedisReply>&) {});
}

void Coherence::take_snapshot() {
    if (synced() || snapshot_under_way_) return;
    snapshot_under_way_ = true;
    meanwhile_.clear();
    const std::uint64_t losses = losses_;
    const std::string number = prefix_ + ":number";
    const std::string log = prefix_ + ":log";
    const std::string floor = prefix_ + ":floor";
    redis_->run(snapshot_script(), Words{number, log, floor}, Words{},
                [alive = weak_, losses](const Result<store::RedisReply>& reply) {
                    const auto self = alive.lock();
                    if (!self) return;
                    Coherence& coherence = **self;
                    coherence.snapshot_under_way_ = false;
                    // Lost again meanwhile: the pulse begins anew.
                    if (reply && losses == coherence.losses_) coherence.on_snapshot(*reply);
                });
}

void Coherence::on_snapshot(const store::RedisReply& reply) {
    if (reply.items.size() < 2 || reply.items.size() % 2 != 0) return;
    const auto number = parse_u64(reply.items[0].text);
    const auto floor = parse_u64(reply.items[1].text);
    if (!number || !floor) return;
    {
        const SpinGuard guard(lock_);
        tags_.clear();
        keys_.clear();
        prefixes_.clear();
        all_ = 0;
        floor_ = *floor;
        for (std::size_t i = 2; i + 1 < reply.items.size(); i += 2) {
            note_locked(parse_u64(reply.items[i + 1].text).value_or(*number), reply.items[i].text);
        }
    }
    sequence_.store(*number, std::memory_order_release);
    synced_.store(true, std::memory_order_release);
    counters_.synced.store(1, std::memory_order_relaxed);
    for (const Item& item : std::exchange(meanwhile_, {})) hear(item.sequence, item.text);
}

}  // namespace tidegate::cache
