// The elements of a tensor as numbers, whatever their type.
//
// Threads     Pure functions.
#pragma once

#include <cstdint>

#include "model/tensor.h"

namespace tidegate::model {

/// Elements of a view.
std::uint64_t elements_of(const TensorView& tensor) noexcept;
/// Element `at` of a number or bool tensor, as a double.
double value_at(const TensorView& tensor, std::uint64_t at) noexcept;

}  // namespace tidegate::model
