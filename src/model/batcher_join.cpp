#include "model/batcher_join.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>
#include <limits>
#include <optional>
#include <utility>

#include "model/batcher_pass.h"

namespace tidegate::model {
namespace {

class Joint {
  public:
    using Joined = std::move_only_function<void(Answered, std::shared_ptr<AnswerSink>)>;
    Joint(AnswerDone done, std::shared_ptr<AnswerSink> sink, Joined joined, std::size_t parts)
        : done_(std::move(done)), sink_(std::move(sink)), joined_(std::move(joined)), answers_(parts), left_(parts) {}

    void part(std::size_t at, Answer answer) {
        answers_[at] = std::move(answer);
        // The last one sees what the others wrote.
        if (left_.fetch_sub(1, std::memory_order_acq_rel) == 1) {
            joined_(Answered{std::move(done_), put_together()}, std::move(sink_));
        }
    }

  private:
    Answer put_together() {
        BatchAnswer whole;
        for (auto& answer : answers_) {
            if (!*answer) return std::unexpected(std::move(*answer).error());
            whole.queued = std::max(whole.queued, (*answer)->queued);
            whole.computed += (*answer)->computed;
            whole.batch_rows = std::max(whole.batch_rows, (*answer)->batch_rows);
            whole.cut = (*answer)->cut;
        }
        auto result = std::make_shared<PassResult>();
        const std::size_t outputs = (*answers_.front())->outputs.size();
        result->tensors.reserve(outputs);
        result->strings.resize(outputs);
        for (std::size_t i = 0; i < outputs; ++i) {
            TG_TRY(const TensorView view, output(i, *result));
            whole.outputs.push_back(view);
        }
        whole.owner = std::move(result);
        return whole;
    }

    Result<TensorView> output(std::size_t at, PassResult& result) {
        const TensorView& first = (*answers_.front())->outputs[at];
        TensorView view{.type = first.type, .shape = first.shape, .bytes = {}, .strings = {}};
        std::int64_t rows = 0;
        for (const auto& answer : answers_) {
            const TensorView& part = (*answer)->outputs[at];
            Shape shape = part.shape;
            if (shape.size() > 0) {
                rows += shape[0];
                shape.set(0, first.shape[0]);
            }
            if (shape.size() == 0 || !(shape == first.shape) || part.type != first.type) {
                return fail(
                    ErrorCode::kInternal,
                    fmt::format("the parts of a large request gave outputs of shapes {} and {}, which cannot be "
                                "joined",
                                first.shape.text(), part.shape.text()));
            }
        }
        view.shape.set(0, rows);
        if (view.type == DataType::kBytes) {
            // The texts stay where they are: their owners are kept.
            for (const auto& answer : answers_) {
                const auto part = (*answer)->outputs[at].strings;
                result.strings[at].insert(result.strings[at].end(), part.begin(), part.end());
                result.owners.push_back((*answer)->owner);
            }
            view.strings = result.strings[at];
            return view;
        }
        TG_TRY(Tensor whole, Tensor::make(view.type, view.shape, std::numeric_limits<std::uint64_t>::max()));
        auto to = whole.bytes().begin();
        for (const auto& answer : answers_) to = std::ranges::copy((*answer)->outputs[at].bytes, to).out;
        result.tensors.push_back(std::move(whole));
        view.bytes = std::as_const(result.tensors.back()).bytes();
        return view;
    }

    AnswerDone done_;
    std::shared_ptr<AnswerSink> sink_;
    Joined joined_;
    std::vector<std::optional<Answer>> answers_;
    std::atomic<std::size_t> left_;
};

}  // namespace

std::vector<BatchRequest> split(BatchRequest&& request, std::uint32_t rows_each,
                                std::move_only_function<void(Answered, std::shared_ptr<AnswerSink>)> joined) {
    const std::size_t count = (request.rows + rows_each - 1) / rows_each;
    auto joint = std::make_shared<Joint>(std::move(request.done), std::move(request.sink), std::move(joined), count);
    std::vector<BatchRequest> parts;
    parts.reserve(count);
    for (std::uint32_t first = 0; first < request.rows; first += rows_each) {
        BatchRequest part;
        part.rows = std::min(rows_each, request.rows - first);
        part.wanted = request.wanted;
        part.owner = request.owner;
        part.tokens = request.tokens;
        part.priority = request.priority;
        part.deadline = request.deadline;
        part.gone = request.gone;
        part.inputs = request.inputs;
        for (TensorView& input : part.inputs) {
            const std::size_t row_bytes = input.bytes.size() / request.rows;
            const std::size_t row_strings = input.strings.size() / request.rows;
            input.shape.set(0, part.rows);
            input.bytes = input.bytes.subspan(first * row_bytes, part.rows * row_bytes);
            input.strings = input.strings.subspan(first * row_strings, part.rows * row_strings);
        }
        part.done = [joint, at = parts.size()](Answer answer) { joint->part(at, std::move(answer)); };
        parts.push_back(std::move(part));
    }
    return parts;
}

}  // namespace tidegate::model
