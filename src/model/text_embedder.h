// TextEmbedder: the vector of a text by a model of the room, for those of this process who need one and can wait.
//
// Position    Above TextModels. The protocols have a way of their own that never waits (services/inference/text_job.h).
// Guarantee   One text a pass: whoever asks next waits for that one at most, whatever stands behind it. A text that is too long counts as far
//             as the model reads.
// Threads     Any that may wait; never an event loop.
// When it fails  kNotFound, kUnavailable: the model does not serve; kDeadlineExceeded: not in time; kInvalidArgument: of this text there is
//             none.
#pragma once

#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/result.h"
#include "model/text_models.h"

namespace tidegate::model {

struct TextVector {
    std::string version;  // Of the model that made it, as Model::full_version().
    std::vector<float> row;
};

class TextEmbedder {
  public:
    /// `name`: of the model, which may come and go. `models` and `clock` outlive it.
    TextEmbedder(TextModels& models, std::string name, const Clock& clock)
        : models_(models), name_(std::move(name)), clock_(clock) {}

    const std::string& name() const noexcept { return name_; }
    /// Of the model that serves now.
    Result<std::string> version() const;
    /// `stopped` (may be empty) is asked several times a second while the model works; true: kCancelled, and the pass is let go.
    Result<TextVector> embed(std::string_view text, Duration patience, const std::function<bool()>& stopped);

  private:
    TextModels& models_;
    const std::string name_;
    const Clock& clock_;
};

}  // namespace tidegate::model
