// BatcherStats: what one batcher did, in atomics that anybody may read at any time.
//
// Use         Triton's `/v2/models/{m}/stats` and the metrics read the same numbers from here.
// Guarantee   A request is counted in exactly one of Ended when it has its answer, and not before; a number never goes back.
// Memory      by_rows() has one line for each batch size up to rows_max; the histograms touch what they use (histogram.h).
// Threads     All members from any thread; relaxed atomics, so a reader sees each number whole but not all of one instant.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <memory>
#include <span>
#include <string_view>

#include "base/clock.h"
#include "observe/histogram.h"

namespace tidegate::model {

/// Why a batch was as large as it was.
enum class Cut : std::uint8_t {
    kFull,  // Rows or tokens: the next one did not fit.
    kTime,  // An idle instance had waited for company as long as it may.
    kIdle,  // An instance was free and nothing else of its kind waited.
};
inline constexpr std::size_t kCuts = 3;
std::string_view to_string(Cut cut) noexcept;

/// How a request came to its end.
enum class Ended : std::uint8_t {
    kAnswered,   // With its rows.
    kFailed,     // The model's run failed.
    kQueueFull,  // Refused at once: the queue has its rows.
    kTooLate,    // Refused at once: at the measured pace it would miss its deadline or queue_time_max.
    kClosed,     // Refused: the model is being unloaded.
    kTooLarge,   // Refused: more rows or tokens than a pass takes.
    kMalformed,  // Refused: tensors that are not what the request says.
    kExpired,    // Waited past its deadline or queue_time_max.
    kGone,       // Its client had gone: left without being computed, or its run was cancelled.
};
inline constexpr std::size_t kEnds = 9;
std::string_view to_string(Ended ended) noexcept;

/// Of the passes of one size. Times are sums in nanoseconds.
struct RowsCell {
    std::atomic<std::uint64_t> passes{0};
    std::atomic<std::uint64_t> input_ns{0};   // Putting the requests together.
    std::atomic<std::uint64_t> infer_ns{0};   // Session::run().
    std::atomic<std::uint64_t> output_ns{0};  // Taking the results apart.
};

class BatcherStats {
  public:
    explicit BatcherStats(std::uint32_t rows_max);

    // Counted by the batcher.
    void end(Ended how, std::uint64_t requests = 1) noexcept {
        ended_[static_cast<std::size_t>(how)].fetch_add(requests, std::memory_order_relaxed);
    }
    struct Pass {
        std::uint32_t rows = 0;
        std::uint64_t tokens_padded = 0;  // rows x longest.
        std::uint64_t tokens_real = 0;    // Without what was filled up.
        Cut cut = Cut::kIdle;
        bool inlined = false;
        Duration input{};
        Duration infer{};
        Duration output{};
        UnixMillis at = 0;
    };
    void pass(const Pass& pass) noexcept;

    std::uint64_t ended(Ended how) const noexcept {
        return ended_[static_cast<std::size_t>(how)].load(std::memory_order_relaxed);
    }
    std::uint64_t cuts(Cut cut) const noexcept {
        return cuts_[static_cast<std::size_t>(cut)].load(std::memory_order_relaxed);
    }
    /// Line i is of passes with i + 1 rows; the last line also counts larger ones.
    std::span<const RowsCell> by_rows() const noexcept { return {by_rows_.get(), rows_max_}; }

    std::atomic<std::uint64_t> rows{0};    // Of passes that succeeded: Triton's inference_count.
    std::atomic<std::uint64_t> passes{0};  // Triton's execution_count.
    std::atomic<std::uint64_t> tokens_padded{0};
    std::atomic<std::uint64_t> tokens_real{0};
    std::atomic<std::uint64_t> inlined{0};    // Passes on the thread that submitted.
    std::atomic<std::uint64_t> isolated{0};   // Requests run again by themselves because their batch failed.
    std::atomic<std::uint64_t> cancelled{0};  // Passes ended early because all their clients had gone.
    std::atomic<std::uint64_t> split{0};      // Requests that took several passes.
    std::atomic<std::uint64_t> input_ns{0};
    std::atomic<std::uint64_t> infer_ns{0};
    std::atomic<std::uint64_t> output_ns{0};
    std::atomic<std::uint64_t> queued_ns{0};       // Of requests that came into a pass.
    std::atomic<std::uint64_t> answered_ns{0};     // From submit() to the answer, of requests answered.
    std::atomic<std::uint64_t> failed_ns{0};       // The same of requests that ended otherwise.
    std::atomic<std::int64_t> last_unix_ms{0};     // When a pass last succeeded; 0: never.
    std::atomic<std::uint32_t> rows_waiting{0};    // Now.
    std::atomic<std::uint32_t> rows_in_flight{0};  // Now, in passes.

    observe::Histogram queued;    // Nanoseconds, each request that came into a pass.
    observe::Histogram computed;  // Nanoseconds, each pass.
    observe::Histogram sizes;     // Rows, each pass.

  private:
    const std::uint32_t rows_max_;
    std::array<std::atomic<std::uint64_t>, kEnds> ended_{};
    std::array<std::atomic<std::uint64_t>, kCuts> cuts_{};
    std::unique_ptr<RowsCell[]> by_rows_;
};

}  // namespace tidegate::model
