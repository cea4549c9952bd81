// Batcher: puts requests that wait for the same model together into one forward pass.
//
// Guarantee   Every request given to submit() is answered exactly once: with its rows, or with why not. Results are those of
//             the request alone (within the tolerance that docs/serve-your-model.md states). A pass that fails is repeated
//             request by request, so that one bad request fails alone.
// Algorithm   Work conserving: an idle instance takes what waits at once; requests gather only while all instances are busy
//             (or, where the model asks for it, up to wait_max). A batch is cut when it is full by rows or tokens, when the
//             wait is over, or when nothing else waits. It begins with the request that is first by arrival + priority x
//             priority_step, so a request is overtaken only by more urgent ones that come within that time after it:
//             nobody starves. It is filled with requests of equal shapes, and for sequence models of like length.
//             Admission is by deadline, from the measured time of the last passes: what would come too late is refused when
//             it comes. (CoDel would let it wait first, and needs a standing queue to see what we can compute.)
// Memory      At most queue_rows_max rows wait. One copy of the inputs of a pass that has several requests.
// Threads     submit() from any thread. Answers come on an instance's thread, on the keeper's (time-outs), or inside submit()
//             (refusals and inline passes); with a sink, as the sink has it. No lock is held while they are told.
// When full   The answer is kUnavailable at once, as for a request whose deadline cannot be met; retry_after() says when to try
//             again.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/result.h"
#include "model/backend.h"
#include "model/batcher_stats.h"
#include "model/tensor.h"

namespace tidegate::model {

/// How sequences of different length come into one pass: each row of such an input is filled up in its second dimension.
struct InputPadding {
    bool pads = false;       // False: the dimensions of this input (but the first) must be equal in a pass.
    std::int64_t value = 0;  // Converted to the input's type.
};

/// What becomes of a request with more rows than a pass takes.
enum class Oversize : std::uint8_t { kSplit, kRefuse };

struct BatcherOptions {
    bool batches = true;           // False: each request is a pass of its own (the model has no batch dimension).
    std::uint32_t rows_max = 32;   // Of one pass.
    std::uint64_t tokens_max = 0;  // rows x longest, padded; 0: not counted.
    Duration wait_max{};           // An idle instance waits so long for company; 0: not at all.
    std::uint32_t queue_rows_max = 1024;
    Duration queue_time_max{};  // Waiting longer is kDeadlineExceeded; 0: no bound of its own.
    unsigned instances = 1;
    unsigned priorities = 1;  // 0 is the most urgent.
    Duration priority_step = std::chrono::milliseconds(100);
    Oversize oversize = Oversize::kSplit;
    std::vector<InputPadding> pad_inputs;  // In the order of Session::inputs(); empty: nothing is padded.
    std::vector<bool>
        cut_outputs;  // In the order of Session::outputs(): its second dimension is the padded length, so a
                      // shorter request gets a copy of its own length. Empty: none.
    /// A pass runs on the thread that submits it when nothing waits and the measured mean of passes of its size is under this;
    /// 0: never. An event loop does nothing else meanwhile: two passes over the bound in a row, and all go to the instances again
    /// until sixteen there were under it.
    Duration inline_below{};
    std::function<void(unsigned instance)> thread_began;  // On each instance's thread: to pin it. May be empty.
};

/// What a request gets back. The views live as long as `owner`.
struct BatchAnswer {
    std::vector<TensorView> outputs;  // In the order wanted.
    std::shared_ptr<const void> owner;
    Duration queued{};
    Duration computed{};           // Of the whole pass; of a split request, of all its passes.
    std::uint32_t batch_rows = 0;  // Of a split request, of its largest pass.
    Cut cut = Cut::kIdle;
};

using Answer = Result<BatchAnswer>;
using AnswerDone = std::move_only_function<void(Answer)>;

/// A request's end, as a sink gets it: call done(std::move(answer)) once.
struct Answered {
    AnswerDone done;
    Answer answer;
};

/// Where the answers of one asker's requests go: once a pass, not once a request.
class AnswerSink {
  public:
    virtual ~AnswerSink() = default;
    /// All requests of one pass that named this sink. It may move out of `answers`, which ends with the call. Any thread.
    virtual void deliver(std::span<Answered> answers) = 0;
};

struct BatchRequest {
    std::vector<TensorView> inputs;     // In the order of Session::inputs().
    std::vector<std::uint32_t> wanted;  // Indices into Session::outputs().
    std::shared_ptr<const void> owner;  // Keeps the bytes of `inputs` alive.
    std::uint32_t rows = 1;             // The first dimension of every input, where the model batches.
    std::uint32_t tokens =
        0;                  // Longest sequence: the second dimension of the inputs that pad; 0: the model counts none.
    unsigned priority = 0;  // Beyond the last level: the last.
    SteadyTime deadline{};  // Zero: none.
    std::shared_ptr<std::atomic<bool>> gone;  // Set when nobody waits for the answer any more; may be null.
    AnswerDone done;
    std::shared_ptr<AnswerSink> sink;  // Null: `done` is called where the answer arises.
};

class Batcher {
  public:
    /// Instance i runs sessions[i % size]. kInvalidArgument for options that contradict each other or the sessions. `name` is
    /// for the threads' names and messages. `clock` outlives the last request.
    static Result<std::unique_ptr<Batcher>> create(std::string name, BatcherOptions options,
                                                   std::vector<std::shared_ptr<Session>> sessions, const Clock& clock);
    /// As close(Close::kDrain). May run on a thread of its own (an answer that held the last reference).
    ~Batcher();
    Batcher(const Batcher&) = delete;
    Batcher& operator=(const Batcher&) = delete;

    /// Always answers through request.done (or its sink), perhaps before it returns. Refusals: kUnavailable (full, too late,
    /// closed), kTooLarge, kInvalidArgument (tensors that do not agree with the request or each other). Later: kDeadlineExceeded,
    /// kCancelled (gone), or the session's own error.
    void submit(BatchRequest request);

    enum class Close : std::uint8_t { kDrain, kRefuse };
    /// Refuses what comes. What waits is computed (kDrain) or answered kUnavailable (kRefuse); returns when everything has its
    /// answer. Called on a thread of its own it does not wait for that thread's pass. Again: no effect.
    void close(Close how);

    /// Until what waits now will have been computed, as the last passes ran; at least a millisecond.
    Duration retry_after() const;
    const BatcherStats& stats() const noexcept;
    const BatcherOptions& options() const noexcept;
    /// Ends what is late or gone, cancels passes that nobody waits for: what the keeper's thread does when it is time. For tests
    /// whose clock is their own.
    void tick();

  private:
    class Core;
    explicit Batcher(std::shared_ptr<Core> core);
    const std::shared_ptr<Core> core_;
};

}  // namespace tidegate::model
