// AlertStore: alerts that fired and silences, in a SQLite file of their own.
//
// Guarantee   What save() took is on the disk when it returns.
// Threads     One at a time.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "alerts/alert.h"
#include "base/result.h"
#include "store/sqlite.h"

namespace tidegate::alerts {

struct HistoryFilter {
    std::optional<std::string> tenant = std::nullopt;  // Of whose label; absent: all.
    std::string rule = {};
    std::string before = {};  // An id.
    std::size_t limit = 50;
};

class AlertStore {
  public:
    static Result<AlertStore> open(const std::string& path, const Clock& clock);

    Result<void> save(const Alert& alert);
    Result<std::vector<Alert>> firing();
    /// Resolved, of whose end nobody has heard who heard of the beginning.
    Result<std::vector<Alert>> untold();
    /// Fired, newest first; those that fire still among them.
    Result<std::vector<Alert>> history(const HistoryFilter& filter);
    /// Resolved before, and the oldest beyond `count_max`.
    Result<void> forget(UnixMillis before, std::uint64_t count_max);

    Result<void> save(const Silence& silence);
    /// kNotFound.
    Result<void> remove_silence(std::string_view id);
    /// Those that end after.
    Result<std::vector<Silence>> silences(UnixMillis now);

  private:
    explicit AlertStore(store::Database database) : database_(std::move(database)) {}
    Result<std::vector<Alert>> read(store::Statement& rows);
    store::Database database_;
};

/// `{"service":"provenance"}`, names in order.
std::string to_json(const Labels& labels);
Labels labels_of(std::string_view json);

}  // namespace tidegate::alerts
