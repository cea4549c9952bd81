// TextModels: the models that read texts, each with what turns texts into its tensors and its tensors into answers.
//
// Guarantee   A tokenizer is parsed once for each version of a model and shared; it holds no model, so that unloading waits for nobody.
// Memory      A tokenizer (some 3 MB) for each model that serves; those of models that have gone are let go when the next is read.
// Threads     Every member from any thread; find() may parse a tokenizer (some 20 ms): on a pool's thread.
// When it fails  A model without `task` and `tokenizer` in its config reads no texts: kInvalidArgument says so.
#pragma once

#include <cstddef>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/mutex.h"
#include "model/repository.h"
#include "model/text/tokenizer.h"

namespace tidegate::model {

/// A model and its tokenizer, for one request.
struct TextModel {
    ModelPtr model;
    std::shared_ptr<const Tokenizer> tokenizer;
    const TextConfig& config() const noexcept { return model->config().text; }
    /// Tokens of one text at most, the special ones too; 0: no bound.
    std::size_t tokens_max() const noexcept;
};

struct EncodeWish {
    bool truncate = false;  // Else a text that is too long is refused.
    bool special_tokens = true;
};

/// The tokens of a text or a pair. kInvalidArgument: too long, none, or no UTF-8.
Result<Encoding> encode(const TextModel& model, std::string_view text, std::optional<std::string_view> second,
                        const EncodeWish& wish);
/// kInvalidArgument: more tokens than the model takes, or none.
Result<void> check_length(const TextModel& model, const Encoding& encoding);

/// What the model is asked for one encoded text: `input_ids`, `attention_mask`, `token_type_ids`, as far as it has them, of the type it
/// declares. kInvalidArgument: it has an input that is none of these.
struct RowTensors {
    std::vector<NamedTensor> inputs;
    std::vector<std::unique_ptr<std::byte[]>> held;  // What they point to.
};
Result<RowTensors> tensors_of(const TextModel& model, const Encoding& encoding);

/// The name of the output that is read.
std::string_view output_of(const TextModel& model);

/// The vector of a text from what the model gave: pooled where there is one for each token, of length 1 where `normalize`.
Result<std::vector<float>> pool(const TextModel& model, const TensorView& output, bool normalize);

/// The scores of a text's classes, as the config's activation says; raw without it.
Result<std::vector<float>> scores(const TextModel& model, const TensorView& output, bool raw);

class TextModels {
  public:
    explicit TextModels(const ModelRepository* repository) : repository_(repository) {}

    /// `name` empty: the first by name that does `task`. kNotFound, kUnavailable; kInvalidArgument: it does something else.
    Result<TextModel> find(std::string_view name, Task task) TG_EXCLUDES(mutex_);
    /// The model alone, as find() finds it: nothing is parsed.
    Result<ModelPtr> find_model(std::string_view name, Task task) const;

  private:
    Result<std::shared_ptr<const Tokenizer>> tokenizer_of(const Model& model) TG_EXCLUDES(mutex_);

    const ModelRepository* repository_;
    Mutex mutex_;
    std::map<std::string, std::shared_ptr<const Tokenizer>> tokenizers_ TG_GUARDED_BY(mutex_);
};

}  // namespace tidegate::model
