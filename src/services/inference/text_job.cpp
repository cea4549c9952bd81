#include "services/inference/text_job.h"

#include <algorithm>
#include <numeric>
#include <utility>

#include "services/inference/errand.h"

namespace tidegate::inference {

TextJob::TextJob(const InferenceParts& its_parts, pipeline::ContextPtr its_context, std::string_view its_operation,
                 TextModel its_model, Reduce reduce, bool flag)
    : parts(its_parts),
      context(std::move(its_context)),
      operation(its_operation),
      text_model(std::move(its_model)),
      reduce_(reduce),
      flag_(flag) {}

bool TextJob::read(const TextItems& items, const EncodeWish& wish) {
    texts_.reserve(items.items.size());
    for (std::size_t i = 0; i < items.items.size(); ++i) {
        auto encoding = encode(text_model, items.items[i], wish);
        if (!encoding) {
            const std::string where = items.single ? std::string() : "element " + std::to_string(i) + ": ";
            context->fail({encoding.error().code, where + encoding.error().message});
            return false;
        }
        tokens_ += encoding->size();
        texts_.push_back(*std::move(encoding));
    }
    context->end_stage("tokenize");
    return true;
}

void TextJob::start(Finish finish) {
    finish_ = std::move(finish);
    started_ = parts.clock.now();
    rows_.resize(texts_.size());
    order_.resize(texts_.size());
    std::iota(order_.begin(), order_.end(), 0U);
    std::ranges::sort(order_, {}, [this](std::uint32_t at) { return std::pair(texts_[at].size(), at); });
    pump();
}

/// Hands texts to the model as long as there is room. Called within itself (a pass on this very thread), it only notes it.
void TextJob::pump() {
    bool finished = false;
    {
        const Lock lock(mutex_);
        again_ = true;
        if (std::exchange(pumping_, true)) return;
    }
    while (true) {
        std::optional<std::size_t> at;
        {
            const Lock lock(mutex_);
            if (!error_ && next_ < order_.size() && in_flight_ < kWindow) {
                at = order_[next_++];
                ++in_flight_;
            } else if (!std::exchange(again_, false)) {
                pumping_ = false;
                finished = in_flight_ == 0 && (error_ || next_ == order_.size()) && !std::exchange(ended_, true);
                break;
            }
        }
        if (at) submit(*at);
    }
    if (finished) end();
}

Result<void> TextJob::still_wanted() const {
    const auto exchange = context->exchange();
    const bool left = exchange && (exchange->unreachable() ||
                                   (exchange->client_gone() && parts.clock.now() - started_ > Loops::kPatience));
    if (left) return fail(ErrorCode::kCancelled, "The client has left.");
    return {};
}

void TextJob::submit(std::size_t at) {
    if (auto wanted = still_wanted(); !wanted) return take(at, std::unexpected(wanted.error()));
    auto row = tensors_of(text_model, texts_[at]);
    if (!row) return take(at, std::unexpected(row.error()));
    auto held = std::make_shared<RowTensors>(*std::move(row));
    model::InferRequest request;
    request.inputs = held->inputs;
    request.outputs = {output_of(text_model)};
    request.tokens = static_cast<std::uint32_t>(texts_[at].size());
    request.owner = std::move(held);
    request.done = [self = shared_from_this(), at](Result<model::InferAnswer> answer) {
        self->take(at, std::move(answer));
    };
    text_model.model->infer(std::move(request));
}

void TextJob::take(std::size_t at, Result<model::InferAnswer> answer) {
    // Here and not at the end: the tensors of a thousand texts would be gigabytes.
    Result<std::vector<float>> row = answer ? reduce_(text_model, answer->outputs.front().tensor, flag_)
                                            : std::unexpected(std::move(answer).error());
    {
        const Lock lock(mutex_);
        --in_flight_;
        if (row) {
            rows_[at] = *std::move(row);
        } else if (!error_) {
            error_ = std::move(row).error();
        }
    }
    pump();
}

void TextJob::end() {
    auto work = [self = shared_from_this()] {
        self->context->end_stage("compute");
        std::optional<Error> error;
        {
            const Lock lock(self->mutex_);
            error = self->error_;
        }
        if (!error) return self->finish_(self.get());
        fail_recorded(*self->context, self->text_model.model.get(), self->operation, *error);
    };
    if (parts.cpu.submit(work)) return;
    work();
}

audit::Decision TextJob::decide(std::string output) const {
    audit::Decision decision = context->make_decision(kService, operation, context->raw_body());
    decision.model = text_model.model->name();
    decision.model_version = text_model.model->full_version();
    decision.tokens = static_cast<std::int64_t>(tokens_);
    decision.output = std::move(output);
    return decision;
}

}  // namespace tidegate::inference
