#include "model/text_embedder.h"

#include <algorithm>
#include <atomic>
#include <memory>
#include <optional>
#include <utility>

namespace tidegate::model {
namespace {

constexpr Duration kLookForStopEvery = std::chrono::milliseconds(200);

/// Where the answer of a pass is waited for; whoever comes last ends it.
struct PassWait {
    Mutex mutex;
    Condition told;
    std::optional<Result<InferAnswer>> answer TG_GUARDED_BY(mutex);
};

/// What is wrong with the model is no fault of the text: another time it may do.
std::unexpected<Error> not_the_text(Error error) {
    if (error.code == ErrorCode::kInvalidArgument) error.code = ErrorCode::kUnavailable;
    return std::unexpected(std::move(error));
}

}  // namespace

Result<std::string> TextEmbedder::version() const {
    TG_TRY(const ModelPtr model, models_.find_model(name_, Task::kEmbedding));
    return model->full_version();
}

Result<TextVector> TextEmbedder::embed(std::string_view text, Duration patience, const std::function<bool()>& stopped) {
    auto found = models_.find(name_, Task::kEmbedding);
    if (!found) return not_the_text(std::move(found).error());
    const EncodeWish wish{.truncate = true};
    TG_TRY(const Encoding encoding, encode(*found, text, std::nullopt, wish));
    auto row = tensors_of(*found, encoding);
    if (!row) return not_the_text(std::move(row).error());
    const auto held = std::make_shared<RowTensors>(*std::move(row));
    const auto wait = std::make_shared<PassWait>();
    const auto gone = std::make_shared<std::atomic<bool>>(false);
    InferRequest request;
    request.inputs = held->inputs;
    request.outputs = {output_of(*found)};
    request.tokens = static_cast<std::uint32_t>(encoding.size());
    request.owner = held;
    request.deadline = clock_.now() + patience;
    request.gone = gone;
    request.done = [wait](Result<InferAnswer> answer) {
        const Lock lock(wait->mutex);
        wait->answer = std::move(answer);
        wait->told.notify_all();
    };
    found->model->infer(std::move(request));
    const SteadyTime give_up = clock_.now() + patience;
    const Lock lock(wait->mutex);
    bool is_stopped = false;
    while (!wait->answer && !is_stopped && clock_.now() < give_up) {
        wait->told.wait_for(wait->mutex, std::min<Duration>(kLookForStopEvery, give_up - clock_.now()));
        is_stopped = stopped && stopped();
    }
    if (!wait->answer) {
        gone->store(true);
        if (is_stopped) return fail(ErrorCode::kCancelled, "nobody waits for the model `" + name_ + "` any more");
        return fail(ErrorCode::kDeadlineExceeded, "the model `" + name_ + "` did not answer in time");
    }
    if (!*wait->answer) return not_the_text(wait->answer->error());
    auto values = pool(*found, (*wait->answer)->outputs.front().tensor, true);
    if (!values) return not_the_text(std::move(values).error());
    return TextVector{found->model->full_version(), *std::move(values)};
}

}  // namespace tidegate::model
