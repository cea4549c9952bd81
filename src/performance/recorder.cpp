#include "performance/recorder.h"

#include <pthread.h>

#include <algorithm>

#include "performance/measures.h"

namespace tidegate::performance {

void Recorder::start(Sources sources) {
    sampler_ = std::make_unique<Sampler>(std::move(sources), needs_.clock.unix_ms(), needs_.clock.now());
    {
        const Lock lock(mutex_);
        ended_ = false;
    }
    thread_ = std::jthread([this] { run(); });
}

void Recorder::stop() {
    {
        const Lock lock(mutex_);
        stopping_ = true;
        wake_.notify_all();
    }
    if (!thread_.joinable()) return;
    thread_.join();
    take();
}

Result<UnixMillis> Recorder::begin_anew() {
    const Lock lock(mutex_);
    if (ended_ || stopping_) return fail(ErrorCode::kUnavailable, "The server is stopping.");
    const std::uint64_t mine = ++anew_wanted_;
    wake_.notify_all();
    while (anew_done_ < mine && !ended_) wake_.wait(mutex_);
    if (anew_done_ < mine) return fail(ErrorCode::kUnavailable, "The server is stopping.");
    return began_anew_;
}

std::uint64_t Recorder::anew_wanted() const {
    const Lock lock(mutex_);
    return anew_wanted_;
}

/// `wanted`: of those who asked before the sample was taken that ends at `at`.
void Recorder::end_window(UnixMillis at, std::uint64_t wanted) {
    const Lock lock(mutex_);
    if (anew_done_ == wanted) return;
    window_.clear();
    began_anew_ = at;
    anew_done_ = wanted;
    wake_.notify_all();
}

bool Recorder::wait_for_next(SteadyTime& next) {
    next += needs_.settings.interval;
    const Lock lock(mutex_);
    while (!stopping_ && anew_wanted_ == anew_done_) {
        const Duration left = next - needs_.clock.now();
        if (left <= Duration::zero()) break;
        wake_.wait_for(mutex_, left);
    }
    // After a pause of the machine: no burst of samples that cover nothing. After one that came early: a whole interval.
    next = std::clamp(next, needs_.clock.now() - needs_.settings.interval, needs_.clock.now());
    return !stopping_;
}

void Recorder::run() {
    ::pthread_setname_np(::pthread_self(), "performance");
    SteadyTime next = needs_.clock.now();
    while (wait_for_next(next)) {
        const std::uint64_t wanted = anew_wanted();
        end_window(take(), wanted);
        if (needs_.settings.auto_apply) needs_.actions.run_needed(needs_.settings.auto_apply_interval);
    }
    const Lock lock(mutex_);
    ended_ = true;
    wake_.notify_all();
}

UnixMillis Recorder::take() {
    const Sample sample = sampler_->take(needs_.clock.unix_ms(), needs_.clock.now());
    health_.judge(sample);
    levels_.publish(std::make_shared<const Reading>(reading_of(sample)));
    taken_.fetch_add(1, std::memory_order_relaxed);
    {
        const Lock lock(mutex_);
        window_.push_back(sample);
        if (window_.size() > Health::kWindow) window_.pop_front();
    }
    keep(sample);
    return sample.to;
}

void Recorder::keep(const Sample& sample) {
    auto kept = needs_.store.append(sample, needs_.slow ? needs_.slow() : std::vector<SlowStatement>{});
    if (kept) kept = needs_.store.look_after(sample.to);
    if (kept) return;
    failed_.fetch_add(1, std::memory_order_relaxed);
    needs_.log.line(observe::Level::kWarn, "performance_sample_not_kept").field("reason", kept.error().message);
}

std::vector<Sample> Recorder::window() const {
    const Lock lock(mutex_);
    return {window_.begin(), window_.end()};
}

std::string Recorder::unit_of(std::string_view series) const {
    if (sampler_ == nullptr) return {};
    const auto& all = sampler_->sources().series;
    const auto found = std::ranges::find(all, series, &Series::name);
    return found == all.end() ? std::string() : found->unit;
}

}  // namespace tidegate::performance
