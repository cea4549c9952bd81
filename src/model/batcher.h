// Batcher: puts requests that wait for the same model together into one forward pass.
//
// Guarantee   Every request that submit() took is answered exactly once: with its rows, or with why not. Results are those of
//             the request alone (within the tolerance that docs/serve-your-model.md states).
// Algorithm   Work conserving: an idle instance takes what waits at once; requests gather only while all instances are busy
//             (or, where the model asks for it, up to wait_max). A batch is cut when it is full by rows or tokens, when the
//             wait is over, or when nothing else waits. Sequence models: requests of like length first.
// Memory      At most queue_rows_max rows wait.
// Threads     submit() from any thread; answers on an instance's thread: post on.
// When full   The answer is kUnavailable at once; a request whose deadline cannot be met, as the measured rate of the last
//             batches says, is refused early the same way.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/result.h"
#include "model/backend.h"
#include "model/tensor.h"

namespace tidegate::model {

struct BatcherOptions {
    bool batches = true;           // False: each request is a pass of its own (the model has no batch dimension).
    std::uint32_t rows_max = 32;   // Of one pass.
    std::uint64_t tokens_max = 0;  // rows x longest, padded; 0: not counted.
    Duration wait_max{};           // An idle instance waits so long for company; 0: not at all.
    std::uint32_t queue_rows_max = 1024;
    Duration queue_time_max{};  // Waiting longer is kDeadlineExceeded; 0: no bound of its own.
    unsigned instances = 1;
    unsigned priorities = 1;  // 0 is the most urgent.
};

/// Why a batch was as large as it was.
enum class Cut : std::uint8_t { kFull, kTime, kIdle };

/// What a request gets back. The views live as long as `owner`.
struct BatchAnswer {
    std::vector<TensorView> outputs;  // In the order wanted.
    std::shared_ptr<const void> owner;
    Duration queued{};
    Duration computed{};  // Of the whole pass.
    std::uint32_t batch_rows = 0;
    Cut cut = Cut::kIdle;
};

struct BatchRequest {
    std::vector<TensorView> inputs;     // In the order of Session::inputs().
    std::vector<std::uint32_t> wanted;  // Indices into Session::outputs().
    std::shared_ptr<const void> owner;  // Keeps the bytes of `inputs` alive.
    std::uint32_t rows = 1;
    std::uint32_t tokens = 0;  // Longest sequence; 0 where the model counts none.
    unsigned priority = 0;
    SteadyTime deadline{};                    // Zero: none.
    std::shared_ptr<std::atomic<bool>> gone;  // Set when nobody waits for the answer any more; may be null.
    std::move_only_function<void(Result<BatchAnswer>)> done;
};

}  // namespace tidegate::model
