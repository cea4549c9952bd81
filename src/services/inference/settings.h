// Settings of the inference service.
#pragma once

#include <cstdint>
#include <string>

#include "settings/table.h"

namespace tidegate::inference {

struct InferenceSettings {
    std::uint64_t body_bytes_max = 0;
    std::uint32_t texts_max = 0;
    std::string keep_output;
};

inline void declare(settings::Table& table, InferenceSettings& s) {
    table.group("inference",
                "Asking the models: Open Inference Protocol, OpenAI, text-embeddings-inference, KServe v1");
    table.add("inference.body_bytes_max", s.body_bytes_max, 64ULL << 20U)
        .range(1024, 1ULL << 30U)
        .bytes()
        .doc("Largest request with tensors; limits.bodies_bytes_max bounds all of them together.");
    table.add("inference.texts_max", s.texts_max, 2048)
        .range(1, 100'000)
        .unit("texts")
        .doc("Most texts in one request for embeddings, classes or a ranking.");
    table.add("inference.keep_output", s.keep_output, "summary")
        .choices({"summary", "whole"})
        .doc(
            "What a decision keeps of the answer: names, types and shapes of the outputs, or their values too (up to "
            "64 KiB "
            "of JSON; a longer answer is kept as its summary).");
}

}  // namespace tidegate::inference
