#include "services/content/evaluation_model.h"

#include <algorithm>
#include <utility>

#include "model/onnx/onnx.h"

namespace tidegate::content {

EvaluationModelWords take_model_words(std::vector<std::string>& words) {
    EvaluationModelWords out;
    for (const auto& [word, to] :
         {std::pair("--models", &out.folder), std::pair("--model", &out.name), std::pair("--runtime", &out.runtime)}) {
        const auto found = std::ranges::find(words, word);
        if (found == words.end() || std::next(found) == words.end()) continue;
        *to = *std::next(found);
        words.erase(found, found + 2);
    }
    return out;
}

Result<std::unique_ptr<EvaluationModel>> EvaluationModel::open(const EvaluationModelWords& words, const Clock& clock) {
    std::unique_ptr<EvaluationModel> made(new EvaluationModel);
    TG_TRY(made->backend_, model::open_onnx(words.runtime));
    model::RepositoryOptions options;
    options.folder = words.folder;
    options.mode = model::RepositoryMode::kExplicit;
    options.load_at_start = {words.name};
    TG_TRY(made->repository_, model::ModelRepository::open(std::move(options), made->backend_.get(), clock));
    made->texts_ = std::make_unique<model::TextModels>(made->repository_.get());
    made->embedder_ = std::make_unique<ModelEmbedder>(*made->texts_, words.name, clock);
    // A name that is wrong is told before anything is measured.
    TG_CHECK(made->embedder_->version());
    return made;
}

}  // namespace tidegate::content
