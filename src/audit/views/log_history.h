// LogHistory: the records of the log, by page, by id, by request, by input, or all of them as a stream.
//
// Position    Over LogReader (the records) and Columns (which of them match); the routes ask it.
// Guarantee   Pages are in the order of the log, the record written last first. Following next_cursor gives each matching
//             record that was in the log at the first page exactly once, whatever is appended meanwhile. Whatever the columns
//             say, a record is given only after it has itself been compared with the filter.
// Algorithm   Chunks whose summary has no match are skipped, of the others columns are scanned but for blocks without a wanted
//             kind, and only matches are read, neighbours at once. A total is counted on from where it stood when the same filter was counted last (audit/views/row_counts.h).
// Memory      A page; for a stream one window of at most 32,768 records and 16 MiB (or a single longer record).
// Threads     Any worker thread; never an event loop: it reads from disk.
#pragma once

#include <cstdint>
#include <functional>
#include <limits>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "audit/log_reader.h"
#include "audit/segments/format.h"
#include "audit/views/columns.h"
#include "audit/views/history.h"
#include "audit/views/row_counts.h"

namespace tidegate::audit {

enum class Order : std::uint8_t { kNewestFirst, kOldestFirst };

/// Which part of the log to walk through, and in which direction.
struct Walk {
    Order order = Order::kNewestFirst;
    std::uint64_t from = 0;  // Leaf, inclusive.
    std::uint64_t to = std::numeric_limits<std::uint64_t>::max();
};

class LogHistory {
  public:
    static constexpr std::size_t kLimitMax = 500;
    static constexpr std::size_t kOffsetMax = 10'000;

    /// Both outlive it.
    LogHistory(const LogReader& reader, const Columns& columns, const segments::LogId& log)
        : reader_(reader), columns_(columns), log_(log) {}

    /// kInvalidArgument: a broken cursor, a limit out of range, an offset with a cursor.
    Result<HistoryPage> page(const HistoryQuery& query) const;
    /// The same without owning what it gives: `give` gets the records of the page, newest first, each until it comes back. After an error
    /// what was given is no page.
    using Give = std::function<void(const segments::RecordView& record)>;
    Result<HistoryEnd> page(const HistoryQuery& query, const Give& give) const;
    /// A decision. kNotFound when there is none, or it belongs to another tenant than the given one.
    Result<Decision> get(const Uuid& id, const std::optional<std::string>& tenant = std::nullopt) const;
    /// The decisions of a request, or of an input, newest first, `limit` at most; of one tenant, or of all.
    Result<std::vector<Decision>> by_request(std::string_view request_id, const std::optional<std::string>& tenant,
                                             std::size_t limit = kLimitMax) const;
    Result<std::vector<Decision>> by_input(const Sha256& input_hash, const std::optional<std::string>& tenant,
                                           std::size_t limit = kLimitMax) const;

    /// Calls visit for each match until it gives false. Records that retention removes meanwhile are left out; nothing that is
    /// appended after the call is visited.
    using VisitLeaf = std::function<bool(std::uint64_t leaf, const Decision& decision)>;
    Result<void> for_each(const HistoryFilter& filter, const Walk& walk, const VisitLeaf& visit) const;
    /// All of them, newest first.
    Result<void> for_each(const HistoryFilter& filter, const std::function<bool(const Decision&)>& visit) const;

    /// The leaf after the last that a call would see now.
    std::uint64_t end_leaf() const { return columns_.position(); }
    /// The first that retention has left.
    std::uint64_t first_leaf() const { return reader_.first_leaf(); }

  private:
    using Find = std::function<Result<std::vector<segments::Record>>(const LogReader::Wanted&)>;
    Result<std::vector<Decision>> find(const std::optional<std::string>& tenant, const Find& find) const;

    const LogReader& reader_;
    const Columns& columns_;
    const segments::LogId log_;
    mutable RowCounts counts_;
};

}  // namespace tidegate::audit
