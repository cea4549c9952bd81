// What Jobs keeps of a kind and of a job that runs. Inside the room only.
//
// Threads     Any: atomics, and a lock around the progress.
#pragma once

#include <algorithm>
#include <array>
#include <atomic>
#include <chrono>
#include <string>
#include <utility>

#include "jobs/jobs.h"

namespace tidegate::jobs {

inline UnixMillis to_ms(Duration duration) noexcept {
    return std::chrono::duration_cast<std::chrono::milliseconds>(duration).count();
}

struct Jobs::Kind {
    explicit Kind(KindOptions its_options) : options(std::move(its_options)) {}
    const KindOptions options;
    std::atomic<std::int64_t> waiting{0};
    std::atomic<std::int64_t> running{0};
    std::atomic<std::uint64_t> submitted{0};
    std::array<std::atomic<std::uint64_t>, kJobStates> ended{};
    std::atomic<std::uint64_t> retries{0};
    std::atomic<std::uint64_t> run_ms{0};
};

class Jobs::RunningJob final : public Run {
  public:
    RunningJob(Job job, const std::atomic<bool>& stopping) : job_(std::move(job)), stopping_(stopping) {}
    const Job& job() const noexcept override { return job_; }
    void progress(double fraction, std::string_view note) override {
        const Lock lock(mutex_);
        fraction_ = std::clamp(fraction, 0.0, 1.0);
        note_ = note.substr(0, 200);
    }
    bool is_cancelled() const noexcept override {
        return cancelled_.load(std::memory_order_relaxed) || stopping_.load(std::memory_order_relaxed);
    }
    void cancel() noexcept { cancelled_.store(true, std::memory_order_relaxed); }
    bool was_cancelled() const noexcept { return cancelled_.load(std::memory_order_relaxed); }
    void write_progress(Job& to) const {
        const Lock lock(mutex_);
        to.progress = fraction_;
        to.progress_note = note_;
    }

  private:
    const Job job_;
    const std::atomic<bool>& stopping_;
    std::atomic<bool> cancelled_{false};
    mutable Mutex mutex_;
    double fraction_ TG_GUARDED_BY(mutex_) = 0;
    std::string note_ TG_GUARDED_BY(mutex_);
};

}  // namespace tidegate::jobs
