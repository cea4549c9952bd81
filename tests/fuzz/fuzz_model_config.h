// Any text as a model's config: an error with a reason, or a config that, completed and shown, can be sent back and says the same.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/assert.h"
#include "model/model_config.h"

namespace tidegate::model {

inline void fuzz_round_trip(const ModelConfig& parsed, const std::vector<TensorInfo>& inputs,
                            const std::vector<TensorInfo>& outputs) {
    ModelConfig config = parsed;
    if (const auto done = complete(config, inputs, outputs, {}); !done) {
        TG_ASSERT(!done.error().message.empty());
        return;
    }
    TG_ASSERT(config.inputs.size() == inputs.size() && config.outputs.size() == outputs.size());
    TG_ASSERT(batcher_options(config).rows_max >= 1);
    const std::string shown = to_triton_json(config);
    const auto again = parse_config(shown, ConfigFormat::kJson, "shown");
    TG_ASSERT(again);
    TG_ASSERT(to_triton_json(*again) == shown);
}

inline void fuzz_config(std::string_view text, ConfigFormat format) {
    const auto parsed = parse_config(text, format, "config");
    if (!parsed) {
        TG_ASSERT(!parsed.error().message.empty());
        TG_ASSERT(parsed.error().message.size() < 16'384);
        return;
    }
    // What a session declares is taken from the config itself, else every config with an input would end at the first comparison.
    for (const bool batches : {false, true}) {
        std::vector<TensorInfo> inputs, outputs;
        ModelConfig shaped = *parsed;
        shaped.max_batch_size = batches ? 4 : 0;
        const auto declare = [&](const TensorConfig& tensor) {
            TensorConfig inner = tensor;
            if (tensor.reshape) inner.dims = *tensor.reshape;
            // One dimension more than a shape can have ends in a shape without the batch, which complete() refuses.
            return client_info(shaped, inner);
        };
        for (const TensorConfig& tensor : parsed->inputs) inputs.push_back(declare(tensor));
        for (const TensorConfig& tensor : parsed->outputs) outputs.push_back(declare(tensor));
        if (inputs.empty()) inputs.push_back({.name = "x", .type = DataType::kFp32, .shape = {-1, -1}});
        if (outputs.empty()) outputs.push_back({.name = "y", .type = DataType::kFp32, .shape = {-1, 2}});
        fuzz_round_trip(*parsed, inputs, outputs);
    }
}

}  // namespace tidegate::model
