#include "model/text_models.h"

#include <cmath>
#include <cstring>
#include <set>

#include "model/tensor_numbers.h"
#include "model/text/text_encoder.h"

namespace tidegate::model {
namespace {

std::unexpected<Error> refuse_text(std::string why) {
    return fail(ErrorCode::kInvalidArgument, std::move(why));
}

/// Two of a kind, as a row of the declared type.
template <class T, class From>
TensorView row_of(std::span<const From> values, DataType type, RowTensors& row) {
    const std::size_t size = values.size() * sizeof(T);
    row.held.push_back(std::make_unique_for_overwrite<std::byte[]>(size));
    const std::span<std::byte> bytes(row.held.back().get(), size);
    for (std::size_t i = 0; i < values.size(); ++i) {
        const T value = static_cast<T>(values[i]);
        std::memcpy(bytes.data() + i * sizeof(T), &value, sizeof(T));
    }
    return {.type = type, .shape = Shape{1, static_cast<std::int64_t>(values.size())}, .bytes = bytes, .strings = {}};
}

template <class From>
Result<TensorView> tensor_of(const TensorInfo& info, std::span<const From> values, RowTensors& row) {
    if (info.type == DataType::kInt64) return row_of<std::int64_t>(values, info.type, row);
    if (info.type == DataType::kInt32) return row_of<std::int32_t>(values, info.type, row);
    return refuse_text("the model's input `" + info.name + "` takes no token ids: it is " +
                       std::string(to_string(info.type)));
}

Result<std::vector<float>> floats_of(const TensorView& tensor) {
    if (tensor.type == DataType::kBytes)
        return fail(ErrorCode::kInternal, "the model gives texts where numbers were expected");
    std::vector<float> values(elements_of(tensor));
    for (std::size_t i = 0; i < values.size(); ++i) {
        values[i] = static_cast<float>(value_at(tensor, i));
        if (!std::isfinite(values[i])) return fail(ErrorCode::kInternal, "the model gave a number that is not finite");
    }
    return values;
}

}  // namespace

std::size_t TextModel::tokens_max() const noexcept {
    const std::size_t own = config().sequence_max;
    if (own > 0 || !tokenizer) return own;
    return tokenizer->truncation() ? tokenizer->truncation()->tokens_max : 0;
}

Result<void> check_length(const TextModel& model, const Encoding& encoding) {
    const std::size_t most = model.tokens_max();
    if (most > 0 && encoding.size() > most) {
        return refuse_text("a text has " + std::to_string(encoding.size()) + " tokens, the model takes " +
                           std::to_string(most));
    }
    // Without special tokens an empty text is nothing at all.
    if (encoding.size() == 0) return refuse_text("a text without tokens");
    return {};
}

Result<Encoding> encode(const TextModel& model, std::string_view text, std::optional<std::string_view> second,
                        const EncodeWish& wish) {
    Encoding encoding;
    const EncodeOptions options{.add_special_tokens = wish.special_tokens,
                                .truncate = wish.truncate,
                                .with_offsets = false,
                                .tokens_max = wish.truncate ? model.tokens_max() : 0};
    TG_CHECK(second ? model.tokenizer->encode_pair(text, *second, encoding, options)
                    : model.tokenizer->encode(text, encoding, options));
    TG_CHECK(check_length(model, encoding));
    return encoding;
}

Result<RowTensors> tensors_of(const TextModel& model, const Encoding& encoding) {
    RowTensors row;
    for (const TensorInfo& info : model.model->inputs()) {
        if (info.name == "input_ids") {
            TG_TRY(const TensorView view, tensor_of<std::uint32_t>(info, encoding.ids, row));
            row.inputs.push_back({info.name, view});
        } else if (info.name == "attention_mask") {
            TG_TRY(const TensorView view, tensor_of<std::uint8_t>(info, encoding.attention_mask, row));
            row.inputs.push_back({info.name, view});
        } else if (info.name == "token_type_ids") {
            TG_TRY(const TensorView view, tensor_of<std::uint32_t>(info, encoding.type_ids, row));
            row.inputs.push_back({info.name, view});
        } else {
            return refuse_text("the model's input `" + info.name +
                               "` is none of input_ids, attention_mask, token_type_ids");
        }
    }
    return row;
}

std::string_view output_of(const TextModel& model) {
    return model.config().output.empty() ? model.model->outputs().front().name : model.config().output;
}

Result<std::vector<float>> pool(const TextModel& model, const TensorView& output, bool normal) {
    TG_TRY(std::vector<float> values, floats_of(output));
    const bool by_token = output.shape.size() == 3;
    if ((!by_token && output.shape.size() != 2) || output.shape[0] != 1 || values.empty()) {
        return fail(ErrorCode::kInternal, "the model's output has another shape than a text's vectors");
    }
    if (by_token) {
        // One text is never padded against itself: all of its tokens count.
        const std::vector<std::uint8_t> mask(static_cast<std::size_t>(output.shape[1]), 1);
        std::vector<float> pooled(static_cast<std::size_t>(output.shape[2]));
        model.config().pooling == Pooling::kMean ? pool_mean(values, mask, pooled) : pool_cls(values, mask, pooled);
        values = std::move(pooled);
    }
    if (normal) normalise_l2(values);
    return values;
}

Result<std::vector<float>> scores(const TextModel& model, const TensorView& output, bool raw) {
    TG_TRY(std::vector<float> values, floats_of(output));
    // A row for each token, say, would be weighed as if it were classes.
    const std::size_t dimensions = output.shape.size();
    const std::uint64_t row = dimensions == 0 ? 1 : static_cast<std::uint64_t>(output.shape[dimensions - 1]);
    if (values.empty() || values.size() != row) {
        return fail(ErrorCode::kInternal, "the model's output has another shape than a text's scores");
    }
    if (raw || model.config().activation == Activation::kNone) return values;
    // One logit alone has no other to be weighed against.
    if (model.config().activation == Activation::kSigmoid || values.size() == 1) {
        sigmoid(values);
    } else {
        softmax(values);
    }
    return values;
}

Result<ModelPtr> TextModels::find_model(std::string_view name, Task task) const {
    const auto no_model = [&] {
        return fail(ErrorCode::kNotFound,
                    "there is no model with `task: " + std::string(to_string(task)) + "` in its config");
    };
    if (repository_ == nullptr) return no_model();
    ModelPtr found;
    if (!name.empty()) {
        TG_TRY(found, repository_->find(name));
        if (found->config().text.task == task) return found;
        return refuse_text("the model `" + found->name() + "` has no `task: " + std::string(to_string(task)) +
                           "` in its config");
    }
    for (const ModelPtr& one : repository_->ready()) {
        if (one->config().text.task != task) continue;
        if (found && found->name() != one->name()) break;
        found = one;  // Versions ascend: the newest, as find() by name has it.
    }
    if (!found) return no_model();
    return found;
}

Result<TextModel> TextModels::find(std::string_view name, Task task) {
    TextModel found;
    TG_TRY(found.model, find_model(name, task));
    TG_TRY(found.tokenizer, tokenizer_of(*found.model));
    return found;
}

Result<std::shared_ptr<const Tokenizer>> TextModels::tokenizer_of(const Model& model) {
    if (model.tokenizer_file().empty()) {
        return refuse_text("the model `" + model.name() +
                           "` names no `tokenizer` in its config: it takes tensors only");
    }
    // The version says which tokenizer it is, too.
    const std::string key = model.name() + "\n" + model.full_version();
    {
        const Lock lock(mutex_);
        if (const auto known = tokenizers_.find(key); known != tokenizers_.end()) return known->second;
    }
    auto read = Tokenizer::parse(model.tokenizer_file());
    if (!read) {
        return fail(ErrorCode::kUnavailable, "the tokenizer of `" + model.name() + "`: " + read.error().message);
    }
    auto made = std::make_shared<const Tokenizer>(*std::move(read));
    std::set<std::string> names;
    for (const ModelPtr& one : repository_->ready()) names.insert(one->name() + "\n" + one->full_version());
    const Lock lock(mutex_);
    std::erase_if(tokenizers_, [&](const auto& known) { return !names.contains(known.first); });
    return tokenizers_.emplace(key, std::move(made)).first->second;
}

}  // namespace tidegate::model
