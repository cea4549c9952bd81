#include "app/audit_place.h"

#include <algorithm>

#include "app/audit_assembly.h"

namespace tidegate::app {

Result<AuditPlace> audit_place(const AuditWords& words, const AppSettings& settings) {
    const std::string schema = words.one("--schema");
    const std::string folder = words.one("--folder");
    AuditPlace place;
    if (words.place == "postgres") {
        AppSettings of_database = settings;
        of_database.audit.store = "postgres";
        TG_TRY(place.database, log_database(of_database));
        place.folder = folder.empty() ? audit_folder(of_database) : folder;
    } else if (is_postgres_url(words.place)) {
        place.database = LogDatabase{.url = words.place, .schema = settings.database.schema};
        place.folder = folder;
    } else {
        place.folder = words.place;
        if (!schema.empty() || !folder.empty()) {
            return fail(ErrorCode::kInvalidArgument, "--schema and --folder belong to a log in a database");
        }
        return place;
    }
    if (!schema.empty()) place.database->schema = schema;
    return place;
}

Result<OpenedLog> OpenedLog::open(const AuditPlace& place, const Clock& clock) {
    OpenedLog opened;
    if (place.database) {
        TG_TRY(opened.database_, open_database_log(*place.database, clock));
    } else {
        TG_TRY(opened.view_, audit::keep::FolderView::open(place.folder));
    }
    return opened;
}

Result<AuditTail> AuditTail::open(const AuditPlace& place, std::uint64_t leaf, const Clock& clock) {
    AuditTail tail;
    tail.leaf_ = leaf;
    if (place.database) {
        TG_TRY(tail.database_, open_database_log(*place.database, clock));
    } else {
        TG_TRY(tail.folder_, audit::keep::LogTail::open(place.folder, leaf));
    }
    return tail;
}

Result<void> AuditTail::poll(const audit::LogReader::Visit& visit) {
    if (folder_ != nullptr) {
        TG_CHECK(folder_->poll(visit));
        return {};
    }
    TG_CHECK(database_->refresh());
    if (const std::uint64_t first = database_->first_leaf(); first > leaf_) {
        missed_ += first - leaf_;
        leaf_ = first;
    }
    TG_TRY(leaf_, database_->scan(leaf_, database_->end_leaf(), visit));
    return {};
}

}  // namespace tidegate::app
