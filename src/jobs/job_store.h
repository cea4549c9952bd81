// JobStore: the rows behind Jobs, in a SQLite file of their own.
//
// Guarantee   A change is on the disk when its call returns. Each call is one transaction.
// Threads     Any: the calls take turns, and each waits for the disk.
#pragma once

#include <array>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/mutex.h"
#include "base/result.h"
#include "jobs/job.h"
#include "store/sqlite.h"

namespace tidegate::jobs {

struct JobFilter {
    std::optional<std::string> tenant = std::nullopt;  // Absent: of all.
    std::string kind = {};                             // Empty: all.
    std::optional<JobState> state = std::nullopt;
    std::string before = {};  // An id: older ones only. Empty: from the newest.
    std::size_t limit = 50;
};

class JobStore {
  public:
    /// The files of jobs are looked for in `blob_folder`, wherever they lay when they came. kDataLoss: damaged; kUnavailable.
    static Result<std::unique_ptr<JobStore>> open(const std::string& path, const std::string& blob_folder,
                                                  const Clock& clock);

    /// Running -> queued, or dead where the attempts are used up; how many.
    Result<std::uint64_t> take_back(UnixMillis now);
    struct Room {
        std::uint64_t all_max = 0;
        std::uint64_t tenant_max = 0;
    };
    enum class Added : std::uint8_t { kStored, kKnown, kFull, kTenantFull };
    struct AddOutcome {
        Added added = Added::kStored;
        std::string known_id = {};  // Of the job that has this `once_key` already.
    };
    Result<AddOutcome> add(const Job& job, std::string_view once_key, const Room& room);
    Result<Job> find(std::string_view id);
    /// Without payloads and results.
    Result<std::vector<Job>> list(const JobFilter& filter);
    /// The next due job of the kind, marked as running with its attempt counted; nothing when none is due.
    Result<std::optional<Job>> claim(std::string_view kind, UnixMillis now);
    /// When the next job of the kind is due; absent: none waits.
    Result<std::optional<UnixMillis>> next_due(std::string_view kind);
    /// How many of the kind wait.
    Result<std::uint64_t> waiting(std::string_view kind);
    /// Writes state, result, error, progress, attempts and times. One that was to wait again and was cancelled meanwhile is cancelled:
    /// the state that is stored.
    Result<JobState> save(const Job& job);
    /// kCancelled: it waited, and is over by this; kRunning: its worker is to end it. kNotFound, kConflict.
    Result<JobState> request_cancel(std::string_view id, UnixMillis now);
    /// Removes what ended before; the blobs of what was removed.
    Result<std::vector<std::string>> remove_ended(UnixMillis before, UnixMillis dead_before);
    Result<std::array<std::uint64_t, kJobStates>> counts(const std::optional<std::string>& tenant);
    /// Files that belong to a job: one that is to run, runs, or may be retried with it.
    Result<std::vector<std::string>> blobs();

  private:
    JobStore(store::Database database, std::string blob_folder)
        : blob_folder_(std::move(blob_folder)), database_(std::move(database)) {}
    Result<Job> find_locked(std::string_view id) TG_REQUIRES(mutex_);
    Result<std::optional<std::string>> next_id(std::string_view kind, UnixMillis now) TG_REQUIRES(mutex_);
    Result<Added> judge_room(const Job& job, const Room& room) TG_REQUIRES(mutex_);

    const std::string blob_folder_;
    // Guards the connection, which takes one statement at a time; no event loop ever asks for it.
    Mutex mutex_;
    store::Database database_ TG_GUARDED_BY(mutex_);
    std::map<std::string, std::string, std::less<>> last_tenant_ TG_GUARDED_BY(mutex_);  // Served last, of each kind.
};

}  // namespace tidegate::jobs
