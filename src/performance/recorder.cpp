#include "performance/recorder.h"

#include <pthread.h>

#include <algorithm>

#include "performance/measures.h"

namespace tidegate::performance {

void Recorder::start(Sources sources) {
    sampler_ = std::make_unique<Sampler>(std::move(sources), needs_.clock.unix_ms(), needs_.clock.now());
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

bool Recorder::wait_for_next(SteadyTime& next) {
    next += needs_.settings.interval;
    const Lock lock(mutex_);
    while (!stopping_) {
        const Duration left = next - needs_.clock.now();
        if (left <= Duration::zero()) break;
        wake_.wait_for(mutex_, left);
    }
    // After a pause of the machine: no burst of samples that cover nothing.
    next = std::max(next, needs_.clock.now() - needs_.settings.interval);
    return !stopping_;
}

void Recorder::run() {
    ::pthread_setname_np(::pthread_self(), "performance");
    SteadyTime next = needs_.clock.now();
    while (wait_for_next(next)) {
        take();
        if (needs_.settings.auto_apply) needs_.actions.run_needed(needs_.settings.auto_apply_interval);
    }
}

void Recorder::take() {
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
