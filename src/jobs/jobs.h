// Jobs: work that is done some time, at least once, whatever happens to the process meanwhile.
//
// Position    Below what hands in work (alerts, webhooks, speech); above store/. A kind of job is a name and a function.
// Guarantee   What submit() accepted is on the disk and runs, also after kill -9 or loss of power, until it succeeds, fails for good,
//             is cancelled or has used up its attempts. An attempt is counted on the disk before it begins, so that a job that kills
//             the process does so attempts_max times and no more. It may run more than once: its id is the same each time, and
//             whatever it does elsewhere should carry it as idempotency key.
// Algorithm   A lease by the life of the process: a file lock beside the database says that no other process works on it, so that a
//             row found `running` at open() belonged to one that is gone, and is queued again. No clock takes part: one that jumps
//             cannot make a job run twice. Of a kind's jobs that are due the tenants take turns; of one tenant's the longest due
//             goes first. A failed attempt waits first_pause, doubled each time up to longest_pause, less up to half of it by chance.
// Memory      The jobs that run; the others are rows.
// Threads     `threads` a kind. All calls from any thread but an event loop's: each waits for the disk.
// When full   submit() refuses: kUnavailable (jobs.waiting_max), kResourceExhausted (the tenant's share).
// When it fails  The disk does not take an ending: the worker says it again each second before it takes other work, or, when the
//             server ends first, the job runs again.
//
//     TG_TRY(auto jobs, Jobs::open(settings, folder, clock, random, &log));
//     TG_CHECK(jobs->add_kind({.name = "transcribe", .threads = 1, .work = [&](Run& run) {
//         for (...) { if (run.is_cancelled()) return Outcome::interrupted(); run.progress(0.4, "decoding"); }
//         return Outcome::succeeded(R"({"session_id":"..."})");
//     }}));
//     jobs->start();
//     TG_TRY(const std::string id, jobs->submit({.kind = "transcribe", .tenant = t, .payload = options, .blob_path = upload}));
#pragma once

#include <array>
#include <atomic>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "base/clock.h"
#include "base/mutex.h"
#include "base/random.h"
#include "base/result.h"
#include "jobs/job.h"
#include "jobs/job_store.h"
#include "jobs/settings.h"
#include "observe/log.h"
#include "observe/metrics.h"
#include "store/file_lock.h"

namespace tidegate::jobs {

/// What a handler has of the job it works on. On the worker's thread.
class Run {
  public:
    virtual ~Run() = default;
    virtual const Job& job() const noexcept = 0;
    /// 0 to 1, and a word for people. Cheap: kept in memory until the attempt is over.
    virtual void progress(double fraction, std::string_view note) = 0;
    /// Somebody cancelled it, or the server ends: return Outcome::interrupted() soon. What goes on regardless holds up the end.
    virtual bool is_cancelled() const noexcept = 0;
};

/// How an attempt ended.
struct Outcome {
    enum class Kind : std::uint8_t { kSucceeded, kRetry, kFailed, kInterrupted };
    Kind kind = Kind::kInterrupted;
    std::string text;                              // The result (JSON) or the reason.
    std::optional<Duration> pause = std::nullopt;  // Before the next attempt, where the other side said so.

    static Outcome succeeded(std::string result_json) { return {Kind::kSucceeded, std::move(result_json)}; }
    static Outcome retry(std::string why, std::optional<Duration> pause = std::nullopt) {
        return {Kind::kRetry, std::move(why), pause};
    }
    static Outcome failed(std::string why) { return {Kind::kFailed, std::move(why)}; }
    /// Because is_cancelled(): cancelled, or queued again without counting the attempt.
    static Outcome interrupted() { return {}; }
};

struct KindOptions {
    std::string name;  // 1 to 32 of a-z, 0-9, `_`.
    unsigned threads = 1;
    std::uint32_t attempts_max = 5;
    Duration first_pause = std::chrono::seconds(1);
    Duration longest_pause = std::chrono::minutes(5);
    std::function<Outcome(Run&)> work;
    /// Told of each job that is over without success: failed, dead or cancelled, when that is on the disk. On the worker's thread or on
    /// that of cancel()'s caller; it may run beside work() of others. Not told of those that open() finds over. Empty: nobody asks.
    std::function<void(const Job&)> on_end = {};
};

struct Submission {
    std::string kind;
    std::string tenant = {};
    std::string actor = {};
    std::string title = {};
    std::string payload = {};
    /// A file in blob_folder(), whole and synced; belongs to the job from now on, also when submit() refuses: then it is removed.
    std::string blob_path = {};
    /// Two submissions with one key are one job as long as it is kept: the second gives the first one's id. Empty: no key.
    std::string once_key = {};
    Duration delay{};
    std::uint32_t attempts_max = 0;  // 0: the kind's.
};

class Jobs {
  public:
    static constexpr std::size_t kPayloadBytesMax = 256 * 1024;
    static constexpr std::size_t kResultBytesMax =
        std::size_t{16} * 1024 * 1024;  // A transcript of a day of speech is 1 MB.

    /// Opens or makes `folder`/jobs.db and takes back what a dead process had running. kConflict: another process has it.
    static Result<std::unique_ptr<Jobs>> open(const JobSettings& settings, const std::string& folder,
                                              const Clock& clock, Random& random, observe::Logger* logger);
    /// As stop().
    ~Jobs();

    /// Before start(). kInvalidArgument: a bad or known name.
    Result<void> add_kind(KindOptions kind);
    void start();
    /// Tells what runs to end and waits for it. What is interrupted so is queued again without counting the attempt.
    void stop();

    /// The new job's id. kInvalidArgument: unknown kind; kTooLarge: the payload; else as above.
    Result<std::string> submit(Submission submission);
    /// kNotFound.
    Result<Job> find(std::string_view id) const;
    /// Newest first.
    Result<std::vector<Job>> list(const JobFilter& filter) const;
    /// A queued one is over at once, a running one as soon as its handler heeds it. kNotFound, kConflict: it is over already.
    Result<Job> cancel(std::string_view id);
    /// A dead, failed or cancelled one is queued again with fresh attempts. kNotFound, kConflict: it is another, or its blob is gone.
    Result<Job> retry(std::string_view id);
    /// Removes the file of one that is over, a dead one's too: it cannot be retried then. kNotFound, kConflict: it is not over.
    Result<void> forget_file(std::string_view id);
    /// How many there are of each state; of one tenant, or of all.
    Result<std::array<std::uint64_t, kJobStates>> counts(const std::optional<std::string>& tenant) const;

    /// Where files for `blob_path` are to be made. Those that belong to no job are removed at open().
    const std::string& blob_folder() const noexcept { return blob_folder_; }
    void declare_metrics(observe::Registry& registry) const;
    /// Of the last failure of the database; empty while it works.
    std::string trouble() const;
    /// Looks again for due jobs: for tests that move the clock by hand.
    void wake();

  private:
    class RunningJob;
    struct Kind;
    Jobs(const JobSettings& settings, store::FileLock lock, std::unique_ptr<JobStore> store, std::string blob_folder,
         const Clock& clock, Random& random, observe::Logger* logger);
    void work(Kind& kind);
    Duration run_next(Kind& kind);
    void run(Kind& kind, Job job);
    void end_attempt(Kind& kind, Job& job, Outcome outcome, bool cancelled);
    void save_ending(Job& job);
    void tell_end(const Kind& kind, const Job& job) const;
    void sweep_if_due();
    void wait_for(Duration wait, std::uint64_t seen);
    Duration pause_after(const Kind& kind, const Job& job);
    void merge_progress(Job& job) const;
    void remove_blob(const Job& job);
    void note_trouble(const Error& error);
    void note_health();

    const JobSettings& settings_;
    const store::FileLock lock_;
    const std::unique_ptr<JobStore> store_;
    const std::string blob_folder_;
    const Clock& clock_;
    Random& random_;
    observe::Logger* const logger_;
    std::map<std::string, std::unique_ptr<Kind>, std::less<>> kinds_;  // Fixed from start() on.

    mutable Mutex mutex_;
    Condition wake_;
    std::uint64_t wakes_ TG_GUARDED_BY(mutex_) = 0;
    std::map<std::string, RunningJob*, std::less<>> running_ TG_GUARDED_BY(mutex_);
    std::string trouble_ TG_GUARDED_BY(mutex_);
    SteadyTime sweep_at_ TG_GUARDED_BY(mutex_){};
    std::atomic<bool> stopping_{false};
    std::atomic<std::uint64_t> store_failures_{0};
    std::atomic<std::uint64_t> refused_{0};
    std::vector<std::thread> threads_;
};

}  // namespace tidegate::jobs
