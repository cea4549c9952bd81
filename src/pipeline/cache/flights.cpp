#include "pipeline/cache/flights.h"

#include <algorithm>
#include <array>
#include <unordered_map>
#include <utility>
#include <vector>

#include "base/assert.h"
#include "base/mutex.h"

namespace tidegate::cache {
namespace {

constexpr std::size_t kParts = 16;        // Locks; taken on misses only.
constexpr std::size_t kMarksAPart = 512;  // 8,192 in all, 128 KiB.
constexpr std::size_t kMarkWays = 4;

struct ByHash {
    std::size_t operator()(const KeyHash& hash) const noexcept { return static_cast<std::size_t>(hash.low); }
};

// Remembers half of the hash: a key that shares it goes alone for a while, which costs an execution and harms nothing.
struct Mark {
    std::uint64_t hash = 0;
    SteadyTime until = SteadyTime::min();
};

using Counter = std::atomic<std::uint64_t>;

}  // namespace

struct Flights::Waiting {
    Waiting(std::shared_ptr<runtime::Mailbox> its_mailbox, SteadyTime its_deadline, Wake its_wake)
        : mailbox(std::move(its_mailbox)), deadline(its_deadline), wake(std::move(its_wake)) {}
    const std::shared_ptr<runtime::Mailbox> mailbox;
    const SteadyTime deadline;
    // On its own loop only, like the Waiter: no lock.
    Wake wake;
};

struct Flights::Flight {
    Flight(Key its_key, SteadyTime its_start) : key(std::move(its_key)), started(its_start) {}
    const Key key;
    const SteadyTime started;
    std::vector<std::shared_ptr<Waiting>> waiters;
    bool listed = true;  // Found under its key; false once landed, or overtaken by a younger leader.
};

struct Flights::State {
    explicit State(const FlightOptions& given) : options(given) {}

    struct Part {
        Mutex mutex;
        // One flight a hash; of two keys with one hash the second goes alone.
        std::unordered_map<KeyHash, std::shared_ptr<Flight>, ByHash> flights TG_GUARDED_BY(mutex);
        std::vector<std::weak_ptr<Flight>> overtaken TG_GUARDED_BY(mutex);  // Not listed, but waited for.
        std::array<Mark, kMarksAPart> marks TG_GUARDED_BY(mutex);

        Mark* first_way(const Key& key) TG_REQUIRES(mutex) {
            return &marks[(key.hash().high / kParts % (kMarksAPart / kMarkWays)) * kMarkWays];
        }
        bool marked(const Key& key, SteadyTime now) TG_REQUIRES(mutex) {
            const Mark* const ways = first_way(key);
            return std::any_of(ways, ways + kMarkWays,
                               [&](const Mark& mark) { return mark.hash == key.hash().low && mark.until > now; });
        }
        void mark(const Key& key, SteadyTime until) TG_REQUIRES(mutex) {
            Mark* const ways = first_way(key);
            Mark* way =
                std::find_if(ways, ways + kMarkWays, [&](const Mark& mark) { return mark.hash == key.hash().low; });
            if (way == ways + kMarkWays) way = std::ranges::min_element(ways, ways + kMarkWays, {}, &Mark::until);
            *way = {.hash = key.hash().low, .until = until};
        }
        void unmark(const Key& key) TG_REQUIRES(mutex) {
            Mark* const ways = first_way(key);
            for (Mark* way = ways; way != ways + kMarkWays; ++way) {
                if (way->hash == key.hash().low) *way = {};
            }
        }
        // The flight leaves the list, if it is the one that stands there.
        void unlist(Flight& flight) TG_REQUIRES(mutex) {
            if (std::exchange(flight.listed, false)) flights.erase(flight.key.hash());
        }
    };
    Part& part_of(const Key& key) { return parts[key.hash().high % kParts]; }
    static void wake(std::shared_ptr<Waiting> waiting, const std::shared_ptr<const Landing>& landing);

    const FlightOptions options;
    std::array<Part, kParts> parts;
    Counter leaders{0}, waiters{0}, alone_marked{0}, alone_full{0}, overdue{0}, failed{0};
};

Key variant_key(const Key& base, std::string_view vary_names, std::string_view selecting) {
    std::string text = base.text();
    text.append("\nvary ").append(vary_names).append("\n").append(selecting);
    return Key(std::move(text));
}

Flights::Flights(const FlightOptions& options) : state_(std::make_shared<State>(options)) {}
Flights::~Flights() = default;

// ---- Joining.

Flights::Joined Flights::join(const Key& key, SteadyTime now, SteadyTime deadline,
                              std::shared_ptr<runtime::Mailbox> mailbox, Wake wake) {
    Joined joined;
    State::Part& part = state_->part_of(key);
    const Lock lock(part.mutex);
    if (part.marked(key, now)) {
        state_->alone_marked.fetch_add(1, std::memory_order_relaxed);
        joined.marked = true;
        return joined;
    }
    const auto found = part.flights.find(key.hash());
    if (found != part.flights.end() && found->second->key.text() != key.text()) return joined;
    const bool alone = found == part.flights.end();
    const bool too_old = !alone && now - found->second->started > state_->options.leader_age_max;
    if (too_old) {
        // Who waits for it already goes on waiting.
        part.overtaken.push_back(found->second);
        part.unlist(*found->second);
    }
    if (alone || too_old) {
        auto flight = std::make_shared<Flight>(key, now);
        part.flights[key.hash()] = flight;
        state_->leaders.fetch_add(1, std::memory_order_relaxed);
        joined.role = Joined::Role::kLeader;
        joined.leader = Leader(state_, std::move(flight));
        return joined;
    }
    Flight& flight = *found->second;
    if (flight.waiters.size() >= state_->options.waiters_max) {
        state_->alone_full.fetch_add(1, std::memory_order_relaxed);
        return joined;
    }
    auto waiting = std::make_shared<Waiting>(std::move(mailbox), deadline, std::move(wake));
    flight.waiters.push_back(waiting);
    state_->waiters.fetch_add(1, std::memory_order_relaxed);
    joined.role = Joined::Role::kWaiter;
    joined.waiter = Waiter(state_, found->second, std::move(waiting));
    return joined;
}

Flights::Leader Flights::lead(const Key& key, SteadyTime now) {
    State::Part& part = state_->part_of(key);
    const Lock lock(part.mutex);
    const auto [place, fresh] = part.flights.try_emplace(key.hash());
    if (!fresh) return {};
    place->second = std::make_shared<Flight>(key, now);
    state_->leaders.fetch_add(1, std::memory_order_relaxed);
    return Leader(state_, place->second);
}

// ---- Waiting.

void Flights::State::wake(std::shared_ptr<Waiting> waiting, const std::shared_ptr<const Landing>& landing) {
    runtime::Mailbox& mailbox = *waiting->mailbox;
    mailbox.post([waiting = std::move(waiting), landing] {
        // Empty when its Waiter was dropped meanwhile, on this same loop.
        if (Wake wake = std::exchange(waiting->wake, nullptr)) wake(*landing);
    });
}

void Flights::Waiter::leave() noexcept {
    if (!waiting_) return;
    waiting_->wake = nullptr;
    {
        const Lock lock(state_->part_of(flight_->key).mutex);
        std::erase(flight_->waiters, waiting_);
    }
    waiting_.reset();
}

Flights::Waiter& Flights::Waiter::operator=(Waiter&& other) noexcept {
    if (this == &other) return *this;
    leave();
    state_ = std::move(other.state_);
    flight_ = std::move(other.flight_);
    waiting_ = std::move(other.waiting_);
    return *this;
}
Flights::Waiter::~Waiter() {
    leave();
}

// ---- Landing.

Flights::Leader& Flights::Leader::operator=(Leader&& other) noexcept {
    if (this == &other) return *this;
    if (flight_) failed({.status = 503, .error = "abandoned", .detail = "Whoever asked first has left."});
    state_ = std::move(other.state_);
    flight_ = std::move(other.flight_);
    return *this;
}
Flights::Leader::~Leader() {
    if (flight_) failed({.status = 503, .error = "abandoned", .detail = "Whoever asked first has left."});
}

bool Flights::Leader::others_wait() const {
    const Lock lock(state_->part_of(flight_->key).mutex);
    return !flight_->waiters.empty();
}

void Flights::Leader::land(const Landing& landing) {
    TG_ASSERT(flight_ != nullptr);
    std::vector<std::shared_ptr<Waiting>> waiters;
    {
        State::Part& part = state_->part_of(flight_->key);
        const Lock lock(part.mutex);
        part.unlist(*flight_);
        waiters.swap(flight_->waiters);
    }
    flight_.reset();
    const auto state = std::exchange(state_, nullptr);
    if (waiters.empty()) return;
    const auto told = std::make_shared<const Landing>(landing);
    for (auto& waiting : waiters) State::wake(std::move(waiting), told);
}

void Flights::Leader::varies(std::string_view vary_names, std::string_view selecting) {
    TG_ASSERT(flight_ != nullptr);
    auto variant = std::make_shared<Flight>(variant_key(flight_->key, vary_names, selecting), flight_->started);
    {
        State::Part& part = state_->part_of(variant->key);
        const Lock lock(part.mutex);
        // Where another leads this variant already, this one goes on by itself.
        variant->listed = part.flights.try_emplace(variant->key.hash(), variant).second;
    }
    Leader former(state_, std::exchange(flight_, std::move(variant)));
    former.land({.outcome = Landing::Outcome::kVaries, .vary = std::string(vary_names)});
}

void Flights::Leader::kept(EntryPtr entry) {
    TG_ASSERT(flight_ != nullptr);
    {
        State::Part& part = state_->part_of(flight_->key);
        const Lock lock(part.mutex);
        part.unmark(flight_->key);
    }
    land({.outcome = Landing::Outcome::kKept, .entry = std::move(entry)});
}

void Flights::Leader::uncacheable(bool remember, SteadyTime now) {
    TG_ASSERT(flight_ != nullptr);
    if (remember) {
        State::Part& part = state_->part_of(flight_->key);
        const Lock lock(part.mutex);
        part.mark(flight_->key, now + state_->options.uncacheable_for);
    }
    land({.outcome = Landing::Outcome::kUncacheable});
}

void Flights::Leader::failed(FlightFailure failure) {
    TG_ASSERT(flight_ != nullptr);
    state_->failed.fetch_add(1, std::memory_order_relaxed);
    land({.outcome = Landing::Outcome::kFailed, .failure = std::make_shared<const FlightFailure>(std::move(failure))});
}

// ---- Time and reports.

std::size_t Flights::expire(SteadyTime now) {
    std::vector<std::shared_ptr<Waiting>> late;
    const auto take_late = [&](Flight& flight) {
        std::erase_if(flight.waiters, [&](const std::shared_ptr<Waiting>& waiting) {
            if (waiting->deadline > now) return false;
            late.push_back(waiting);
            return true;
        });
    };
    for (State::Part& part : state_->parts) {
        const Lock lock(part.mutex);
        for (const auto& [hash, flight] : part.flights) take_late(*flight);
        std::erase_if(part.overtaken, [&](const std::weak_ptr<Flight>& weak) {
            const auto flight = weak.lock();
            if (flight) take_late(*flight);
            return !flight || flight->waiters.empty();
        });
    }
    const auto told = std::make_shared<const Landing>(Landing{.outcome = Landing::Outcome::kOverdue});
    for (auto& waiting : late) State::wake(std::move(waiting), told);
    state_->overdue.fetch_add(late.size(), std::memory_order_relaxed);
    return late.size();
}

bool Flights::marked(const Key& key, SteadyTime now) const {
    State::Part& part = state_->part_of(key);
    const Lock lock(part.mutex);
    return part.marked(key, now);
}

FlightStats Flights::stats() const {
    constexpr auto kRelaxed = std::memory_order_relaxed;
    FlightStats stats{.leaders = state_->leaders.load(kRelaxed),
                      .waiters = state_->waiters.load(kRelaxed),
                      .alone_marked = state_->alone_marked.load(kRelaxed),
                      .alone_full = state_->alone_full.load(kRelaxed),
                      .overdue = state_->overdue.load(kRelaxed),
                      .failed = state_->failed.load(kRelaxed)};
    for (State::Part& part : state_->parts) {
        const Lock lock(part.mutex);
        stats.under_way += part.flights.size();
        for (const auto& [hash, flight] : part.flights) stats.waiting += flight->waiters.size();
    }
    return stats;
}

}  // namespace tidegate::cache
