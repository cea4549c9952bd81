// Model: one version of one model, loaded: its config, its sessions, its batcher, its counts.
//
// Position    ModelRepository makes it and hands it out as ModelPtr; the services ask it.
// Guarantee   A request that fits what the model declares is answered exactly once; one that does not is refused with the name of
//             the input. A Model lives until its last holder and its last request in work are gone.
// Threads     Every member from any thread. `done` of infer() comes on an instance's thread, or on the caller's when the request
//             is refused at once: post on.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/result.h"
#include "model/backend.h"
#include "model/batcher.h"
#include "model/model_config.h"
#include "model/tensor.h"

namespace tidegate::model {

class Model;
using ModelPtr = std::shared_ptr<Model>;

/// A tensor under its name. Of a request: the shape as the client gave it, with the batch's dimension where the model has one.
struct NamedTensor {
    std::string_view name;
    TensorView tensor;
};

struct InferAnswer {
    ModelPtr model;                     // Keeps the names alive.
    std::vector<NamedTensor> outputs;   // In the order asked for; of all when none was named.
    std::shared_ptr<const void> owner;  // Keeps the bytes alive.
    Duration queued{};
    Duration computed{};  // Of the whole pass.
    std::uint32_t batch_rows = 0;
    Cut cut = Cut::kIdle;
};

struct InferRequest {
    std::vector<NamedTensor> inputs;        // In any order. Names are read before infer() returns, bytes until `done`.
    std::vector<std::string_view> outputs;  // Empty: all of them, in the model's order.
    std::shared_ptr<const void> owner;      // Keeps the bytes of `inputs` alive.
    std::uint32_t tokens = 0;    // Longest sequence of the rows; 0: taken from the shape where the model counts tokens.
    std::uint32_t priority = 0;  // 1 is the most urgent, 0: the model's default level.
    std::uint64_t timeout_us = 0;  // The client's own bound on its wait; counts as the config says. 0: none.
    SteadyTime deadline{};         // Zero: the config's, if it has one.
    std::shared_ptr<std::atomic<bool>> gone;
    std::move_only_function<void(Result<InferAnswer>)> done;
    std::shared_ptr<AnswerSink> sink;  // Null: `done` is called where the answer arises.
};

/// What check() found out.
struct CheckedRequest {
    std::vector<TensorView> inputs;     // In the order of the session, with the session's shapes.
    std::vector<std::uint32_t> wanted;  // Indices into outputs().
    std::uint32_t rows = 1;
    std::uint32_t tokens = 0;
};

struct Count {
    std::uint64_t count = 0;
    std::uint64_t ns = 0;
};

/// As Triton's statistics extension has them. Each `ns` is the sum over `count`: success, fail, queue and compute_infer count requests
/// (a request's share of compute_infer is its whole pass, as in Triton), compute_input, compute_output and `batches` count passes.
struct ModelStatistics {
    struct Batch {
        std::uint32_t batch_size = 0;
        Count compute_input, compute_infer, compute_output;
    };
    UnixMillis last_inference = 0;  // 0: none yet.
    std::uint64_t inference_count = 0;
    std::uint64_t execution_count = 0;  // Passes.
    Count success, fail, queue, compute_input, compute_infer, compute_output;
    std::vector<Batch> batches;  // Ascending by size; only sizes that occurred.
    std::uint64_t cut_full = 0, cut_time = 0, cut_idle = 0;
    std::uint32_t waiting_rows = 0;
};

class Model : public std::enable_shared_from_this<Model> {
  public:
    ~Model();
    Model(const Model&) = delete;
    Model& operator=(const Model&) = delete;

    const std::string& name() const noexcept;
    const std::string& version() const noexcept;
    const ModelConfig& config() const noexcept;
    /// As clients see them: with -1 for the batch where the model has one.
    const std::vector<TensorInfo>& inputs() const noexcept;
    const std::vector<TensorInfo>& outputs() const noexcept;
    /// Hex, of the model's file.
    const std::string& sha256() const noexcept;
    /// `VERSION@SHA256`, and where a config or tokenizer shapes the answers `+` and 8 digits of their hash: the model version of
    /// every Decision and cache key.
    const std::string& full_version() const noexcept;
    Device device() const noexcept;
    /// When it became ready.
    UnixMillis loaded_at() const noexcept;
    Duration warmup_time() const noexcept;
    /// Of the session, as the backend measures it; 0 where it cannot.
    std::uint64_t memory_bytes() const noexcept;
    /// The file that `tokenizer` names; empty: none is named.
    const std::string& tokenizer_file() const noexcept;

    /// Names, types, shapes, bytes against shape, missing, unexpected, given twice; outputs known. kInvalidArgument names the input.
    Result<CheckedRequest> check(const InferRequest& request) const;
    /// check(), then the batcher. `done` is called exactly once, whatever happens.
    void infer(InferRequest request);

    ModelStatistics statistics() const;
    const BatcherStats& batcher_stats() const noexcept;
    /// For the Retry-After of a refusal.
    Duration retry_after() const;

    // For the repository, which makes models.
    struct State;
    explicit Model(std::unique_ptr<State> state);

    const std::string& fingerprint() const noexcept;

  private:
    Result<void> check_rows(CheckedRequest& checked) const;
    Result<void> check_outputs(const InferRequest& request, CheckedRequest& checked) const;
    SteadyTime deadline_of(const InferRequest& request) const;
    Result<InferAnswer> answer_of(BatchAnswer batch, const std::vector<std::uint32_t>& wanted);

    std::unique_ptr<State> state_;
    std::atomic<std::uint64_t> infer_ns_{0};  // Over requests; the batcher's own sum is over passes.
};

}  // namespace tidegate::model
