// Exporter: gathers the requests that are traced and sends them to the collector in batches.
//
// Position    A SpanSink. How a batch travels is the caller's business (app/trace_sender.h): it gives a function.
// Guarantee   submit() copies nothing but the span, waits for nobody and never fails the request. Whatever does not reach the
//             collector is counted, with the reason.
// Algorithm   One batch under way at a time. An answer of 429, 502, 503 or 504, or none, is tried again after Retry-After or an
//             exponential back-off with jitter, kAttemptsMax times in all; any other refusal is final, as OTLP demands.
// Memory      queue_max requests and one batch.
// Threads     submit(): any. One thread of its own encodes and waits.
// When full   The newest request is dropped and counted.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "base/clock.h"
#include "base/mutex.h"
#include "base/random.h"
#include "observe/metrics.h"
#include "observe/span.h"
#include "telemetry/otlp_json.h"

namespace tidegate::telemetry {

/// What became of one export.
struct Answer {
    int status = 0;                 // 0: none came; `body` says why.
    std::optional<Duration> retry;  // Retry-After.
    std::string body;
};
/// Calls back once, on any thread, or never: an export without an answer after `timeout` counts as failed.
using Send = std::function<void(std::string body, std::function<void(Answer)> done)>;

struct ExporterOptions {
    Resource resource;
    observe::TraceSampler sampler;
    std::size_t queue_max = 4096;
    std::size_t batch_max = 256;
    Duration interval = std::chrono::seconds(1);
    Duration timeout = std::chrono::seconds(10);
    Duration back_off_min = std::chrono::seconds(1);  // Doubles with each attempt.
    Duration back_off_max = std::chrono::seconds(30);
};

class Exporter final : public observe::SpanSink {
  public:
    static constexpr int kAttemptsMax = 5;  // With the default back-off: some 15 s, and as many timeouts.
    /// Longest time that stop() gives the last batches.
    static constexpr Duration kFlushMax = std::chrono::seconds(2);

    enum Outcome : std::uint8_t { kExported, kDroppedFull, kFailed, kRejected };
    static constexpr std::size_t kOutcomes = 4;

    /// `clock` and `random` outlive it.
    Exporter(ExporterOptions options, const Clock& clock, Random& random, Send send);
    ~Exporter() override;
    Exporter(const Exporter&) = delete;
    Exporter& operator=(const Exporter&) = delete;

    void start();
    /// Sends what waits, once and for at most kFlushMax, and ends. What comes later is dropped.
    void stop();

    const observe::TraceSampler& sampler() const noexcept override { return options_.sampler; }
    void submit(observe::RequestSpan span) noexcept override;

    /// Spans by what became of them.
    std::uint64_t spans(Outcome outcome) const noexcept { return spans_[outcome].load(std::memory_order_relaxed); }
    std::uint64_t retries() const noexcept { return retries_.load(std::memory_order_relaxed); }
    /// Requests that wait.
    std::size_t waiting() const;
    void declare_metrics(observe::Registry& registry);

  private:
    /// One export under way; the sender's callback may come after the wait for it was given up.
    struct Flight {
        Mutex mutex;
        Condition landed;
        std::optional<Answer> answer TG_GUARDED_BY(mutex);
    };
    void run();
    bool gather(std::vector<observe::RequestSpan>& batch);
    void deliver(const std::vector<observe::RequestSpan>& batch);
    Answer ask(const std::string& body);
    bool rest(Duration pause);
    bool is_stopping() const;
    void count(Outcome outcome, std::uint64_t spans) noexcept {
        spans_[outcome].fetch_add(spans, std::memory_order_relaxed);
    }

    const ExporterOptions options_;
    const Clock& clock_;
    Random& random_;
    const Send send_;
    std::array<std::atomic<std::uint64_t>, kOutcomes> spans_{};
    std::atomic<std::uint64_t> retries_{0};
    mutable Mutex mutex_;
    Condition wake_;
    std::vector<observe::RequestSpan> queue_ TG_GUARDED_BY(mutex_);
    bool stopping_ TG_GUARDED_BY(mutex_) = false;
    SteadyTime stop_by_ TG_GUARDED_BY(mutex_){};
    std::thread thread_;
};

}  // namespace tidegate::telemetry
