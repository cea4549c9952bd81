#include "services/inference/text_models.h"

#include <cmath>
#include <cstring>
#include <set>

#include "model/text/text_encoder.h"
#include "services/inference/refuse.h"

namespace tidegate::inference {
namespace {

using model::DataType;
using model::Encoding;
using model::Shape;
using model::TensorView;

/// Two of a kind, as a row of the declared type.
template <class T, class From>
TensorView row_of(std::span<const From> values, DataType type, ValueStore& store) {
    const auto bytes = store.bytes(values.size() * sizeof(T));
    for (std::size_t i = 0; i < values.size(); ++i) {
        const T value = static_cast<T>(values[i]);
        std::memcpy(bytes.data() + i * sizeof(T), &value, sizeof(T));
    }
    return {.type = type, .shape = Shape{1, static_cast<std::int64_t>(values.size())}, .bytes = bytes, .strings = {}};
}

template <class From>
Result<TensorView> tensor_of(const model::TensorInfo& info, std::span<const From> values, ValueStore& store) {
    if (info.type == DataType::kInt64) return row_of<std::int64_t>(values, info.type, store);
    if (info.type == DataType::kInt32) return row_of<std::int32_t>(values, info.type, store);
    return refuse("the model's input `" + info.name + "` takes no token ids: it is " +
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

Result<Encoding> encode(const TextModel& model, const TextItem& item, const EncodeWish& wish) {
    const std::size_t most = model.tokens_max();
    Encoding encoding;
    if (item.is_tokens) {
        encoding.ids = item.tokens;
        for (const std::uint32_t id : encoding.ids) {
            if (id >= model.tokenizer->vocabulary_size())
                return refuse("token " + std::to_string(id) + " is not one of the model's");
        }
        if (wish.truncate && most > 0 && encoding.ids.size() > most) encoding.ids.resize(most);
        encoding.type_ids.assign(encoding.ids.size(), 0);
        encoding.attention_mask.assign(encoding.ids.size(), 1);
    } else {
        const model::EncodeOptions options{.add_special_tokens = wish.special_tokens,
                                           .truncate = wish.truncate,
                                           .with_offsets = false,
                                           .tokens_max = wish.truncate ? most : 0};
        TG_CHECK(item.second ? model.tokenizer->encode_pair(item.text, *item.second, encoding, options)
                             : model.tokenizer->encode(item.text, encoding, options));
    }
    if (most > 0 && encoding.size() > most) {
        return refuse("a text has " + std::to_string(encoding.size()) + " tokens, the model takes " +
                      std::to_string(most));
    }
    // Without special tokens an empty text is nothing at all.
    if (encoding.size() == 0) return refuse("a text without tokens");
    return encoding;
}

Result<RowTensors> tensors_of(const TextModel& model, const Encoding& encoding) {
    RowTensors row;
    for (const model::TensorInfo& info : model.model->inputs()) {
        if (info.name == "input_ids") {
            TG_TRY(const TensorView view, tensor_of<std::uint32_t>(info, encoding.ids, row.store));
            row.inputs.push_back({info.name, view});
        } else if (info.name == "attention_mask") {
            TG_TRY(const TensorView view, tensor_of<std::uint8_t>(info, encoding.attention_mask, row.store));
            row.inputs.push_back({info.name, view});
        } else if (info.name == "token_type_ids") {
            TG_TRY(const TensorView view, tensor_of<std::uint32_t>(info, encoding.type_ids, row.store));
            row.inputs.push_back({info.name, view});
        } else {
            return refuse("the model's input `" + info.name + "` is none of input_ids, attention_mask, token_type_ids");
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
        model.config().pooling == model::Pooling::kMean ? model::pool_mean(values, mask, pooled)
                                                        : model::pool_cls(values, mask, pooled);
        values = std::move(pooled);
    }
    if (normal) model::normalise_l2(values);
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
    if (raw || model.config().activation == model::Activation::kNone) return values;
    // One logit alone has no other to be weighed against.
    if (model.config().activation == model::Activation::kSigmoid || values.size() == 1) {
        model::sigmoid(values);
    } else {
        model::softmax(values);
    }
    return values;
}

Result<model::ModelPtr> TextModels::find_model(std::string_view name, model::Task task) const {
    const auto no_model = [&] {
        return fail(ErrorCode::kNotFound,
                    "there is no model with `task: " + std::string(to_string(task)) + "` in its config");
    };
    if (repository_ == nullptr) return no_model();
    model::ModelPtr found;
    if (!name.empty()) {
        TG_TRY(found, repository_->find(name));
        if (found->config().text.task == task) return found;
        return refuse("the model `" + found->name() + "` has no `task: " + std::string(to_string(task)) +
                      "` in its config");
    }
    for (const model::ModelPtr& one : repository_->ready()) {
        if (one->config().text.task != task) continue;
        if (found && found->name() != one->name()) break;
        found = one;  // Versions ascend: the newest, as find() by name has it.
    }
    if (!found) return no_model();
    return found;
}

Result<TextModel> TextModels::find(std::string_view name, model::Task task) {
    TextModel found;
    TG_TRY(found.model, find_model(name, task));
    TG_TRY(found.tokenizer, tokenizer_of(*found.model));
    return found;
}

Result<std::shared_ptr<const model::Tokenizer>> TextModels::tokenizer_of(const model::Model& model) {
    if (model.tokenizer_file().empty()) {
        return refuse("the model `" + model.name() + "` names no `tokenizer` in its config: it takes tensors only");
    }
    // The version says which tokenizer it is, too.
    const std::string key = model.name() + "\n" + model.full_version();
    {
        const Lock lock(mutex_);
        if (const auto known = tokenizers_.find(key); known != tokenizers_.end()) return known->second;
    }
    auto read = model::Tokenizer::parse(model.tokenizer_file());
    if (!read) {
        return fail(ErrorCode::kUnavailable, "the tokenizer of `" + model.name() + "`: " + read.error().message);
    }
    auto made = std::make_shared<const model::Tokenizer>(*std::move(read));
    std::set<std::string> names;
    for (const model::ModelPtr& one : repository_->ready()) names.insert(one->name() + "\n" + one->full_version());
    const Lock lock(mutex_);
    std::erase_if(tokenizers_, [&](const auto& known) { return !names.contains(known.first); });
    return tokenizers_.emplace(key, std::move(made)).first->second;
}

}  // namespace tidegate::inference
