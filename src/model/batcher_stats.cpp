#include "model/batcher_stats.h"

#include <algorithm>
#include <vector>

namespace tidegate::model {
namespace {

/// Batch sizes by doublings: 1 to 1024.
observe::HistogramSpec row_buckets() {
    return {.bounds = {1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024}, .scale = 1};
}

/// 10 us to 10 s: a small model runs in microseconds, a large one in seconds.
observe::HistogramSpec run_buckets() {
    return {.bounds = {0.00001, 0.000025, 0.00005, 0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05,
                       0.1, 0.25, 0.5, 1, 2.5, 5, 10}};
}

}  // namespace

std::string_view to_string(Cut cut) noexcept {
    switch (cut) {
        case Cut::kFull:
            return "full";
        case Cut::kTime:
            return "time";
        case Cut::kIdle:
            return "idle";
    }
    return "";
}

std::string_view to_string(Ended ended) noexcept {
    switch (ended) {
        case Ended::kAnswered:
            return "answered";
        case Ended::kFailed:
            return "failed";
        case Ended::kQueueFull:
            return "queue_full";
        case Ended::kTooLate:
            return "too_late";
        case Ended::kClosed:
            return "closed";
        case Ended::kTooLarge:
            return "too_large";
        case Ended::kMalformed:
            return "malformed";
        case Ended::kExpired:
            return "expired";
        case Ended::kGone:
            return "gone";
    }
    return "";
}

BatcherStats::BatcherStats(std::uint32_t rows_max)
    : queued(run_buckets()),
      computed(run_buckets()),
      sizes(row_buckets()),
      rows_max_(std::max(rows_max, 1U)),
      by_rows_(std::make_unique<RowsCell[]>(rows_max_)) {}

void BatcherStats::pass(const Pass& pass) noexcept {
    const auto relaxed = std::memory_order_relaxed;
    const auto ns = [](Duration duration) {
        return static_cast<std::uint64_t>(std::max(duration.count(), Duration::rep{0}));
    };
    RowsCell& cell = by_rows_[std::clamp(pass.rows, 1U, rows_max_) - 1];
    cell.passes.fetch_add(1, relaxed);
    cell.infer_ns.fetch_add(ns(pass.infer), relaxed);
    infer_ns.fetch_add(ns(pass.infer), relaxed);
    if (!pass.inlined) {  // An inline pass puts nothing together and takes nothing apart.
        cell.input_ns.fetch_add(ns(pass.input), relaxed);
        cell.output_ns.fetch_add(ns(pass.output), relaxed);
        input_ns.fetch_add(ns(pass.input), relaxed);
        output_ns.fetch_add(ns(pass.output), relaxed);
    } else {
        inlined.fetch_add(1, relaxed);
    }
    rows.fetch_add(pass.rows, relaxed);
    passes.fetch_add(1, relaxed);
    if (pass.tokens_padded > 0) {
        tokens_padded.fetch_add(pass.tokens_padded, relaxed);
        tokens_real.fetch_add(pass.tokens_real, relaxed);
    }
    cuts_[static_cast<std::size_t>(pass.cut)].fetch_add(1, relaxed);
    last_unix_ms.store(pass.at, relaxed);
    computed.record(pass.infer);
    sizes.record(pass.rows);
}

}  // namespace tidegate::model
