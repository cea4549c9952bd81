#include "services/content/ledger/book_store.h"

#include <utility>

namespace tidegate::content {

Result<void> BookStatement::run() {
    for (;;) {
        TG_TRY(const bool row, step());
        if (!row) break;
    }
    reset();
    return {};
}

Result<std::int64_t> BookStatement::inserted() {
    TG_TRY(const bool row, step());
    if (!row) return fail(ErrorCode::kInternal, "A row was not inserted.");
    const std::int64_t number = integer(0);
    TG_CHECK(run());
    return number;
}

Result<std::int64_t> BookStore::number(std::string_view sql) {
    TG_TRY(const auto statement, prepare(sql));
    TG_TRY(const bool row, statement->step());
    if (!row) return fail(ErrorCode::kNotFound, "no row");
    return statement->integer(0);
}

Result<void> BookMoment::commit() {
    BookStore* const store = std::exchange(store_, nullptr);
    const auto done = store->commit();
    if (!done) store->roll_back();
    return done;
}

}  // namespace tidegate::content
