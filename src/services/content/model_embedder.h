// ModelEmbedder: vectors by a model of the house, for the library.
//
// Threads     Any that may wait.
#pragma once

#include <functional>
#include <string>
#include <string_view>
#include <utility>

#include "model/text_embedder.h"
#include "services/content/search/embedder.h"

namespace tidegate::content {

class ModelEmbedder final : public Embedder {
  public:
    ModelEmbedder(model::TextModels& models, std::string name, const Clock& clock)
        : embedder_(models, std::move(name), clock) {}

    std::string_view name() const noexcept override { return embedder_.name(); }
    Result<std::string> version() override { return embedder_.version(); }
    Result<EmbeddedText> embed(std::string_view text, Duration patience,
                               const std::function<bool()>& stopped) override {
        TG_TRY(model::TextVector made, embedder_.embed(text, patience, stopped));
        return EmbeddedText{std::move(made.version), std::move(made.row)};
    }

  private:
    model::TextEmbedder embedder_;
};

}  // namespace tidegate::content
