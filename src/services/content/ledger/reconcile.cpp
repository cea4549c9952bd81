// Books: does it all add up?
#include <fmt/format.h>

#include "services/content/ledger/books.h"
#include "services/content/ledger/sql.h"

namespace tidegate::content {
namespace {

constexpr std::size_t kFaultsShown = 20;

struct LedgerCheck {
    std::string_view sql;   // Gives a row (number, expected, found) for each fault.
    std::string_view what;  // Said of it.
};

constexpr LedgerCheck kLedgerChecks[] = {
    {"SELECT a.id, coalesce(sum(e.amount), 0), a.balance FROM accounts a LEFT JOIN entries e ON e.account = a.id GROUP "
     "BY a.id"
     " HAVING coalesce(sum(e.amount), 0) <> a.balance",
     "account {}: its entries add up to {}, its balance is {}"},
    {"SELECT id, 0, balance FROM accounts WHERE kind = 'user' AND balance < 0",
     "account {}: least {}, its balance is {}"},
    {"SELECT t.row, 2, count(e.account) FROM transfers t LEFT JOIN entries e ON e.transfer = t.row GROUP BY t.row"
     " HAVING count(e.account) <> 2",
     "transfer {}: needs {} entries, has {}"},
    {"SELECT t.row, t.amount, e.amount FROM transfers t JOIN entries e ON e.transfer = t.row AND e.account = t.credit"
     " WHERE e.amount <> t.amount",
     "transfer {}: credits {}, its entry says {}"},
    {"SELECT t.row, -t.amount, e.amount FROM transfers t JOIN entries e ON e.transfer = t.row AND e.account = t.debit"
     " WHERE e.amount <> -t.amount",
     "transfer {}: debits {}, its entry says {}"},
    {"SELECT e.transfer, s.running, e.balance_after FROM entries e JOIN (SELECT account, transfer, sum(amount) OVER "
     "(PARTITION BY account"
     " ORDER BY transfer) AS running FROM entries) s ON s.account = e.account AND s.transfer = e.transfer"
     " WHERE s.running <> e.balance_after",
     "transfer {}: a balance after it comes to {}, its entry says {}"},
    {"SELECT x.row, x.amount, coalesce(t.amount, 0) FROM attributions x LEFT JOIN transfers t ON t.id = x.transfer_id"
     " WHERE x.amount <> coalesce(t.amount, 0)",
     "attribution {}: says {}, its transfer {}"},
};

/// Of each tenant for itself: a fault of one must not make up for another's.
Result<void> sum_entries(store::Database& database, Reconciliation& out) {
    TG_TRY(store::Statement statement,
           database.prepare(sql_of({"SELECT a.tenant, ", split_sum("e.amount"),
                                    " FROM entries e JOIN accounts a ON a.id = e.account GROUP BY a.tenant"})));
    for (;;) {
        TG_TRY(const bool more, statement.step());
        if (!more) return {};
        const WideUnits sum = joined_sum(statement, 1);
        if (sum == 0) continue;
        if (out.sum == 0) out.sum = sum;
        if (out.faults.size() < kFaultsShown)
            out.faults.push_back(
                fmt::format("tenant {}: its entries add up to {}, not to 0", statement.text(0), format_sum(sum)));
    }
}

}  // namespace

Result<Reconciliation> Books::reconcile() {
    Reconciliation out;
    // One moment of the books for all questions.
    TG_CHECK(database_->execute("BEGIN"));
    const auto read = [&]() -> Result<void> {
        TG_TRY(out.tenants, database_->integer("SELECT count(DISTINCT tenant) FROM accounts"));
        TG_TRY(out.accounts, database_->integer("SELECT count(*) FROM accounts"));
        TG_TRY(out.transfers, database_->integer("SELECT count(*) FROM transfers"));
        TG_TRY(out.entries, database_->integer("SELECT count(*) FROM entries"));
        TG_CHECK(sum_entries(*database_, out));
        for (const LedgerCheck& check : kLedgerChecks) {
            TG_TRY(store::Statement statement, database_->prepare(check.sql));
            for (;;) {
                TG_TRY(const bool more, statement.step());
                if (!more || out.faults.size() == kFaultsShown) break;
                out.faults.push_back(fmt::format(fmt::runtime(check.what), statement.integer(0), statement.integer(1),
                                                 statement.integer(2)));
            }
        }
        return {};
    };
    const auto done = read();
    TG_CHECK(database_->execute("COMMIT"));
    TG_CHECK(done);
    return out;
}

}  // namespace tidegate::content
