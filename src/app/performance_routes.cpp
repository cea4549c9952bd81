#include "app/performance_routes.h"

#include <algorithm>
#include <chrono>
#include <utility>

#include "http/sse.h"
#include "pipeline/context.h"

namespace tidegate::app {

using pipeline::ContextPtr;
using pipeline::Schema;

namespace {

constexpr Duration kInterval = std::chrono::seconds(1);

Schema sample_schema() {
    return Schema::string().doc(
        "Events `sample`: time, interval_s, requests, errors (answers 5xx), in_flight, latency_ms (p50, p90, p99, p999 "
        "of this "
        "second's requests; null without any), latency_histogram, routes, cache, spend_points, process.");
}

}  // namespace

void LoopLag::on_loop_start(pipeline::LoopParts& parts) {
    const Lock lock(mutex_);
    if (loops_.size() <= parts.index) loops_.resize(parts.index + 1);
    loops_[parts.index] = parts.loop.mailbox();
}

void LoopLag::on_loop_stop(pipeline::LoopParts& parts) {
    const Lock lock(mutex_);
    if (parts.index < loops_.size()) loops_[parts.index].reset();
}

void LoopLag::probe() {
    std::vector<std::shared_ptr<runtime::Mailbox>> loops;
    {
        const Lock lock(mutex_);
        loops = loops_;
    }
    const SteadyTime now = state_->clock.now();
    for (std::size_t i = 0; i < loops.size(); ++i) {
        if (!loops[i]) continue;
        {
            const Lock lock(state_->mutex);
            if (state_->asked.size() <= i) state_->asked.resize(i + 1);
            if (state_->asked[i] != SteadyTime{}) continue;  // It has not answered the last one.
            state_->asked[i] = now;
        }
        const bool posted = loops[i]->post([state = state_, i] {
            const Lock lock(state->mutex);
            state->worst = std::max(state->worst, state->clock.now() - state->asked[i]);
            state->asked[i] = {};
        });
        if (posted) continue;
        const Lock lock(state_->mutex);
        state_->asked[i] = {};
    }
}

Duration LoopLag::take_worst() {
    const Lock lock(state_->mutex);
    Duration worst = std::exchange(state_->worst, Duration{});
    const SteadyTime now = state_->clock.now();
    for (const SteadyTime asked : state_->asked) {
        if (asked != SteadyTime{}) worst = std::max(worst, now - asked);
    }
    state_->peak = std::max(state_->peak, worst);
    return worst;
}

Duration LoopLag::take_peak() {
    const Lock lock(state_->mutex);
    return std::exchange(state_->peak, Duration{});
}

void Performance::start(pipeline::LiveSampler::Sources sources) {
    sources.loop_lag = [this] { return lag_.take_worst(); };
    sampler_.emplace(std::move(sources));
    thread_ = std::jthread([this] { run(); });
}

void Performance::stop() {
    std::vector<Listener> ended;
    {
        const Lock lock(mutex_);
        stopping_ = true;
        ended.swap(listeners_);
        wake_.notify_all();
    }
    for (const Listener& listener : ended) listener.stream->finish();
    if (thread_.joinable()) thread_.join();
}

void Performance::run() {
    SteadyTime next = clock_.now();
    pipeline::LiveSample sample;
    while (true) {
        lag_.probe();
        next += kInterval;
        {
            const Lock lock(mutex_);
            while (!stopping_) {
                const Duration left = next - clock_.now();
                if (left <= Duration::zero()) break;
                wake_.wait_for(mutex_, left);
            }
            if (stopping_) return;
        }
        // After a pause of the machine: no burst of samples that cover nothing.
        next = std::max(next, clock_.now() - kInterval);
        if (!sampler_->take(clock_.unix_ms(), clock_.now(), sample)) continue;
        std::string event;
        http::append_event(event, {.name = "sample", .data = pipeline::to_json(sample)});
        send(event);
    }
}

void Performance::send(const std::string& event) {
    const Lock lock(mutex_);
    std::erase_if(listeners_, [&](Listener& listener) {
        const auto outcome = listener.stream->write(event);
        if (outcome == http::Stream::Outcome::kAccepted) {
            listener.missed = 0;
            return false;
        }
        if (outcome == http::Stream::Outcome::kFull && ++listener.missed < kMissedMax) return false;
        listener.stream->finish();
        return true;
    });
}

void Performance::listen(const ContextPtr& context) {
    http::Response response;
    response.headers.add("Content-Type", http::kEventStreamType);
    if (context->head().method == http::Method::kHead) return context->start_stream(std::move(response))->finish();
    const Lock lock(mutex_);
    if (stopping_) return context->fail({ErrorCode::kUnavailable, "The server is shutting down."});
    if (listeners_.size() >= kListenersMax) {
        return context->fail({ErrorCode::kUnavailable, "As many listen to the live figures as may."});
    }
    std::shared_ptr<http::Stream> stream = context->start_stream(std::move(response));
    std::string opening;
    http::append_comment(opening, "open");
    if (stream->write(opening) != http::Stream::Outcome::kAccepted) return;
    listeners_.push_back({context, std::move(stream)});
}

void Performance::register_routes(std::vector<pipeline::Route>& routes) {
    routes.push_back({
        .method = http::Method::kGet,
        .path = "/api/v1/performance/live",
        .operation = "performance_live",
        .family = "operations",
        .summary = "What this server does, one sample a second, as server-sent events.",
        .work = pipeline::Work::kInline,
        .response = sample_schema(),
        .response_type = "text/event-stream",
        .scopes = {"metrics"},
        .handler = [this](const ContextPtr& context) { listen(context); },
    });
}

}  // namespace tidegate::app
