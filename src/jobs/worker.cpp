// The workers of Jobs: take what is due, run it, say how it ended.
#include <algorithm>
#include <chrono>
#include <utility>

#include "jobs/jobs.h"
#include "jobs/running.h"

namespace tidegate::jobs {
namespace {

// A worker looks by itself as often, however it was woken: a clock that jumps ahead makes jobs due without telling anybody.
constexpr Duration kLookAgain = std::chrono::seconds(1);
constexpr Duration kSweepEach = std::chrono::minutes(1);
constexpr std::size_t kErrorBytesMax = 2'000;

}  // namespace

void Jobs::work(Kind& kind) {
    while (!stopping_.load(std::memory_order_relaxed)) {
        std::uint64_t seen = 0;
        {
            const Lock lock(mutex_);
            seen = wakes_;
        }
        const Duration wait = run_next(kind);
        if (wait > Duration::zero()) wait_for(wait, seen);
    }
}

void Jobs::wait_for(Duration wait, std::uint64_t seen) {
    const Lock lock(mutex_);
    while (wakes_ == seen && !stopping_.load(std::memory_order_relaxed)) {
        if (!wake_.wait_for(mutex_, wait)) return;
    }
}

Duration Jobs::run_next(Kind& kind) {
    sweep_if_due();
    const UnixMillis now = clock_.unix_ms();
    auto job = store_->claim(kind.options.name, now);
    if (!job) {
        note_trouble(job.error());
        return kLookAgain;
    }
    note_health();
    if (*job) {
        run(kind, **std::move(job));
        return Duration::zero();
    }
    const auto due = store_->next_due(kind.options.name);
    if (!due || !*due) return kLookAgain;
    return std::clamp<Duration>(std::chrono::milliseconds(**due - now), std::chrono::milliseconds(1), kLookAgain);
}

void Jobs::run(Kind& kind, Job job) {
    kind.waiting.fetch_sub(1, std::memory_order_relaxed);
    kind.running.fetch_add(1, std::memory_order_relaxed);
    RunningJob running(job, stopping_);
    {
        const Lock lock(mutex_);
        running_.emplace(job.id, &running);
    }
    // Cancelled between the claim and here, when nobody could tell the handler.
    if (const auto stored = store_->find(job.id); stored && stored->cancel_requested) running.cancel();
    const SteadyTime began = clock_.now();
    Outcome outcome = running.was_cancelled() ? Outcome::interrupted() : kind.options.work(running);
    kind.run_ms.fetch_add(static_cast<std::uint64_t>(std::max<UnixMillis>(0, to_ms(clock_.now() - began))),
                          std::memory_order_relaxed);
    running.write_progress(job);
    end_attempt(kind, job, std::move(outcome), running.was_cancelled());
    save_ending(job);
    {
        const Lock lock(mutex_);
        running_.erase(job.id);
    }
    kind.running.fetch_sub(1, std::memory_order_relaxed);
    if (is_over(job.state)) {
        kind.ended[static_cast<std::size_t>(job.state)].fetch_add(1, std::memory_order_relaxed);
        if (job.state != JobState::kDead) remove_blob(job);
        tell_end(kind, job);
    } else {
        kind.waiting.fetch_add(1, std::memory_order_relaxed);
    }
}

void Jobs::end_attempt(Kind& kind, Job& job, Outcome outcome, bool cancelled) {
    using enum Outcome::Kind;
    const UnixMillis now = clock_.unix_ms();
    job.updated = now;
    job.cancel_requested = cancelled;
    const auto end = [&](JobState state) {
        job.state = state;
        job.finished = now;
    };
    if (outcome.kind == kSucceeded && outcome.text.size() > kResultBytesMax) {
        outcome = Outcome::failed("its result is larger than a job may have");
    }
    if (outcome.kind == kSucceeded) {
        job.result = std::move(outcome.text);
        job.error.clear();
        job.progress = 1;
        return end(JobState::kSucceeded);
    }
    if (outcome.kind != kInterrupted) job.error = outcome.text.substr(0, kErrorBytesMax);
    if (outcome.kind == kFailed) return end(JobState::kFailed);
    if (cancelled) return end(JobState::kCancelled);
    if (outcome.kind == kInterrupted && stopping_.load(std::memory_order_relaxed)) {
        --job.attempts;
        job.state = JobState::kQueued;
        job.next_at = now;
        return;
    }
    if (outcome.kind == kInterrupted) job.error = "its handler gave up without a reason";
    if (job.attempts >= job.attempts_max) return end(JobState::kDead);
    kind.retries.fetch_add(1, std::memory_order_relaxed);
    job.state = JobState::kQueued;
    job.next_at = now + to_ms(std::max(outcome.pause.value_or(Duration::zero()), pause_after(kind, job)));
}

Duration Jobs::pause_after(const Kind& kind, const Job& job) {
    // 2^20 s is beyond any longest pause; less up to half, so that what failed together does not come back together.
    const auto doublings = std::min(job.attempts - 1, 20U);
    const Duration whole =
        std::min(kind.options.first_pause * (std::int64_t{1} << doublings), kind.options.longest_pause);
    const double share = 0.5 + 0.5 * static_cast<double>(random_.next_u64() >> 11U) * 0x1.0p-53;
    return std::chrono::duration_cast<Duration>(whole * share);
}

void Jobs::save_ending(Job& job) {
    for (;;) {
        const auto saved = store_->save(job);
        if (saved) {
            job.state = *saved;  // Somebody may have cancelled it at the last moment.
            return note_health();
        }
        note_trouble(saved.error());
        // Until it is said the job is `running` on the disk: a restart would run it again, as promised, and no sooner.
        if (stopping_.load(std::memory_order_relaxed)) return;
        std::uint64_t seen = 0;
        {
            const Lock lock(mutex_);
            seen = wakes_;
        }
        wait_for(kLookAgain, seen);
    }
}

void Jobs::sweep_if_due() {
    {
        const Lock lock(mutex_);
        const SteadyTime now = clock_.now();
        if (now < sweep_at_) return;
        sweep_at_ = now + kSweepEach;
    }
    const UnixMillis now = clock_.unix_ms();
    const auto blobs = store_->remove_ended(now - to_ms(settings_.keep), now - to_ms(settings_.dead_keep));
    if (!blobs) return note_trouble(blobs.error());
    for (const std::string& path : *blobs) {
        Job gone;
        gone.blob_path = path;
        remove_blob(gone);
    }
}

void Jobs::note_health() {
    const Lock lock(mutex_);
    if (trouble_.empty()) return;
    trouble_.clear();
    if (logger_ != nullptr) logger_->line(observe::Level::kInfo, "the jobs' database works again");
}

}  // namespace tidegate::jobs
