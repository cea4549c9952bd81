// Errand: one request's way to a model and back.
//
// Guarantee   What was asked is answered exactly once, with a Decision where the model ran (or failed); refusals leave none, as
//             everywhere. The bytes of the request live until the model has read them.
// Threads     begin() on the loop; finish on the loop again (without loops, in tests: on the model's thread).
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "audit/decision.h"
#include "model/model.h"
#include "pipeline/context.h"
#include "services/inference/infer_request.h"
#include "services/inference/inference.h"

namespace tidegate::inference {

/// Up to here a body is read, checked and hashed on the loop: some 20 us. (A hop to the pool and back costs as much as 10 KB of JSON.)
inline constexpr std::size_t kLoopBytesMax = std::size_t{16} * 1024;

/// kNotFound in words, also where there is no repository at all.
Result<model::ModelPtr> find_model(const InferenceParts& parts, std::string_view name, std::string_view version = {});

/// Answers with an error; one that is the model's own leaves a Decision. `model` null: none was found yet.
void fail_recorded(pipeline::Context& context, const model::Model* model, std::string_view operation,
                   const Error& error);

class Errand final : public std::enable_shared_from_this<Errand> {
  public:
    /// `operation`: of the Decision, `infer/tensor`; a literal.
    static std::shared_ptr<Errand> begin(const InferenceParts& parts, const pipeline::ContextPtr& context,
                                         std::string_view operation);

    const InferenceParts& parts;
    const pipeline::ContextPtr context;
    const std::string_view operation;
    model::ModelPtr model;
    InferBody body;

    /// Runs `work` where it holds nobody up: here when it is small, else on the cpu pool (503 when that is full).
    void run(bool small, void (*work)(Errand&));
    /// Hands `body` to the model; `finish` hears of it.
    void submit(void (*finish)(Errand&, model::InferAnswer&));
    /// A Decision with what is known of the model and of the pass.
    audit::Decision decide(const model::InferAnswer& answer) const;

  private:
    Errand(const InferenceParts& its_parts, const pipeline::ContextPtr& its_context, std::string_view its_operation);
    void take(Result<model::InferAnswer> answer, void (*finish)(Errand&, model::InferAnswer&));

    std::shared_ptr<model::AnswerSink> sink_;  // Null without loops.
    Loops::Flag gone_;
    SteadyTime submitted_{};
};

/// `32 rows, full`: of Server-Timing.
std::string batch_timing(const model::InferAnswer& answer);

/// What the record keeps of tensors: names, types and shapes; with `whole` their values too, up to 64 KiB.
std::string output_summary(const std::vector<model::NamedTensor>& outputs, const model::InferAnswer& answer,
                           bool whole);

}  // namespace tidegate::inference
