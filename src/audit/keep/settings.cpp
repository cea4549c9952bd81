#include "audit/keep/settings.h"

#include "audit/proof/note.h"

namespace tidegate::audit::keep {

Result<void> check_origin(std::string_view text) {
    if (text.empty() || proof::is_key_name(text)) return {};
    return fail(ErrorCode::kInvalidArgument, "is a name without space and `+`, of 200 bytes at most");
}

void declare(settings::Table& table, KeepSettings& s) {
    table.add("audit.origin", s.origin, "")
        .check(check_origin, "NAME")
        .doc("The log's name in its checkpoints, for whoever checks them; empty: `tidegate/` and the log's id.");
    table.add("audit.signing_key", s.signing_key, "")
        .doc(
            "PEM file of the Ed25519 key that signs checkpoints; made at the first start. Empty: `checkpoint.key` in "
            "the "
            "data folder.");
    table.add("audit.checkpoint_interval_s", s.checkpoint_interval, std::chrono::seconds(1))
        .range(std::chrono::milliseconds(10), std::chrono::hours(1))
        .doc("A checkpoint is signed so long after the one before, when there are new records.");
    table.add("audit.checkpoint_records", s.checkpoint_records, 65'536)
        .range(1, 1'000'000'000)
        .unit("records")
        .doc("A checkpoint is signed at once when so many records are under none.");
    table.add("audit.retention_days", s.retention_days, 0)
        .range(0, 36'500)
        .unit("days")
        .doc(
            "Records older than that are removed, by whole segments, unless a legal hold covers them; 0: kept for "
            "ever.");
    table.add("audit.retention_interval_s", s.retention_interval, std::chrono::minutes(10))
        .range(std::chrono::seconds(1), std::chrono::hours(24))
        .doc("How often the log is looked through for what is old enough.");
}

}  // namespace tidegate::audit::keep
