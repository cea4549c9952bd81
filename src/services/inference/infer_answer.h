// An infer answer of the Open Inference Protocol v2, written: JSON and, where it was asked for, binary tensors behind it.
//
// Guarantee   Outputs stand in the order in which they were asked for, binary ones behind the JSON in the same order. The request's
//             id is given back.
// Threads     Pure functions.
#pragma once

#include <cstdint>
#include <string>

#include "model/model.h"
#include "services/inference/infer_request.h"

namespace tidegate::inference {

struct InferText {
    std::string body;
    std::uint64_t json_bytes = 0;
    bool binary =
        false;  // There are tensors behind the JSON: application/octet-stream and Inference-Header-Content-Length.
};

/// Bytes of the outputs as they will be sent, about: what decides on which thread the answer is written.
std::uint64_t weight_of(const InferBody& asked, const model::InferAnswer& answer) noexcept;

InferText write_infer(const InferBody& asked, const model::InferAnswer& answer);

/// The best `most` of `scores`, greatest first; of equal ones the first. NaN stands last.
std::vector<std::uint32_t> best_of(const model::TensorView& scores, std::uint64_t from, std::uint64_t count,
                                   std::uint32_t most);

}  // namespace tidegate::inference
