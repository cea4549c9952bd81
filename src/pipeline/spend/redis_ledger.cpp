#include "pipeline/spend/redis_ledger.h"

#include <fmt/core.h>
#include <unistd.h>

#include <array>
#include <deque>
#include <memory>

#include "base/hash.h"
#include "pipeline/spend/local_ledger.h"
#include "pipeline/spend/mirror.h"
#include "pipeline/spend/redis_scripts.h"
#include "pipeline/spend/redis_words.h"

namespace tidegate::pipeline::spend {
namespace {

// Accounts of one publishing script: some hundred microseconds of Redis, in which nobody else is served.
constexpr std::size_t kPublishBatch = 100;

/// Two processes with one origin would hide each other's spend: also after a fork, which copies what a generator holds ready.
std::uint64_t unlike_any(Random& random) {
    return random.next_u64() ^ mix64(static_cast<std::uint64_t>(::getpid()));
}

std::vector<AccountName> names_of(const Payer& payer) {
    std::vector<AccountName> names{name_of(payer, false)};
    if (payer.tenant != 0) names.push_back(name_of(payer, true));
    return names;
}

class Shared final : public RedisLedger {
  public:
    Shared(std::shared_ptr<Book> book, store::Redis& redis, runtime::EventLoop& loop, Random& random,
           RedisLedgerOptions options)
        : book_(std::move(book)),
          redis_(&redis),
          loop_(loop),
          mailbox_(loop.mailbox()),
          options_(std::move(options)),
          next_id_(unlike_any(random)),
          mirror_(fmt::format("{:016x}", unlike_any(random)), options_.accounts_max),
          retry_(*this) {}
    ~Shared() override {
        if (degraded_.load(std::memory_order_relaxed)) book_->counters().loops_degraded.fetch_sub(1);
    }

    void begin();
    void stop() noexcept override;
    std::optional<Outcome> reserve(const Payer& payer, Points cost, UnixMillis now, Done done) override;
    std::optional<Usage> usage(const Payer& payer, UnixMillis now, DoneUsage done) override;
    bool degraded() const noexcept override { return degraded_.load(std::memory_order_relaxed); }

  private:
    class Retry final : public runtime::Timer {
      public:
        explicit Retry(Shared& ledger) : ledger_(ledger) {}
        void on_timer() override { ledger_.recover(); }

      private:
        Shared& ledger_;
    };

    std::shared_ptr<Shared> self() { return std::static_pointer_cast<Shared>(shared_from_this()); }
    bool can_ask() const noexcept { return redis_ != nullptr && redis_->connected(); }
    void settle(const Ticket& ticket, Points actual) noexcept override;

    RedisWords reserve_words(const Payer& payer, Points cost, const Day& day, std::uint64_t id);
    Outcome judge(const Result<store::RedisReply>& reply, const Payer& payer, Points cost, const Day& day,
                  std::uint64_t id, UnixMillis now);
    void charge(const Ticket& ticket, Points actual);
    void send_settlement(const Ticket& ticket);
    void keep_release(const Ticket& ticket);
    void learn(const AccountName& name, std::int64_t spent, std::int64_t reserved, Points confirmed, std::int64_t day);

    void load_scripts();
    void failed();
    void recover();
    void publish_next();
    void set_degraded(bool degraded);

    const std::shared_ptr<Book> book_;
    store::Redis* redis_;
    runtime::EventLoop& loop_;
    const std::shared_ptr<runtime::Mailbox> mailbox_;
    const RedisLedgerOptions options_;
    std::uint64_t next_id_;
    Mirror mirror_;
    Day today_;  // The mirror's.
    std::deque<Ticket> releases_;
    std::vector<AccountName> to_publish_;  // Of the round under way, last first.
    bool is_publishing_ = false;
    std::atomic<bool> degraded_{false};
    Retry retry_;
};

void Shared::begin() {
    set_degraded(!can_ask());
    if (can_ask()) load_scripts();
    redis_->on_state([weak = std::weak_ptr(self())](bool connected) {
        const auto ledger = weak.lock();
        if (ledger == nullptr || ledger->redis_ == nullptr) return;
        if (connected) return ledger->recover();
        ledger->set_degraded(true);
    });
}

void Shared::stop() noexcept {
    redis_ = nullptr;
    loop_.timers().cancel(retry_);
    set_degraded(true);
}

RedisWords Shared::reserve_words(const Payer& payer, Points cost, const Day& day, std::uint64_t id) {
    RedisWords words(options_.prefix, day);
    words.add_lifetime();
    words.add(fmt::format("{:016x}", id));
    words.add(cost.milli);
    words.add(std::chrono::duration_cast<std::chrono::milliseconds>(options_.reservation_max).count());
    for (const AccountName& name : names_of(payer)) {
        const bool tenant = name.kind == AccountName::Kind::kTenant;
        words.add_counters(name);
        words.add_open(name);
        words.add((tenant ? payer.tenant_cap : payer.actor_cap).milli);
        words.add(book_->accounts().known(payer, tenant, day.begin).milli);
    }
    return words;
}

std::optional<Ledger::Outcome> Shared::reserve(const Payer& payer, Points cost, UnixMillis now, Done done) {
    if (cost.is_zero()) return Reservation();
    if (!can_ask()) {
        book_->counters().local.add();
        return reserve_locally(*book_, self(), payer, cost, now, {});
    }
    const Day day = book_->day(now);
    // Held here from the start: should Redis go away meanwhile, this process knows what it has open.
    if (!book_->accounts().hold(payer, cost, day.begin)) {
        return std::unexpected(book_->refuse(Accounts::Verdict::kFull, payer, {}, cost, day));
    }
    const std::uint64_t id = ++next_id_;
    reserve_words(payer, cost, day, id)
        .run(*redis_, reserve_script(),
             [ledger = self(), payer, cost, day, id, now,
              done = std::move(done)](const Result<store::RedisReply>& reply) mutable {
                 done(ledger->judge(reply, payer, cost, day, id, now));
             });
    return std::nullopt;
}

Ledger::Outcome Shared::judge(const Result<store::RedisReply>& reply, const Payer& payer, Points cost, const Day& day,
                              std::uint64_t id, UnixMillis now) {
    const std::size_t sides = payer.tenant == 0 ? 1 : 2;
    const auto numbers = numbers_of(reply, 1 + 2 * sides);
    if (!numbers) {
        failed();
        book_->counters().local.add();
        // Whether Redis has booked it is unknown: the id goes along, so that the settlement takes it back there.
        Outcome outcome = reserve_locally(*book_, self(), payer, cost, now, {.is_held = true, .day = &day, .id = id});
        if (!outcome) keep_release({.payer = payer, .cost = cost, .day = day.begin, .id = id});
        return outcome;
    }
    const std::int64_t refused = numbers->front();
    const std::int64_t booked = refused == 0 ? cost.milli : 0;
    const auto balance = [&](std::size_t side, Points cap) {
        return Balance{{(*numbers)[1 + 2 * side]}, {(*numbers)[2 + 2 * side]}, cap};
    };
    Accounts::Pair before{.actor = balance(0, payer.actor_cap), .tenant = {}};
    if (sides == 2) before.tenant = balance(1, payer.tenant_cap);
    if (refused != 0) book_->accounts().settle(payer, cost, {}, day.begin, true);
    learn(name_of(payer, false), before.actor.spent.milli, before.actor.reserved.milli + booked, {}, day.begin);
    if (before.tenant) {
        learn(name_of(payer, true), before.tenant->spent.milli, before.tenant->reserved.milli + booked, {}, day.begin);
    }
    if (refused != 0) {
        const auto verdict = refused == 2 ? Accounts::Verdict::kTenantCap : Accounts::Verdict::kActorCap;
        return std::unexpected(book_->refuse(verdict, payer, before, cost, day));
    }
    book_->counters().admitted.add();
    const Ticket ticket{.payer = payer, .cost = cost, .day = day.begin, .id = id};
    return Reservation(self(), ticket, remaining_after(before, cost), day.end);
}

std::optional<Usage> Shared::usage(const Payer& payer, UnixMillis now, DoneUsage done) {
    const Day day = book_->day(now);
    if (!can_ask()) return book_->usage_of(book_->accounts().balances(payer, day.begin), day);
    reserve_words(payer, {}, day, 0)
        .run(*redis_, reserve_script(),
             [ledger = self(), payer, day, done = std::move(done)](const Result<store::RedisReply>& reply) mutable {
                 Accounts::Pair pair = ledger->book_->accounts().balances(payer, day.begin);
                 const auto numbers = numbers_of(reply, payer.tenant == 0 ? 3 : 5);
                 if (!numbers) ledger->failed();
                 if (numbers) {
                     pair.actor = Balance{{(*numbers)[1]}, {(*numbers)[2]}, payer.actor_cap};
                     if (pair.tenant) pair.tenant = Balance{{(*numbers)[3]}, {(*numbers)[4]}, payer.tenant_cap};
                 }
                 done(ledger->book_->usage_of(pair, day));
             });
    return std::nullopt;
}

void Shared::settle(const Ticket& ticket, Points actual) noexcept {
    book_->accounts().settle(ticket.payer, ticket.cost, actual, ticket.day, true);
    count_settled(book_->counters(), ticket.cost, actual);
    if (mailbox_->on_loop_thread()) return charge(ticket, actual);
    // False once the loop has ended: nobody is left to tell Redis; the log has the charge.
    static_cast<void>(mailbox_->post([ledger = self(), ticket, actual] { ledger->charge(ticket, actual); }));
}

void Shared::charge(const Ticket& ticket, Points actual) {
    if (redis_ == nullptr) return;
    if (ticket.day > mirror_.day()) {
        mirror_.begin_day(ticket.day);
        to_publish_.clear();
        today_ = book_->zone().day_at(ticket.day);
    }
    if (ticket.day == mirror_.day() && !actual.is_zero()) {
        for (const AccountName& name : names_of(ticket.payer)) {
            if (!mirror_.charge(name, actual)) book_->counters().unmirrored.add();
        }
    }
    if (can_ask()) return send_settlement(ticket);
    keep_release(ticket);
}

void Shared::send_settlement(const Ticket& ticket) {
    const bool is_today = ticket.day == mirror_.day();
    RedisWords words(options_.prefix, is_today ? today_ : book_->zone().day_at(ticket.day));
    words.add_lifetime();
    words.add(ticket.id == 0 ? std::string() : fmt::format("{:016x}", ticket.id));
    words.add(ticket.cost.milli);
    std::vector<Mirror::Total> totals;
    for (const AccountName& name : names_of(ticket.payer)) {
        // An earlier day is over: only its reservation is taken back.
        const Mirror::Total total = is_today ? mirror_.total(name) : Mirror::Total{};
        words.add_counters(name);
        words.add_open(name);
        words.add(mirror_.origin_of(total));
        words.add(total.milli);
        totals.push_back(total);
    }
    words.run(*redis_, settle_script(),
              [ledger = self(), ticket, totals = std::move(totals)](const Result<store::RedisReply>& reply) {
                  const auto numbers = numbers_of(reply, 2 * totals.size());
                  if (!numbers) {
                      ledger->keep_release(ticket);
                      return ledger->failed();
                  }
                  const auto names = names_of(ticket.payer);
                  for (std::size_t i = 0; i < names.size(); ++i) {
                      const bool is_current = ticket.day == ledger->mirror_.day();
                      const Points news = is_current ? ledger->mirror_.confirm(names[i], totals[i]) : Points{};
                      ledger->learn(names[i], (*numbers)[2 * i], (*numbers)[2 * i + 1], news, ticket.day);
                  }
              });
}

void Shared::keep_release(const Ticket& ticket) {
    if (ticket.id == 0) return;  // Only its total counts, and that is in the mirror.
    if (releases_.size() >= options_.releases_max) return book_->counters().releases_dropped.add();
    releases_.push_back(ticket);
}

void Shared::learn(const AccountName& name, std::int64_t spent, std::int64_t reserved, Points confirmed,
                   std::int64_t day) {
    book_->accounts().learn(payer_of(name), name.kind == AccountName::Kind::kTenant, day,
                            {.spent = {spent}, .reserved = {reserved}, .confirmed = confirmed});
}

void Shared::failed() {
    book_->counters().shared_failures.add();
    if (redis_ == nullptr) return;
    set_degraded(true);
    loop_.timers().schedule(retry_, loop_.now() + options_.retry);
}

// Before their first use, so that none has to be sent again behind one that came after it.
void Shared::load_scripts() {
    for (const store::RedisScript* script : {&reserve_script(), &settle_script(), &publish_script()}) {
        const std::array<std::string_view, 3> words{"SCRIPT", "LOAD", script->source()};
        redis_->command(words, [](const Result<store::RedisReply>&) {});
    }
}

// Gives back what waits, then sends every total of the day: what was lost, was sent in vain or was never sent.
void Shared::recover() {
    if (!can_ask()) return;
    load_scripts();
    std::deque<Ticket> waiting;
    waiting.swap(releases_);
    for (const Ticket& ticket : waiting) send_settlement(ticket);
    to_publish_ = mirror_.names();
    if (!is_publishing_) publish_next();
}

void Shared::publish_next() {
    is_publishing_ = false;
    if (!can_ask()) return;
    if (to_publish_.empty()) return set_degraded(false);
    is_publishing_ = true;
    RedisWords words(options_.prefix, today_);
    words.add_lifetime();
    std::vector<std::pair<AccountName, Mirror::Total>> sent;
    while (!to_publish_.empty() && sent.size() < kPublishBatch) {
        const AccountName name = to_publish_.back();
        to_publish_.pop_back();
        const Mirror::Total total = mirror_.total(name);
        words.add_counters(name);
        words.add(mirror_.origin_of(total));
        words.add(total.milli);
        words.add(book_->accounts().known(payer_of(name), name.kind == AccountName::Kind::kTenant, today_.begin).milli);
        sent.emplace_back(name, total);
    }
    words.run(*redis_, publish_script(),
              [ledger = self(), day = today_.begin, sent = std::move(sent)](const Result<store::RedisReply>& reply) {
                  const auto numbers = numbers_of(reply, 2 * sent.size());
                  if (!numbers) {
                      ledger->is_publishing_ = false;
                      return ledger->failed();
                  }
                  for (std::size_t i = 0; i < sent.size() && day == ledger->mirror_.day(); ++i) {
                      const Points news = ledger->mirror_.confirm(sent[i].first, sent[i].second);
                      ledger->learn(sent[i].first, (*numbers)[2 * i], (*numbers)[2 * i + 1], news, day);
                  }
                  ledger->publish_next();
              });
}

void Shared::set_degraded(bool degraded) {
    if (degraded_.exchange(degraded, std::memory_order_relaxed) == degraded) return;
    auto& loops = book_->counters().loops_degraded;
    if (degraded) {
        loops.fetch_add(1, std::memory_order_relaxed);
    } else {
        loops.fetch_sub(1, std::memory_order_relaxed);
    }
}

}  // namespace

std::shared_ptr<RedisLedger> make_redis_ledger(std::shared_ptr<Book> book, store::Redis& redis,
                                               runtime::EventLoop& loop, Random& random, RedisLedgerOptions options) {
    auto ledger = std::make_shared<Shared>(std::move(book), redis, loop, random, std::move(options));
    ledger->begin();
    return ledger;
}

}  // namespace tidegate::pipeline::spend
