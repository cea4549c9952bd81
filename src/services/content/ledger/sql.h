// Small helpers for the rows of ledger.db.
#pragma once

#include <cstdint>
#include <initializer_list>
#include <limits>
#include <string>
#include <string_view>

#include "services/content/ledger/books.h"
#include "store/sqlite.h"

namespace tidegate::content {

/// Binds texts from position 1 on. They must live until the statement is done.
inline void bind_texts(store::Statement& statement, std::initializer_list<std::string_view> texts) {
    int at = 0;
    for (const std::string_view text : texts) statement.bind(++at, text);
}

inline std::string sql_of(std::initializer_list<std::string_view> parts) {
    std::string out;
    for (const std::string_view part : parts) out += part;
    return out;
}

/// Of amounts in SQL: whole tokens and the rest apart, two columns, so that no sum of 63 bits runs over. SQLite's / and % both go
/// towards zero.
inline std::string split_sum(std::string_view amount) {
    return sql_of({"coalesce(sum(", amount, " / 100000000), 0), coalesce(sum(", amount, " % 100000000), 0)"});
}

/// What split_sum() split, at its first column.
inline WideUnits joined_sum(const store::Statement& row, int column) noexcept {
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

/// The rows of a statement that was asked for one more than `limit`.
template <class T, class Read>
Result<Page<T>> read_page(store::Statement& statement, std::size_t limit, Read&& read) {
    Page<T> out;
    std::size_t bytes = 0;
    for (;;) {
        TG_TRY(const bool more, statement.step());
        if (!more) return out;
        if (out.items.size() == limit || bytes >= kRowsBytesMax) {
            out.next = out.items.back().row;
            return out;
        }
        out.items.push_back(read(statement));
        bytes += bytes_of(out.items.back());
    }
}

}  // namespace tidegate::content
