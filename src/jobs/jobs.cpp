#include "jobs/jobs.h"

#include <fmt/core.h>

#include <algorithm>
#include <chrono>
#include <filesystem>
#include <set>
#include <system_error>
#include <utility>

#include "base/ids.h"
#include "jobs/running.h"

namespace tidegate::jobs {
namespace {

namespace fs = std::filesystem;

bool is_kind_name(std::string_view name) {
    return !name.empty() && name.size() <= 32 && std::ranges::all_of(name, [](char c) {
        return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_';
    });
}

void remove_strangers(const std::string& folder, const std::vector<std::string>& known) {
    // By name alone: a folder that was moved, or is written another way now, holds the files of its jobs all the same.
    std::set<std::string> names;
    for (const std::string& path : known) names.insert(fs::path(path).filename().string());
    std::error_code failed;
    for (const auto& entry : fs::directory_iterator(folder, failed)) {
        if (!names.contains(entry.path().filename().string())) fs::remove(entry.path(), failed);
    }
}

}  // namespace

Result<std::unique_ptr<Jobs>> Jobs::open(const JobSettings& settings, const std::string& folder, const Clock& clock,
                                         Random& random, observe::Logger* logger) {
    std::error_code failed;
    const std::string blobs = folder + "/job-files";
    fs::create_directories(blobs, failed);
    if (failed) return fail(ErrorCode::kUnavailable, "the folder of the jobs cannot be made: " + failed.message());
    TG_TRY(store::FileLock lock, store::FileLock::take(folder + "/jobs.lock"));
    TG_TRY(auto store, JobStore::open(folder + "/jobs.db", blobs, clock));
    TG_TRY(const std::uint64_t taken_back, store->take_back(clock.unix_ms()));
    TG_TRY(const std::vector<std::string> known, store->blobs());
    remove_strangers(blobs, known);
    if (taken_back > 0 && logger != nullptr) {
        logger->line(observe::Level::kWarn, "jobs of a process that died are taken up again").field("jobs", taken_back);
    }
    return std::unique_ptr<Jobs>(new Jobs(settings, std::move(lock), std::move(store), blobs, clock, random, logger));
}

Jobs::Jobs(const JobSettings& settings, store::FileLock lock, std::unique_ptr<JobStore> store, std::string blob_folder,
           const Clock& clock, Random& random, observe::Logger* logger)
    : settings_(settings),
      lock_(std::move(lock)),
      store_(std::move(store)),
      blob_folder_(std::move(blob_folder)),
      clock_(clock),
      random_(random),
      logger_(logger) {}

Jobs::~Jobs() {
    stop();
}

Result<void> Jobs::add_kind(KindOptions kind) {
    if (!is_kind_name(kind.name) || !kind.work || kind.threads == 0 || kind.attempts_max == 0) {
        return fail(ErrorCode::kInvalidArgument,
                    "a kind of jobs needs a name of a-z, 0-9, _, a thread, an attempt and work");
    }
    std::string name = kind.name;
    if (kinds_.contains(name)) return fail(ErrorCode::kInvalidArgument, "the kind of jobs " + name + " is known");
    TG_TRY(const std::uint64_t waiting, store_->waiting(name));
    auto made = std::make_unique<Kind>(std::move(kind));
    made->waiting = static_cast<std::int64_t>(waiting);
    kinds_.emplace(std::move(name), std::move(made));
    return {};
}

void Jobs::start() {
    for (const auto& [name, kind] : kinds_) {
        for (unsigned i = 0; i < kind->options.threads; ++i)
            threads_.emplace_back([this, &its_kind = *kind] { work(its_kind); });
    }
}

void Jobs::stop() {
    stopping_.store(true, std::memory_order_relaxed);
    wake();
    for (std::thread& thread : std::exchange(threads_, {})) thread.join();
}

void Jobs::wake() {
    const Lock lock(mutex_);
    ++wakes_;
    wake_.notify_all();
}

Result<std::string> Jobs::submit(Submission submission) {
    Job job;
    job.blob_path = std::move(submission.blob_path);
    const auto refuse = [&](ErrorCode code, std::string why) {
        remove_blob(job);
        refused_.fetch_add(1, std::memory_order_relaxed);
        return fail(code, std::move(why));
    };
    const auto kind = kinds_.find(submission.kind);
    if (kind == kinds_.end()) return refuse(ErrorCode::kInvalidArgument, "no such kind of jobs: " + submission.kind);
    if (submission.payload.size() > kPayloadBytesMax) {
        return refuse(ErrorCode::kTooLarge, fmt::format("a job's payload has at most {} bytes", kPayloadBytesMax));
    }
    const UnixMillis now = clock_.unix_ms();
    job.id = to_string(make_uuid7(clock_, random_));
    job.kind = std::move(submission.kind);
    job.tenant = std::move(submission.tenant);
    job.actor = std::move(submission.actor);
    job.title = std::move(submission.title);
    job.payload = std::move(submission.payload);
    job.attempts_max = submission.attempts_max > 0 ? submission.attempts_max : kind->second->options.attempts_max;
    job.created = now;
    job.next_at = now + to_ms(submission.delay);
    auto outcome = store_->add(job, submission.once_key, {settings_.waiting_max, settings_.tenant_waiting_max});
    if (!outcome) {
        note_trouble(outcome.error());
        return refuse(outcome.error().code, outcome.error().message);
    }
    using Added = JobStore::Added;
    if (outcome->added == Added::kFull) {
        return refuse(ErrorCode::kUnavailable, "As many jobs wait as jobs.waiting_max allows; hand it in again later.");
    }
    if (outcome->added == Added::kTenantFull) {
        return refuse(ErrorCode::kResourceExhausted,
                      "As many jobs of your tenant wait as jobs.tenant_waiting_max allows; hand it in again later.");
    }
    if (outcome->added == Added::kKnown) {
        remove_blob(job);
        return std::move(outcome->known_id);
    }
    kind->second->submitted.fetch_add(1, std::memory_order_relaxed);
    kind->second->waiting.fetch_add(1, std::memory_order_relaxed);
    wake();
    return job.id;
}

Result<Job> Jobs::find(std::string_view id) const {
    TG_TRY(Job job, store_->find(id));
    merge_progress(job);
    return job;
}

Result<std::vector<Job>> Jobs::list(const JobFilter& filter) const {
    TG_TRY(std::vector<Job> jobs, store_->list(filter));
    for (Job& job : jobs) merge_progress(job);
    return jobs;
}

void Jobs::merge_progress(Job& job) const {
    const Lock lock(mutex_);
    const auto running = running_.find(job.id);
    if (running != running_.end() && job.state == JobState::kRunning) running->second->write_progress(job);
}

Result<std::array<std::uint64_t, kJobStates>> Jobs::counts(const std::optional<std::string>& tenant) const {
    return store_->counts(tenant);
}

Result<Job> Jobs::cancel(std::string_view id) {
    TG_TRY(const JobState state, store_->request_cancel(id, clock_.unix_ms()));
    {
        const Lock lock(mutex_);
        const auto running = running_.find(id);
        if (running != running_.end()) running->second->cancel();
    }
    TG_TRY(Job job, find(id));
    // It waited; what runs is ended by its worker.
    if (state == JobState::kCancelled) {
        remove_blob(job);
        if (const auto kind = kinds_.find(job.kind); kind != kinds_.end()) {
            kind->second->waiting.fetch_sub(1, std::memory_order_relaxed);
            kind->second->ended[static_cast<std::size_t>(state)].fetch_add(1, std::memory_order_relaxed);
            tell_end(*kind->second, job);
        }
    }
    return job;
}

void Jobs::tell_end(const Kind& kind, const Job& job) const {
    if (kind.options.on_end && is_over(job.state) && job.state != JobState::kSucceeded) kind.options.on_end(job);
}

Result<void> Jobs::forget_file(std::string_view id) {
    TG_TRY(const Job job, store_->find(id));
    if (!is_over(job.state)) return fail(ErrorCode::kConflict, "The job is not over yet.");
    remove_blob(job);
    return {};
}

Result<Job> Jobs::retry(std::string_view id) {
    // Two at once would each see it over, and the second would queue what a worker has by then.
    static Mutex one_at_a_time;
    const Lock turn(one_at_a_time);
    TG_TRY(Job job, store_->find(id));
    if (!is_over(job.state) || job.state == JobState::kSucceeded) {
        return fail(ErrorCode::kConflict,
                    fmt::format("The job is {}: there is nothing to retry.", to_string(job.state)));
    }
    std::error_code failed;
    if (!job.blob_path.empty() && !fs::exists(job.blob_path, failed)) {
        return fail(ErrorCode::kConflict, "The job's file is gone: hand it in again.");
    }
    const auto kind = kinds_.find(job.kind);
    if (kind == kinds_.end()) return fail(ErrorCode::kConflict, "This server does no such jobs any more.");
    job.state = JobState::kQueued;
    job.attempts = 0;
    job.cancel_requested = false;
    job.finished = 0;
    job.updated = job.next_at = clock_.unix_ms();
    TG_CHECK(store_->save(job));
    kind->second->waiting.fetch_add(1, std::memory_order_relaxed);
    wake();
    return job;
}

void Jobs::remove_blob(const Job& job) {
    if (job.blob_path.empty()) return;
    std::error_code failed;
    fs::remove(job.blob_path, failed);
}

void Jobs::note_trouble(const Error& error) {
    store_failures_.fetch_add(1, std::memory_order_relaxed);
    const Lock lock(mutex_);
    if (trouble_.empty() && logger_ != nullptr) {
        logger_->line(observe::Level::kError, "the jobs' database does not work").field("reason", error.message);
    }
    trouble_ = error.message;
}

std::string Jobs::trouble() const {
    const Lock lock(mutex_);
    return trouble_;
}

void Jobs::declare_metrics(observe::Registry& registry) const {
    using observe::MetricType;
    using observe::Samples;
    const auto of_kinds = [&](observe::FamilySpec spec, MetricType type, auto read) {
        spec.labels = {"kind"};
        registry.callback(std::move(spec), type, [this, read](Samples& out) {
            for (const auto& [name, kind] : kinds_) out.add({name}, static_cast<double>(read(*kind)));
        });
    };
    of_kinds(
        {.name = "tidegate_jobs_waiting", .help = "Jobs that wait.", .when_it_rises = "More comes in than is done."},
        MetricType::kGauge, [](const Kind& kind) { return std::max<std::int64_t>(0, kind.waiting); });
    of_kinds({.name = "tidegate_jobs_running", .help = "Jobs that run now.", .when_it_rises = "Work is done."},
             MetricType::kGauge, [](const Kind& kind) { return kind.running.load(); });
    of_kinds({.name = "tidegate_jobs_submitted_total", .help = "Jobs taken.", .when_it_rises = "Work comes in."},
             MetricType::kCounter, [](const Kind& kind) { return kind.submitted.load(); });
    of_kinds({.name = "tidegate_jobs_retries_total",
              .help = "Attempts that failed and will be made again.",
              .when_it_rises = "Look at the errors of GET /api/v1/jobs?state=queued."},
             MetricType::kCounter, [](const Kind& kind) { return kind.retries.load(); });
    of_kinds({.name = "tidegate_jobs_run_seconds_total",
              .help = "Time that attempts have taken.",
              .unit = "",
              .when_it_rises = "Work is done."},
             MetricType::kCounter, [](const Kind& kind) { return static_cast<double>(kind.run_ms.load()) / 1000; });
    registry.callback({.name = "tidegate_jobs_ended_total",
                       .help = "Jobs that are over, by how.",
                       .labels = {"kind", "state"},
                       .when_it_rises = "dead: their attempts are used up; look at GET /api/v1/jobs?state=dead."},
                      MetricType::kCounter, [this](Samples& out) {
                          for (const auto& [name, kind] : kinds_) {
                              for (std::size_t i = 0; i < kJobStates; ++i) {
                                  const auto state = static_cast<JobState>(i);
                                  if (is_over(state))
                                      out.add({name, to_string(state)}, static_cast<double>(kind->ended[i].load()));
                              }
                          }
                      });
    const auto total = [&](std::string name, std::string help, std::string rises,
                           const std::atomic<std::uint64_t>& count) {
        registry.callback({.name = std::move(name), .help = std::move(help), .when_it_rises = std::move(rises)},
                          MetricType::kCounter,
                          [&count](Samples& out) { out.add({}, static_cast<double>(count.load())); });
    };
    total("tidegate_jobs_refused_total", "Jobs that were not taken.", "The queue is full: see jobs.waiting_max.",
          refused_);
    total("tidegate_jobs_store_failures_total", "Calls of the jobs' database that failed.",
          "Look at the disk of data.dir.", store_failures_);
}

}  // namespace tidegate::jobs
