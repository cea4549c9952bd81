#include "telemetry/exporter.h"

#include <pthread.h>

#include <algorithm>
#include <iterator>
#include <utility>

namespace tidegate::telemetry {
namespace {

using observe::RequestSpan;

constexpr std::array<std::string_view, Exporter::kOutcomes> kOutcomeNames{"exported", "dropped_full", "failed",
                                                                          "rejected"};

std::uint64_t spans_of(const std::vector<RequestSpan>& batch) noexcept {
    std::uint64_t count = 0;
    for (const RequestSpan& request : batch) count += span_count(request);
    return count;
}

bool may_be_tried_again(int status) noexcept {
    return status == 0 || status == 429 || status == 502 || status == 503 || status == 504;
}

}  // namespace

Exporter::Exporter(ExporterOptions options, const Clock& clock, Random& random, Send send)
    : options_(std::move(options)), clock_(clock), random_(random), send_(std::move(send)) {}

Exporter::~Exporter() {
    stop();
}

void Exporter::start() {
    thread_ = std::thread([this] { run(); });
}

void Exporter::stop() {
    {
        const Lock lock(mutex_);
        if (!stopping_) stop_by_ = clock_.now() + kFlushMax;
        stopping_ = true;
        wake_.notify_all();
    }
    if (thread_.joinable()) thread_.join();
}

void Exporter::submit(RequestSpan span) noexcept {
    const std::size_t count_of_it = span_count(span);
    bool full = false;
    {
        const Lock lock(mutex_);
        full = stopping_ || queue_.size() >= options_.queue_max;
        if (!full) queue_.push_back(std::move(span));
        // Once a batch is whole; before that its time comes by itself.
        if (!full && queue_.size() == options_.batch_max) wake_.notify_all();
    }
    if (full) count(kDroppedFull, count_of_it);
}

std::size_t Exporter::waiting() const {
    const Lock lock(mutex_);
    return queue_.size();
}

bool Exporter::is_stopping() const {
    const Lock lock(mutex_);
    return stopping_;
}

/// Waits for a batch, or for its time; false: the end, and nothing waits.
bool Exporter::gather(std::vector<RequestSpan>& batch) {
    const Lock lock(mutex_);
    const SteadyTime due = clock_.now() + options_.interval;
    while (!stopping_ && queue_.size() < options_.batch_max) {
        const Duration left = due - clock_.now();
        if (left <= Duration::zero()) break;
        wake_.wait_for(mutex_, left);
    }
    const auto some = static_cast<std::ptrdiff_t>(std::min(queue_.size(), options_.batch_max));
    batch.assign(std::make_move_iterator(queue_.begin()), std::make_move_iterator(queue_.begin() + some));
    queue_.erase(queue_.begin(), queue_.begin() + some);
    return !batch.empty() || !stopping_;
}

void Exporter::run() {
    ::pthread_setname_np(::pthread_self(), "traces");
    std::vector<RequestSpan> batch;
    while (gather(batch)) {
        if (!batch.empty()) deliver(batch);
    }
}

void Exporter::deliver(const std::vector<RequestSpan>& batch) {
    const std::uint64_t spans = spans_of(batch);
    const std::string body = to_otlp_json(options_.resource, batch, random_);
    Duration back_off = options_.back_off_min;
    for (int attempt = 1;; ++attempt) {
        const Answer answer = ask(body);
        if (answer.status >= 200 && answer.status < 300) {
            const std::uint64_t rejected = std::min(rejected_spans(answer.body), spans);
            count(kRejected, rejected);
            return count(kExported, spans - rejected);
        }
        if (!may_be_tried_again(answer.status) || attempt == kAttemptsMax || is_stopping()) break;
        // Between half of it and all of it: those who failed together do not come back together.
        const auto half = back_off / 2;
        const Duration drawn =
            half +
            Duration(static_cast<std::int64_t>(random_.next_u64() % static_cast<std::uint64_t>(half.count() + 1)));
        if (!rest(std::min(std::max(answer.retry.value_or(drawn), drawn), options_.back_off_max))) break;
        retries_.fetch_add(1, std::memory_order_relaxed);
        back_off = std::min(back_off * 2, options_.back_off_max);
    }
    count(kFailed, spans);
}

Answer Exporter::ask(const std::string& body) {
    const auto flight = std::make_shared<Flight>();
    send_(body, [flight](Answer answer) {
        const Lock lock(flight->mutex);
        if (!flight->answer) flight->answer = std::move(answer);
        flight->landed.notify_all();
    });
    SteadyTime due = clock_.now() + options_.timeout;
    constexpr Duration kLook =
        std::chrono::milliseconds(100);  // How often a waiting export asks whether all is to end.
    const Lock lock(flight->mutex);
    while (!flight->answer) {
        {
            const Lock own(mutex_);
            if (stopping_) due = std::min(due, stop_by_);
        }
        const Duration left = due - clock_.now();
        if (left <= Duration::zero()) return {.status = 0, .retry = {}, .body = "no answer in time"};
        flight->landed.wait_for(flight->mutex, std::min(left, kLook));
    }
    return *std::move(flight->answer);
}

/// False: all is to end.
bool Exporter::rest(Duration pause) {
    const SteadyTime until = clock_.now() + pause;
    const Lock lock(mutex_);
    while (!stopping_) {
        const Duration left = until - clock_.now();
        if (left <= Duration::zero()) return true;
        wake_.wait_for(mutex_, left);
    }
    return false;
}

void Exporter::declare_metrics(observe::Registry& registry) {
    registry.callback({.name = "tidegate_trace_spans_total",
                       .help = "Spans by what became of them: exported; dropped_full: the queue was full; failed: the "
                               "collector did not take them; rejected: it took the batch without them.",
                       .labels = {"outcome"},
                       .when_it_rises = "Other than `exported`: look at the collector, or lower tracing.sample_ratio."},
                      observe::MetricType::kCounter, [this](observe::Samples& out) {
                          for (std::size_t i = 0; i < kOutcomes; ++i) {
                              out.add({kOutcomeNames[i]}, static_cast<double>(spans(static_cast<Outcome>(i))));
                          }
                      });
    registry.callback({.name = "tidegate_trace_retries_total",
                       .help = "Exports of traces tried again.",
                       .when_it_rises = "The collector is away or overloaded."},
                      observe::MetricType::kCounter,
                      [this](observe::Samples& out) { out.add({}, static_cast<double>(retries())); });
    registry.callback({.name = "tidegate_trace_waiting",
                       .help = "Traced requests that wait to be sent.",
                       .when_it_rises = "Compare with tracing.queue_max."},
                      observe::MetricType::kGauge,
                      [this](observe::Samples& out) { out.add({}, static_cast<double>(waiting())); });
}

}  // namespace tidegate::telemetry
