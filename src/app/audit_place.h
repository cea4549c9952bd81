// AuditPlace: where a command of `tidegate audit` finds the log: a folder with segments, or a database.
//
// Position    Everything is opened for reading alone, beside the server that writes the log or without one.
#pragma once

#include <memory>
#include <optional>
#include <string>

#include "app/audit_database.h"
#include "app/audit_words.h"
#include "audit/keep/folder_view.h"

namespace tidegate::app {

struct AuditPlace {
    std::string folder;  // Of the log, or of what is kept beside it (checkpoints, tiles); may be empty then.
    std::optional<LogDatabase> database;  // Absent: the records are in the folder.
};
/// `place`: a folder, `postgres` (the database and the folder of the settings), or the address of a database, with `--schema` and
/// `--folder`.
Result<AuditPlace> audit_place(const AuditWords& words, const AppSettings& settings);

/// A log as it was when it was opened.
class OpenedLog {
  public:
    /// kNotFound: there is no log.
    static Result<OpenedLog> open(const AuditPlace& place, const Clock& clock);

    const audit::LogReader& reader() const noexcept {
        if (database_ != nullptr) return *database_;
        return view_->reader();
    }
    const audit::segments::LogId& log_id() const noexcept {
        return database_ != nullptr ? database_->log_id() : view_->log_id();
    }
    /// Null: it lies in a folder.
    audit::postgres::PostgresReader* database() const noexcept { return database_.get(); }

  private:
    std::unique_ptr<audit::keep::FolderView> view_;
    std::unique_ptr<audit::postgres::PostgresReader> database_;
};

/// Goes on reading where a log is being written, in a folder or in a database.
class AuditTail {
  public:
    /// From `leaf` on. `clock` outlives it.
    static Result<AuditTail> open(const AuditPlace& place, std::uint64_t leaf, const Clock& clock);
    /// False from `visit` ends the poll.
    Result<void> poll(const audit::LogReader::Visit& visit);
    /// Records that were given and then taken back by a write that failed (a folder's only), and those that retention removed unread.
    std::uint64_t taken_back() const noexcept { return folder_ != nullptr ? folder_->taken_back() : 0; }
    std::uint64_t missed() const noexcept { return folder_ != nullptr ? folder_->missed() : missed_; }

  private:
    std::unique_ptr<audit::keep::LogTail> folder_;
    std::unique_ptr<audit::postgres::PostgresReader> database_;
    std::uint64_t leaf_ = 0;
    std::uint64_t missed_ = 0;
};

}  // namespace tidegate::app
