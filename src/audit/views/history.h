// What can be asked of the log, and a page of what it answers (audit/views/log_history.h).
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "audit/decision.h"
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
    std::optional<std::string> model;
    std::optional<std::string> model_version;
    std::optional<std::string> actor;
    RecordKind kind = RecordKind::kDecision;
    friend bool operator==(const HistoryFilter&, const HistoryFilter&) = default;
};

struct HistoryQuery {
    HistoryFilter filter;
    std::size_t limit = 50;  // 1 to 500.
    std::string cursor;      // From a page before; empty: the newest.
    std::size_t offset = 0;  // Alias for clients that count: at most 10,000 and never with a cursor.
};

/// What a page says beside its records.
struct HistoryEnd {
    std::string next_cursor;             // Empty: this was the last page.
    std::optional<std::uint64_t> total;  // Of the filter; present where counting is cheap.
};

struct HistoryPage : HistoryEnd {
    std::vector<Decision> items;
};

}  // namespace tidegate::audit
