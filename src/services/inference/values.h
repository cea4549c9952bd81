// Values: tensors as JSON numbers, texts and booleans, both ways.
//
// Guarantee   Exact: a 64-bit integer keeps its last digit, a number that its type cannot hold is refused (a fraction for an
//             integer, 1e40 for FP32), a float is written as the shortest text that reads back as the same bits. What JSON has no
//             number for is the text "NaN", "Infinity" or "-Infinity" (as protobuf's JSON has it), both ways.
// Memory      An element takes two bytes of JSON at least, so a tensor is never larger than four times its text (eight for 64 bits).
// Threads     Pure functions over what the caller holds.
#pragma once

#include <cstddef>
#include <cstdint>
#include <forward_list>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/json.h"
#include "base/result.h"
#include "model/tensor.h"
#include "model/tensor_numbers.h"

namespace tidegate::inference {

using model::elements_of;
using model::value_at;

/// Holds what the tensors of one request point to. Its blocks do not move.
class ValueStore {
  public:
    std::span<std::byte> bytes(std::size_t size);
    std::span<std::string_view> strings(std::size_t count);
    std::string_view text(std::string text) { return texts_.emplace_front(std::move(text)); }

  private:
    std::vector<std::unique_ptr<std::byte[]>> bytes_;
    std::vector<std::unique_ptr<std::string_view[]>> strings_;
    std::forward_list<std::string> texts_;  // Empty it is free: a deque takes two blocks, and again for each move.
};

/// `data` as a tensor: flat in row-major order, or nested exactly as `shape` is. `bytes_of_json`: of the text that `data` stands in,
/// the bound on what is allocated. Texts stay where the document has them. kInvalidArgument, in words that follow a name:
/// ": shape [2,3] has 6 elements, `data` holds 5".
Result<model::TensorView> read_values(json::Value data, model::DataType type, const model::Shape& shape,
                                      std::uint64_t bytes_of_json, ValueStore& store);

/// BYTES as the protocol packs them: four bytes of length (little-endian), then as many bytes, for each element.
Result<std::vector<std::string_view>> unpack_strings(std::span<const std::byte> packed, std::uint64_t elements_max);
void pack_strings(std::span<const std::string_view> strings, std::string& out);

/// Bytes of the tensor as the binary extension sends it.
std::uint64_t packed_size(const model::TensorView& tensor) noexcept;

/// The elements as a flat JSON array.
void write_flat(std::string& out, const model::TensorView& tensor);
/// Of a number that is finite: the shortest text that reads back as the same float.
std::string float_text(float value);
/// An array of such.
std::string floats_text(std::span<const float> values);
/// Nested arrays by the shape; a scalar has no brackets.
void write_nested(std::string& out, const model::TensorView& tensor);

}  // namespace tidegate::inference
