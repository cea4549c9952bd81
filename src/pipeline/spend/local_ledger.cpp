#include "pipeline/spend/local_ledger.h"

#include <algorithm>

namespace tidegate::pipeline::spend {
namespace {

class LocalLedger final : public Ledger {
  public:
    explicit LocalLedger(std::shared_ptr<Book> book) : book_(std::move(book)) {}

    std::optional<Outcome> reserve(const Payer& payer, Points cost, UnixMillis now, Done) override {
        return reserve_locally(*book_, shared_from_this(), payer, cost, now, {});
    }

    std::optional<Usage> usage(const Payer& payer, UnixMillis now, DoneUsage) override {
        const Day& day = book_->day(now);
        return book_->usage_of(book_->accounts().balances(payer, day.begin), day);
    }

  private:
    void settle(const Ticket& ticket, Points actual) noexcept override {
        book_->accounts().settle(ticket.payer, ticket.cost, actual, ticket.day, false);
        count_settled(book_->counters(), ticket.cost, actual);
    }

    const std::shared_ptr<Book> book_;
};

}  // namespace

std::shared_ptr<Ledger> make_local_ledger(std::shared_ptr<Book> book) {
    return std::make_shared<LocalLedger>(std::move(book));
}

Ledger::Outcome reserve_locally(Book& book, std::shared_ptr<Ledger> ledger, const Payer& payer, Points cost,
                                UnixMillis now, const Held& held) {
    if (cost.is_zero()) return Reservation();
    const Day& day = held.day != nullptr ? *held.day : book.day(now);
    Accounts::Pair before;
    const Accounts::Verdict verdict = book.accounts().admit(payer, cost, day.begin, held.is_held, before);
    if (verdict != Accounts::Verdict::kAdmitted) {
        return std::unexpected(book.refuse(verdict, payer, before, cost, day));
    }
    book.counters().admitted.add();
    const Ticket ticket{.payer = payer, .cost = cost, .day = day.begin, .id = held.id};
    return Reservation(std::move(ledger), ticket, remaining_after(before, cost), day.end);
}

void count_settled(SpendCounters& counters, Points cost, Points actual) noexcept {
    counters.charged_milli.add(static_cast<std::uint64_t>(actual.milli));
    const std::int64_t refund = std::max<std::int64_t>(0, cost.milli - actual.milli);
    if (refund > 0) counters.refunded_milli.add(static_cast<std::uint64_t>(refund));
}

}  // namespace tidegate::pipeline::spend
