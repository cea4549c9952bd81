// Values: our tensors as the runtime's, and back.
//
// Guarantee   Inputs are lent without a copy (the view outlives the call), except bytes that are not aligned to their element: those
//             are copied. Outputs are taken over without a copy; strings are copied both ways, whatever bytes they hold.
#pragma once

#include <optional>

#include "base/result.h"
#include "model/onnx/runtime.h"
#include "model/tensor.h"

namespace tidegate::model::onnx {

/// The runtime's element type as ours; nullopt for those that no protocol names (complex numbers, 4 and 8 bit floats...).
std::optional<DataType> type_of(int element_type) noexcept;

/// kInvalidArgument when bytes or strings are not as many as the shape says.
Result<Handle<OrtValue>> lend(const Runtime& runtime, const TensorView& view);

/// kInternal for a value that is no tensor or has more than Shape::kDimensionsMax dimensions.
Result<Tensor> take_over(const Runtime& runtime, Handle<OrtValue> value);

}  // namespace tidegate::model::onnx
