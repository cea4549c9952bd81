// Embedder: whoever makes vectors of texts: a model of the model room, or what a test puts in its place.
//
// Threads     Any that may wait.
#pragma once

#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/result.h"

namespace tidegate::content {

struct EmbeddedText {
    std::string version;     // Of what made it: vectors of two versions have nothing to do with each other.
    std::vector<float> row;  // Of length 1.
};

class Embedder {
  public:
    virtual ~Embedder() = default;
    /// As the settings name it.
    virtual std::string_view name() const noexcept = 0;
    /// Of what serves now; an error: nothing does, and why. Quick: asked each second.
    virtual Result<std::string> version() = 0;
    /// kInvalidArgument: of this text there is none, however often it is asked. Others: not now, or not within `patience`, or `stopped` said
    /// that nobody waits any more.
    virtual Result<EmbeddedText> embed(std::string_view text, Duration patience,
                                       const std::function<bool()>& stopped) = 0;
};

}  // namespace tidegate::content
