// TextJob: the texts of one request on their way through a text model, a window of them at a time.
//
// Guarantee   finish runs exactly once, on the cpu pool: with a row of numbers for each text in the order they came, or not at all and
//             the request answered with why. Texts go in the order of their lengths, so that passes hold texts of like length.
// Memory      At most kWindow texts wait for the model or have whole tensors; of the others there are tokens before, a row after.
// Threads     start() on a pool's thread; answers come on the model's threads; one mutex.
// When it fails  The first failure ends the job: what is in work is waited for, the rest is not begun. A client that has left is one.
#pragma once

#include <cstdint>
#include <memory>
#include <string_view>
#include <vector>

#include "audit/decision.h"
#include "base/mutex.h"
#include "pipeline/context.h"
#include "services/inference/inference.h"
#include "services/inference/text_models.h"

namespace tidegate::inference {

class TextJob final : public std::enable_shared_from_this<TextJob> {
  public:
    /// Two passes of the batcher's default size: one is computed while the next waits.
    static constexpr std::size_t kWindow = 64;

    /// How a row is made of the model's output.
    using Reduce = Result<std::vector<float>> (*)(const TextModel&, const model::TensorView&, bool flag);
    using Finish = std::move_only_function<void(TextJob*)>;

    /// `operation`: of the Decision; a literal. `flag` is handed to `reduce`.
    TextJob(const InferenceParts& its_parts, pipeline::ContextPtr its_context, std::string_view its_operation,
            TextModel its_model, Reduce reduce, bool flag);

    const InferenceParts& parts;
    const pipeline::ContextPtr context;
    const std::string_view operation;
    const TextModel text_model;

    /// Reads the items into tokens; false: the request has been answered with what is wrong.
    bool read(const TextItems& items, const EncodeWish& wish);
    void start(Finish finish);

    // For finish.
    std::vector<std::vector<float>>& rows() noexcept { return rows_; }
    std::uint64_t tokens() const noexcept { return tokens_; }
    /// A Decision of the model; `output` is JSON.
    audit::Decision decide(std::string output) const;

  private:
    void pump() TG_EXCLUDES(mutex_);
    void submit(std::size_t at);
    void take(std::size_t at, Result<model::InferAnswer> answer) TG_EXCLUDES(mutex_);
    Result<void> still_wanted() const;
    void end();

    const Reduce reduce_;
    const bool flag_;
    Finish finish_;
    SteadyTime started_{};
    std::uint64_t tokens_ = 0;
    std::vector<model::Encoding> texts_;
    std::vector<std::uint32_t> order_;
    std::vector<std::vector<float>> rows_;
    Mutex mutex_;
    std::size_t next_ TG_GUARDED_BY(mutex_) = 0;
    std::size_t in_flight_ TG_GUARDED_BY(mutex_) = 0;
    bool pumping_ TG_GUARDED_BY(mutex_) = false;
    bool again_ TG_GUARDED_BY(mutex_) = false;
    bool ended_ TG_GUARDED_BY(mutex_) = false;
    std::optional<Error> error_ TG_GUARDED_BY(mutex_);
};

}  // namespace tidegate::inference
