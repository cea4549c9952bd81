// What a Model holds. For model.cpp and the loader that makes it.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "model/model.h"

namespace tidegate::model {

struct Model::State {
    std::string name;
    std::string version;
    std::string full_version;
    std::string sha256;
    std::string fingerprint;  // Of all that the load read: equal means that nothing has changed.
    std::string tokenizer_file;
    ModelConfig config;
    std::vector<TensorInfo> inputs;   // As clients see them.
    std::vector<TensorInfo> outputs;  // Likewise.
    std::vector<std::shared_ptr<Session>> sessions;
    std::unique_ptr<Batcher> batcher;
    const Clock* clock = nullptr;
    UnixMillis loaded_at = 0;
    Duration warmup{};
};

}  // namespace tidegate::model
