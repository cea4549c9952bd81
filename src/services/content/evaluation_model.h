// EvaluationModel: a model of a folder, for measuring searches with its vectors without a server.
//
// Threads     As ModelEmbedder.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/result.h"
#include "model/backend.h"
#include "model/repository.h"
#include "model/text_models.h"
#include "services/content/model_embedder.h"

namespace tidegate::content {

struct EvaluationModelWords {
    std::string folder, name, runtime;  // `runtime`: the library of ONNX Runtime; empty: the usual places.
};

/// Takes `--models FOLDER --model NAME [--runtime FILE]` out of `words`; an empty name: they are not there.
EvaluationModelWords take_model_words(std::vector<std::string>& words);

class EvaluationModel {
  public:
    static Result<std::unique_ptr<EvaluationModel>> open(const EvaluationModelWords& words, const Clock& clock);
    Embedder& embedder() noexcept { return *embedder_; }

  private:
    EvaluationModel() = default;
    std::unique_ptr<model::Backend> backend_;
    std::unique_ptr<model::ModelRepository> repository_;
    std::unique_ptr<model::TextModels> texts_;
    std::unique_ptr<ModelEmbedder> embedder_;
};

}  // namespace tidegate::content
