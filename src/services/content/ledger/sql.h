// Small helpers for the rows of the books.
#pragma once

#include <algorithm>
#include <cstdint>
#include <initializer_list>
#include <limits>
#include <string>
#include <string_view>

#include "services/content/ledger/books.h"

namespace tidegate::content {

/// Binds texts from position 1 on. They must live until the statement is done.
inline void bind_texts(BookStatement& statement, std::initializer_list<std::string_view> texts) {
    int at = 0;
    for (const std::string_view text : texts) statement.bind(++at, text);
}

inline std::string sql_of(std::initializer_list<std::string_view> parts) {
    std::string out;
    for (const std::string_view part : parts) out += part;
    return out;
}

/// Of amounts in SQL: whole tokens and the rest apart, two columns, so that no sum of 63 bits runs over. / and % both go towards zero,
/// in both homes; PostgreSQL's sum() is a numeric, the cast makes an integer of it.
inline std::string split_sum(std::string_view amount) {
    return sql_of({"CAST(coalesce(sum((", amount, ") / 100000000), 0) AS BIGINT), CAST(coalesce(sum((", amount,
                   ") % 100000000), 0) AS BIGINT)"});
}

/// What split_sum() split, at its first column.
inline WideUnits joined_sum(const BookStatement& row, int column) {
    return static_cast<WideUnits>(row.integer(column)) * kToken + row.integer(column + 1);
}

/// Pages go from the newest row down; 0 asks for the first.
inline std::int64_t before_or_last(std::int64_t before) noexcept {
    return before > 0 ? before : std::numeric_limits<std::int64_t>::max();
}

/// A page ends behind the row that reaches it, whatever its limit.
inline constexpr std::size_t kRowsBytesMax = std::size_t{8} * 1024 * 1024;

inline std::size_t bytes_of(const Card& card) noexcept {
    return card.title.size() + card.body.size() + card.tags.size() + card.metadata.size();
}
inline std::size_t bytes_of(const Attribution& one) noexcept {
    return one.context.size() + one.excerpt.size() + one.metadata.size();
}
inline std::size_t bytes_of(const User& user) noexcept {
    return user.bio.size();
}
inline std::size_t bytes_of(const Transfer& one) noexcept {
    return one.reason.size() + one.metadata.size();
}

/// A page of a statement whose ?1 is the row before which it looks and whose ?2 is how many it gives at most, newest first.
template <class T, class Read>
Result<Page<T>> read_page(BookStore& store, BookStatement& statement, std::int64_t before, std::size_t limit,
                          Read&& read) {
    Page<T> out;
    std::size_t bytes = 0;
    before = before_or_last(before);
    for (;;) {
        // One more than are wanted shows whether there are more.
        const auto wanted = static_cast<std::int64_t>(limit - out.items.size()) + 1;
        const std::int64_t asked = std::min(wanted, store.dialect().rows_at_once);
        statement.bind(1, before).bind(2, asked);
        std::int64_t got = 0;
        for (;; ++got) {
            TG_TRY(const bool more, statement.step());
            if (!more) break;
            if (out.items.size() == limit || bytes >= kRowsBytesMax) {
                out.next = out.items.back().row;
                return out;
            }
            out.items.push_back(read(statement));
            bytes += bytes_of(out.items.back());
        }
        statement.reset();
        if (got < asked) return out;
        before = out.items.back().row;
    }
}

}  // namespace tidegate::content
