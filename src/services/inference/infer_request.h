// An infer request of the Open Inference Protocol v2 as bytes, read: JSON with, behind it, the tensors of the binary extension.
//
// Guarantee   Sizes are judged before anything is allocated: shapes with overflow checks, binary sizes against the shape and against
//             what is there; nothing is read twice or left over. A tensor that came binary is a view of the body, never a copy.
// Source      Open Inference Protocol, inference_rest and extension_binary_data; the parameters of Triton's extensions.
// Memory      The JSON document (8 bytes a byte of JSON at most) and the tensors that it carries.
// Threads     Values; no state.
// When it fails  kInvalidArgument, with the name of the input or output.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/json.h"
#include "base/result.h"
#include "model/model.h"
#include "services/inference/values.h"

namespace tidegate::inference {

/// Inputs or outputs of one request; a model has a handful.
inline constexpr std::size_t kTensorsMax = 256;

struct WantedOutput {
    std::string_view name;
    bool binary = false;
    std::uint32_t classes = 0;  // The classification extension: the best so many; 0: the tensor itself.
};

struct InferBody {
    std::optional<json::Document> document;  // The texts below are of it.
    ValueStore store;
    std::optional<std::string_view> id;
    std::vector<model::NamedTensor> inputs;
    std::vector<WantedOutput> outputs;  // Empty: all, in the form of binary_output.
    bool binary_output = false;
    std::uint32_t priority = 0;    // 1 is the most urgent, 0: not said.
    std::uint64_t timeout_us = 0;  // 0: none.
};

/// `json_bytes`: what Inference-Header-Content-Length says; absent: all is JSON. The body outlives what is read.
Result<InferBody> read_infer(std::string_view body, std::optional<std::uint64_t> json_bytes, std::size_t depth_max);

/// A body without JSON (json_bytes is 0): the bytes of the only input of `model`, with at most one free dimension beside the batch's.
Result<InferBody> read_raw(std::string_view body, const model::Model& model);

}  // namespace tidegate::inference
