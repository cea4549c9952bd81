// History: the Decisions of the log, newest first, by page, by id, or all of them in chunks.
//
// Guarantee   A page is one consistent read. Following next_cursor gives each matching Decision that was in the log at
//             the first page exactly once, whatever is appended meanwhile (ids of the same millisecond as the newest
//             aside).
// Algorithm   Keyset pagination by id. A filter is turned into the set of kinds that match it (audit/schema.h); one
//             range of the index (kind, id) is read for each and the ranges are merged.
// Threads     Any worker thread; each call borrows a connection. Never an event loop.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "audit/decision.h"
#include "audit/views/reader_pool.h"
#include "base/result.h"

namespace tidegate::audit {

struct HistoryFilter {
    std::optional<std::string> tenant;  // Absent: all tenants. Empty: those without one.
    std::optional<std::string> service;
    std::optional<std::string> operation;
    std::optional<std::string> content_type;  // `text`, `image`, ...
    std::optional<std::string> band;
    std::optional<Status> status;
    std::optional<UnixMillis> from;  // Inclusive. The decision's own time.
    std::optional<UnixMillis> to;    // Exclusive.
    // From here on LogHistory only.
    std::optional<std::string> model;
    std::optional<std::string> model_version;
    std::optional<std::string> actor;
    RecordKind kind = RecordKind::kDecision;
};

struct HistoryQuery {
    HistoryFilter filter;
    std::size_t limit = 50;  // 1 to 500.
    std::string cursor;      // From a page before; empty: the newest.
    std::size_t offset = 0;  // Alias for clients that count: at most 10,000 and never with a cursor.
};

struct HistoryPage {
    std::vector<Decision> items;
    std::string next_cursor;             // Empty: this was the last page.
    std::optional<std::uint64_t> total;  // Of the filter; present where counting is cheap.
};

class History {
  public:
    explicit History(std::shared_ptr<ReaderPool> pool) : pool_(std::move(pool)) {}

    /// kInvalidArgument: a broken cursor, a limit out of range, an offset with a cursor.
    Result<HistoryPage> page(const HistoryQuery& query) const;
    /// kNotFound when there is none, or it belongs to another tenant than the given one.
    Result<Decision> get(const Uuid& id, const std::optional<std::string>& tenant = std::nullopt) const;
    /// Calls visit for each match, newest first, in chunks of 500; between chunks no read transaction is
    /// held. Stops when visit gives false.
    Result<void> for_each(const HistoryFilter& filter, const std::function<bool(const Decision&)>& visit) const;

  private:
    std::shared_ptr<ReaderPool> pool_;
};

}  // namespace tidegate::audit
