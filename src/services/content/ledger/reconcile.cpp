// Books: does it all add up?
#include <fmt/format.h>

#include "services/content/ledger/books.h"
#include "services/content/ledger/sql.h"

namespace tidegate::content {
namespace {

constexpr std::size_t kFaultsShown = 20;

struct LedgerCheck {
    std::string_view
        sql;  // Gives a row (number, expected, found), as texts, for each fault: a sum may be of more than 63 bits.
    std::string_view what;  // Said of it.
};

constexpr LedgerCheck kLedgerChecks[] = {
    {"SELECT CAST(a.id AS TEXT), CAST(coalesce(sum(e.amount), 0) AS TEXT), CAST(a.balance AS TEXT) FROM accounts a "
     "LEFT JOIN entries e ON e.account = a.id GROUP BY a.id HAVING coalesce(sum(e.amount), 0) <> a.balance",
     "account {}: its entries add up to {}, its balance is {}"},
    {"SELECT CAST(id AS TEXT), '0', CAST(balance AS TEXT) FROM accounts WHERE kind = 'user' AND balance < 0",
     "account {}: least {}, its balance is {}"},
    {"SELECT CAST(t.row AS TEXT), '2', CAST(count(e.account) AS TEXT) FROM transfers t LEFT JOIN entries e ON "
     "e.transfer = t.row GROUP BY t.row HAVING count(e.account) <> 2",
     "transfer {}: needs {} entries, has {}"},
    {"SELECT CAST(t.row AS TEXT), CAST(t.amount AS TEXT), CAST(e.amount AS TEXT) FROM transfers t JOIN entries e ON "
     "e.transfer = t.row AND e.account = t.credit WHERE e.amount <> t.amount",
     "transfer {}: credits {}, its entry says {}"},
    {"SELECT CAST(t.row AS TEXT), CAST(-t.amount AS TEXT), CAST(e.amount AS TEXT) FROM transfers t JOIN entries e ON "
     "e.transfer = t.row AND e.account = t.debit WHERE e.amount <> -t.amount",
     "transfer {}: debits {}, its entry says {}"},
    {"SELECT CAST(e.transfer AS TEXT), CAST(s.running AS TEXT), CAST(e.balance_after AS TEXT) FROM entries e JOIN "
     "(SELECT account, transfer, sum(amount) OVER (PARTITION BY account ORDER BY transfer) AS running FROM entries) s "
     "ON s.account = e.account AND s.transfer = e.transfer WHERE s.running <> e.balance_after",
     "transfer {}: a balance after it comes to {}, its entry says {}"},
    {"SELECT CAST(x.row AS TEXT), CAST(x.amount AS TEXT), CAST(coalesce(t.amount, 0) AS TEXT) FROM attributions x LEFT "
     "JOIN transfers t ON t.id = x.transfer_id WHERE x.amount <> coalesce(t.amount, 0)",
     "attribution {}: says {}, its transfer {}"},
};

/// Of each tenant for itself: a fault of one must not make up for another's.
Result<void> sum_entries(BookStore& store, Reconciliation& out) {
    TG_TRY(const auto statement,
           store.prepare(
               sql_of({"SELECT a.tenant, ", split_sum("e.amount"),
                       " FROM entries e JOIN accounts a ON a.id = e.account GROUP BY a.tenant ORDER BY a.tenant"})));
    for (;;) {
        TG_TRY(const bool more, statement->step());
        if (!more) return {};
        const WideUnits sum = joined_sum(*statement, 1);
        if (sum == 0) continue;
        if (out.sum == 0) out.sum = sum;
        if (out.faults.size() < kFaultsShown)
            out.faults.push_back(
                fmt::format("tenant {}: its entries add up to {}, not to 0", statement->text(0), format_sum(sum)));
    }
}

}  // namespace

Result<Reconciliation> Books::reconcile() {
    Reconciliation out;
    // One moment of the books for all questions.
    TG_CHECK(store_->begin_reading());
    BookMoment moment(*store_);
    TG_TRY(out.tenants, store_->number("SELECT count(DISTINCT tenant) FROM accounts"));
    TG_TRY(out.accounts, store_->number("SELECT count(*) FROM accounts"));
    TG_TRY(out.transfers, store_->number("SELECT count(*) FROM transfers"));
    TG_TRY(out.entries, store_->number("SELECT count(*) FROM entries"));
    TG_CHECK(sum_entries(*store_, out));
    for (const LedgerCheck& check : kLedgerChecks) {
        // One wrong amount may make every later row of its account a fault.
        const std::string sql = fmt::format("{} LIMIT {}", check.sql, kFaultsShown);
        TG_TRY(const auto statement, store_->prepare(sql));
        for (;;) {
            TG_TRY(const bool more, statement->step());
            if (!more || out.faults.size() == kFaultsShown) break;
            out.faults.push_back(
                fmt::format(fmt::runtime(check.what), statement->text(0), statement->text(1), statement->text(2)));
        }
    }
    TG_CHECK(moment.commit());
    return out;
}

}  // namespace tidegate::content
