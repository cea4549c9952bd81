// Model guard: looks through an ONNX file before the runtime does, for what the runtime would take without asking.
//
// Position    Between the file's bytes and the runtime: load() calls it first.
// Guarantee   Every length is checked against what is there before it is used. What passes names no other file and no address of
//             memory (external data), nests no deeper than kDepthMax and is not a converted format with parsers of its own.
// Algorithm   One walk over the wire format of Protocol Buffers along the messages that can hold a tensor (onnx.proto3).
// Memory      A line for each input; nothing is copied.
// When it fails  kFailedValidation, with what is wrong.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "base/result.h"

namespace tidegate::model::onnx {

/// Graphs in graphs. Exporters make two or three; the runtime's own reader stops at 100 messages, which is thirty graphs.
inline constexpr unsigned kDepthMax = 24;

struct ModelFacts {
    std::uint64_t nodes = 0;              // Of all graphs.
    bool has_free_dimension = false;      // Of an input.
    std::vector<std::string> shapeless;   // Inputs and outputs whose number of dimensions nobody declares.
    std::vector<std::string> no_tensors;  // Inputs and outputs that are sequences, maps or optional values.
};

Result<ModelFacts> inspect_model(std::span<const std::byte> file);

}  // namespace tidegate::model::onnx
