#include "jobs/job_store.h"

#include <fmt/core.h>

#include <algorithm>
#include <utility>

#include "store/migrations.h"

namespace tidegate::jobs {
namespace {

// The states stand as their numbers: 0 queued, 1 running, above 1 over, 4 dead.
constexpr std::array<store::Migration, 1> kMigrations{{{1, "jobs", R"(
CREATE TABLE jobs (
    id TEXT PRIMARY KEY,
    once_key TEXT UNIQUE,
    kind TEXT NOT NULL,
    tenant TEXT NOT NULL,
    actor TEXT NOT NULL,
    title TEXT NOT NULL,
    state INTEGER NOT NULL,
    payload TEXT NOT NULL,
    blob TEXT NOT NULL,
    result TEXT NOT NULL,
    error TEXT NOT NULL,
    progress REAL NOT NULL,
    progress_note TEXT NOT NULL,
    attempts INTEGER NOT NULL,
    attempts_max INTEGER NOT NULL,
    cancel INTEGER NOT NULL,
    created INTEGER NOT NULL,
    updated INTEGER NOT NULL,
    next_at INTEGER NOT NULL,
    started INTEGER NOT NULL,
    finished INTEGER NOT NULL
) STRICT;
CREATE INDEX jobs_due ON jobs (kind, tenant, next_at) WHERE state = 0;
CREATE INDEX jobs_live ON jobs (tenant) WHERE state < 2;
CREATE INDEX jobs_over ON jobs (finished) WHERE state > 1;
CREATE INDEX jobs_of_tenant ON jobs (tenant, id);
)"}}};

constexpr std::array<std::string_view, kJobStates> kNames{"queued", "running", "succeeded",
                                                          "failed", "dead",    "cancelled"};

constexpr std::string_view kColumns =
    "id, kind, tenant, actor, title, state, error, progress, progress_note, attempts, attempts_max, cancel, created, "
    "updated, "
    "next_at, started, finished, blob";

/// What the server does for itself has no tenant either; it is nobody's but theirs who see all.
constexpr std::string_view kNotOurs = " AND actor <> 'system'";

std::int64_t number_of(JobState state) noexcept {
    return static_cast<std::int64_t>(state);
}

JobState state_of(std::int64_t number) noexcept {
    return static_cast<JobState>(std::clamp<std::int64_t>(number, 0, kJobStates - 1));
}

/// Where the file of a job lies now: a data folder may have been moved, restored elsewhere or named in another way.
std::string blob_place(const std::string& folder, std::string_view stored) {
    if (stored.empty()) return {};
    const std::size_t slash = stored.rfind('/');
    return folder + "/" + std::string(stored.substr(slash == std::string_view::npos ? 0 : slash + 1));
}

Job job_of(const store::Statement& row, const std::string& blob_folder) {
    Job job;
    int column = 0;
    for (std::string* const text : {&job.id, &job.kind, &job.tenant, &job.actor, &job.title})
        *text = row.text(column++);
    job.state = state_of(row.integer(column++));
    job.error = row.text(column++);
    job.progress = row.real(column++);
    job.progress_note = row.text(column++);
    job.attempts = static_cast<std::uint32_t>(row.integer(column++));
    job.attempts_max = static_cast<std::uint32_t>(row.integer(column++));
    job.cancel_requested = row.integer(column++) != 0;
    for (UnixMillis* const time : {&job.created, &job.updated, &job.next_at, &job.started, &job.finished}) {
        *time = row.integer(column++);
    }
    job.blob_path = blob_place(blob_folder, row.text(column));
    return job;
}

}  // namespace

std::string_view to_string(JobState state) noexcept {
    return kNames[static_cast<std::size_t>(state)];
}

std::optional<JobState> parse_state(std::string_view text) noexcept {
    const auto found = std::ranges::find(kNames, text);
    if (found == kNames.end()) return std::nullopt;
    return static_cast<JobState>(found - kNames.begin());
}

Result<std::unique_ptr<JobStore>> JobStore::open(const std::string& path, const std::string& blob_folder,
                                                 const Clock& clock) {
    store::OpenOptions options;
    options.path = path;
    TG_TRY(store::Database database, store::Database::open(options));
    TG_CHECK(store::migrate(database, "jobs", kMigrations, clock));
    return std::unique_ptr<JobStore>(new JobStore(std::move(database), blob_folder));
}

Result<std::uint64_t> JobStore::take_back(UnixMillis now) {
    const Lock lock(mutex_);
    TG_TRY(store::Statement rows,
           database_.prepare(
               "UPDATE jobs SET updated = ?1, next_at = ?1, progress = 0, progress_note = '', "
               "error = 'the server ended while it ran', finished = CASE WHEN cancel OR attempts >= attempts_max "
               "THEN ?1 ELSE 0 END, state = CASE WHEN cancel THEN 5 WHEN attempts >= attempts_max THEN 4 ELSE 0 END "
               "WHERE state = 1"));
    TG_CHECK(rows.bind(1, now).run());
    return static_cast<std::uint64_t>(database_.changes());
}

Result<JobStore::Added> JobStore::judge_room(const Job& job, const Room& room) {
    TG_TRY(const std::int64_t all, database_.integer("SELECT count(*) FROM jobs WHERE state < 2"));
    if (static_cast<std::uint64_t>(all) >= room.all_max) return Added::kFull;
    if (job.tenant.empty()) return Added::kStored;
    TG_TRY(store::Statement count, database_.prepare("SELECT count(*) FROM jobs WHERE tenant = ? AND state < 2"));
    TG_TRY([[maybe_unused]] const bool row, count.bind(1, std::string_view(job.tenant)).step());
    return static_cast<std::uint64_t>(count.integer(0)) < room.tenant_max ? Added::kStored : Added::kTenantFull;
}

Result<JobStore::AddOutcome> JobStore::add(const Job& job, std::string_view once_key, const Room& room) {
    const Lock lock(mutex_);
    TG_TRY(store::Transaction transaction, store::Transaction::begin(database_));
    if (!once_key.empty()) {
        TG_TRY(store::Statement known, database_.prepare("SELECT id FROM jobs WHERE once_key = ?"));
        TG_TRY(const bool is_known, known.bind(1, once_key).step());
        if (is_known) return AddOutcome{Added::kKnown, std::string(known.text(0))};
    }
    TG_TRY(const Added judged, judge_room(job, room));
    if (judged != Added::kStored) return AddOutcome{judged};
    TG_TRY(store::Statement put,
           database_.prepare(
               "INSERT INTO jobs (id, once_key, kind, tenant, actor, title, state, payload, blob, result, error, "
               "progress, progress_note, attempts, attempts_max, cancel, created, updated, next_at, started, "
               "finished) VALUES (?, ?, ?, ?, ?, ?, 0, ?, ?, '', '', 0, '', 0, ?, 0, ?, ?, ?, 0, 0)"));
    put.bind(1, std::string_view(job.id));
    once_key.empty() ? put.bind_null(2) : put.bind(2, once_key);
    int position = 3;
    for (const std::string* const text :
         {&job.kind, &job.tenant, &job.actor, &job.title, &job.payload, &job.blob_path}) {
        put.bind(position++, std::string_view(*text));
    }
    put.bind(9, static_cast<std::int64_t>(job.attempts_max)).bind(10, job.created).bind(11, job.created);
    TG_CHECK(put.bind(12, job.next_at).run());
    TG_CHECK(transaction.commit());
    return AddOutcome{};
}

Result<Job> JobStore::find(std::string_view id) {
    const Lock lock(mutex_);
    return find_locked(id);
}

Result<Job> JobStore::find_locked(std::string_view id) {
    TG_TRY(store::Statement row,
           database_.prepare(fmt::format("SELECT {}, payload, result FROM jobs WHERE id = ?", kColumns)));
    TG_TRY(const bool is_there, row.bind(1, id).step());
    if (!is_there) return fail(ErrorCode::kNotFound, "There is no such job.");
    Job job = job_of(row, blob_folder_);
    job.payload = row.text(18);
    job.result = row.text(19);
    return job;
}

Result<std::vector<Job>> JobStore::list(const JobFilter& filter) {
    std::string where = "WHERE id < ?1";
    if (filter.tenant) where += " AND tenant = ?2";
    if (filter.tenant && filter.tenant->empty()) where += kNotOurs;
    if (!filter.kind.empty()) where += " AND kind = ?3";
    if (filter.state) where += " AND state = ?4";
    const Lock lock(mutex_);
    TG_TRY(store::Statement rows,
           database_.prepare(fmt::format("SELECT {} FROM jobs {} ORDER BY id DESC LIMIT ?5", kColumns, where)));
    // After every id there is: they begin with a digit of hex.
    rows.bind(1, filter.before.empty() ? std::string_view("z") : std::string_view(filter.before));
    if (filter.tenant) rows.bind(2, std::string_view(*filter.tenant));
    if (!filter.kind.empty()) rows.bind(3, std::string_view(filter.kind));
    if (filter.state) rows.bind(4, number_of(*filter.state));
    rows.bind(5, static_cast<std::int64_t>(filter.limit));
    std::vector<Job> jobs;
    for (;;) {
        TG_TRY(const bool more, rows.step());
        if (!more) return jobs;
        jobs.push_back(job_of(rows, blob_folder_));
    }
}

Result<std::optional<std::string>> JobStore::next_id(std::string_view kind, UnixMillis now) {
    // The tenant after the one served last, round and round; of its jobs the longest due.
    TG_TRY(store::Statement due,
           database_.prepare("SELECT id, tenant FROM jobs WHERE state = 0 AND kind = ? AND tenant > ? "
                             "AND next_at <= ? ORDER BY tenant, next_at, id LIMIT 1"));
    TG_TRY(store::Statement first, database_.prepare("SELECT id, tenant FROM jobs WHERE state = 0 AND kind = ? "
                                                     "AND next_at <= ? ORDER BY tenant, next_at, id LIMIT 1"));
    std::string& last = last_tenant_[std::string(kind)];
    TG_TRY(const bool after, due.bind(1, kind).bind(2, std::string_view(last)).bind(3, now).step());
    if (after) {
        std::string id(due.text(0));
        last = due.text(1);
        return id;
    }
    TG_TRY(const bool any, first.bind(1, kind).bind(2, now).step());
    if (!any) return std::nullopt;
    last = first.text(1);
    return std::string(first.text(0));
}

Result<std::optional<Job>> JobStore::claim(std::string_view kind, UnixMillis now) {
    const Lock lock(mutex_);
    TG_TRY(const std::optional<std::string> id, next_id(kind, now));
    if (!id) return std::nullopt;
    TG_TRY(store::Statement mark, database_.prepare("UPDATE jobs SET state = 1, attempts = attempts + 1, started = ?1, "
                                                    "updated = ?1, progress = 0, progress_note = '' WHERE id = ?2"));
    TG_CHECK(mark.bind(1, now).bind(2, std::string_view(*id)).run());
    TG_TRY(Job job, find_locked(*id));
    return job;
}

Result<std::optional<UnixMillis>> JobStore::next_due(std::string_view kind) {
    const Lock lock(mutex_);
    TG_TRY(store::Statement row, database_.prepare("SELECT min(next_at) FROM jobs WHERE state = 0 AND kind = ?"));
    TG_TRY([[maybe_unused]] const bool is_there, row.bind(1, kind).step());
    if (row.is_null(0)) return std::nullopt;
    return row.integer(0);
}

Result<std::uint64_t> JobStore::waiting(std::string_view kind) {
    const Lock lock(mutex_);
    TG_TRY(store::Statement row, database_.prepare("SELECT count(*) FROM jobs WHERE state = 0 AND kind = ?"));
    TG_TRY([[maybe_unused]] const bool is_there, row.bind(1, kind).step());
    return static_cast<std::uint64_t>(row.integer(0));
}

Result<JobState> JobStore::save(const Job& job) {
    const Lock lock(mutex_);
    // Somebody may have cancelled it since its worker looked last.
    TG_TRY(store::Statement put,
           database_.prepare(
               "UPDATE jobs SET state = CASE WHEN state = 1 AND cancel AND ?1 = 0 THEN 5 ELSE ?1 END, result = ?2, "
               "error = ?3, "
               "progress = ?4, progress_note = ?5, attempts = ?6, attempts_max = ?7, "
               "cancel = CASE WHEN state = 1 THEN max(cancel, ?8) ELSE ?8 END, updated = ?9, next_at = ?10, started = "
               "?11, "
               "finished = CASE WHEN state = 1 AND cancel AND ?1 = 0 THEN ?9 ELSE ?12 END, blob = ?13 WHERE id = ?14 "
               "RETURNING state"));
    put.bind(1, number_of(job.state)).bind(2, std::string_view(job.result)).bind(3, std::string_view(job.error));
    put.bind(4, job.progress).bind(5, std::string_view(job.progress_note));
    put.bind(6, static_cast<std::int64_t>(job.attempts)).bind(7, static_cast<std::int64_t>(job.attempts_max));
    put.bind(8, std::int64_t{job.cancel_requested}).bind(9, job.updated).bind(10, job.next_at).bind(11, job.started);
    put.bind(12, job.finished).bind(13, std::string_view(job.blob_path));
    TG_TRY(const bool is_there, put.bind(14, std::string_view(job.id)).step());
    if (!is_there) return job.state;  // Swept meanwhile.
    const JobState stored = state_of(put.integer(0));
    TG_TRY([[maybe_unused]] const bool more, put.step());
    return stored;
}

Result<JobState> JobStore::request_cancel(std::string_view id, UnixMillis now) {
    const Lock lock(mutex_);
    // A queued one is over by this; a running one when its worker says so.
    TG_TRY(store::Statement put,
           database_.prepare(
               "UPDATE jobs SET cancel = 1, updated = ?1, finished = CASE state WHEN 0 THEN ?1 ELSE finished END, "
               "state = CASE state WHEN 0 THEN 5 ELSE state END WHERE id = ?2 AND state < 2 RETURNING state"));
    TG_TRY(const bool is_changed, put.bind(1, now).bind(2, id).step());
    if (is_changed) {
        const JobState stored = state_of(put.integer(0));
        TG_TRY([[maybe_unused]] const bool more, put.step());
        return stored;
    }
    TG_TRY(const Job job, find_locked(id));
    return fail(ErrorCode::kConflict, fmt::format("The job is over: {}.", to_string(job.state)));
}

Result<std::vector<std::string>> JobStore::remove_ended(UnixMillis before, UnixMillis dead_before) {
    const Lock lock(mutex_);
    TG_TRY(store::Statement rows,
           database_.prepare("DELETE FROM jobs WHERE state > 1 AND finished < CASE state WHEN 4 THEN ?2 "
                             "ELSE ?1 END RETURNING blob"));
    rows.bind(1, before).bind(2, dead_before);
    std::vector<std::string> blobs;
    for (;;) {
        TG_TRY(const bool more, rows.step());
        if (!more) return blobs;
        if (!rows.text(0).empty()) blobs.push_back(blob_place(blob_folder_, rows.text(0)));
    }
}

Result<std::array<std::uint64_t, kJobStates>> JobStore::counts(const std::optional<std::string>& tenant) {
    const Lock lock(mutex_);
    std::string where = tenant ? "WHERE tenant = ?" : "";
    if (tenant && tenant->empty()) where += kNotOurs;
    TG_TRY(store::Statement rows,
           database_.prepare(fmt::format("SELECT state, count(*) FROM jobs {} GROUP BY state", where)));
    if (tenant) rows.bind(1, std::string_view(*tenant));
    std::array<std::uint64_t, kJobStates> counts{};
    for (;;) {
        TG_TRY(const bool more, rows.step());
        if (!more) return counts;
        const auto state = static_cast<std::size_t>(rows.integer(0));
        if (state < counts.size()) counts[state] = static_cast<std::uint64_t>(rows.integer(1));
    }
}

Result<std::vector<std::string>> JobStore::blobs() {
    const Lock lock(mutex_);
    TG_TRY(store::Statement rows, database_.prepare("SELECT blob FROM jobs WHERE blob <> '' AND state IN (0, 1, 4)"));
    std::vector<std::string> blobs;
    for (;;) {
        TG_TRY(const bool more, rows.step());
        if (!more) return blobs;
        blobs.emplace_back(rows.text(0));
    }
}

}  // namespace tidegate::jobs
