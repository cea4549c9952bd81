// ModelRepository: a folder of models, loaded, replaced and taken away without dropping a request.
//
// Layout      FOLDER/NAME/VERSION/model.onnx with an optional FOLDER/NAME/config.yaml or config.pbtxt (Triton's words).
// Guarantee   find() gives a model that can be asked until its last holder lets go; a reload that fails keeps the old one and
//             says why in index(). What lies outside the folder (`..`, a link that leads out) is never opened.
// Threads     Every member from any thread; loading happens on the caller's thread (mode poll: on one of its own).
// When it fails  One model's failure is its own: it stands in index() with its reason, the others serve.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "model/tensor.h"

namespace tidegate::model {

class Model;
using ModelPtr = std::shared_ptr<Model>;

enum class ModelState : std::uint8_t { kLoading, kReady, kUnloading, kUnavailable };

/// A line of the repository's index: every version that lies there or did.
struct ModelStatus {
    std::string name;
    std::string version;
    ModelState state = ModelState::kUnavailable;
    std::string reason;  // Why it is not ready; empty when it is.
    std::string sha256;  // Hex, of the file that serves.
};

}  // namespace tidegate::model
