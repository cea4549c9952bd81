// Tensors as they pass between protocols, batcher and backends: element types, shapes, views and owned values.
//
// Guarantee   A size is computed with overflow checks before anything is read or allocated; a view never owns.
// Memory      A Shape holds its dimensions in itself: no allocation for up to kDimensionsMax of them.
// Threads     Values; no state.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace tidegate::model {

/// Element types, with the names of the Open Inference Protocol v2 in to_string().
enum class DataType : std::uint8_t {
    kBool,
    kUint8,
    kUint16,
    kUint32,
    kUint64,
    kInt8,
    kInt16,
    kInt32,
    kInt64,
    kFp16,
    kBf16,
    kFp32,
    kFp64,
    kBytes,  // Strings of any bytes.
};

/// `FP32`, `BYTES`...
std::string_view to_string(DataType type) noexcept;
std::optional<DataType> data_type_of(std::string_view name) noexcept;
/// Bytes an element; 0 for kBytes, whose elements differ.
std::size_t element_size(DataType type) noexcept;

/// The dimensions of a tensor; -1 in a model's declaration is a dimension that each request chooses.
class Shape {
  public:
    static constexpr std::size_t kDimensionsMax = 8;

    Shape() = default;
    Shape(std::initializer_list<std::int64_t> dimensions);
    /// kInvalidArgument beyond kDimensionsMax dimensions or for one below -1.
    static Result<Shape> of(std::span<const std::int64_t> dimensions);

    std::span<const std::int64_t> dimensions() const noexcept { return {dimensions_.data(), count_}; }
    std::size_t size() const noexcept { return count_; }
    std::int64_t operator[](std::size_t at) const noexcept { return dimensions_[at]; }
    void set(std::size_t at, std::int64_t dimension) noexcept { dimensions_[at] = dimension; }
    /// Elements in all (1 for a scalar); kInvalidArgument for a -1 or a product beyond 2^48.
    Result<std::uint64_t> elements() const;
    /// Whether every dimension of `given` is the declared one, or the declared one is -1.
    bool takes(const Shape& given) const noexcept;
    /// `[2,-1,384]`.
    std::string text() const;
    friend bool operator==(const Shape& a, const Shape& b) noexcept {
        return std::equal(a.dimensions().begin(), a.dimensions().end(), b.dimensions().begin(), b.dimensions().end());
    }

  private:
    std::array<std::int64_t, kDimensionsMax> dimensions_{};
    std::uint8_t count_ = 0;
};

/// What a model declares of an input or output.
struct TensorInfo {
    std::string name;
    DataType type = DataType::kFp32;
    Shape shape;
};

/// A tensor whose bytes somebody else holds. Little-endian, row-major, without padding.
struct TensorView {
    DataType type = DataType::kFp32;
    Shape shape;
    std::span<const std::byte> bytes;           // Not for kBytes.
    std::span<const std::string_view> strings;  // Only for kBytes, one an element.
};

/// A tensor that owns its bytes: aligned to 64 from make(), as the backend aligns them from adopt().
class Tensor {
  public:
    Tensor() = default;
    /// Zeros (empty strings). kTooLarge over bytes_max.
    static Result<Tensor> make(DataType type, const Shape& shape, std::uint64_t bytes_max);
    /// Takes over bytes that a backend made, without copying them: `release(context)` is called once, with the tensor's end
    /// (on any thread). Not for kBytes.
    static Tensor adopt(DataType type, const Shape& shape, std::span<std::byte> bytes, void (*release)(void*) noexcept,
                        void* context) noexcept;

    DataType type() const noexcept { return type_; }
    const Shape& shape() const noexcept { return shape_; }
    std::span<std::byte> bytes() noexcept { return {data_.get(), size_}; }
    std::span<const std::byte> bytes() const noexcept { return {data_.get(), size_}; }
    std::vector<std::string>& strings() noexcept { return strings_; }
    const std::vector<std::string>& strings() const noexcept { return strings_; }

  private:
    struct Free {
        Free() noexcept : release(nullptr), context(nullptr) {}
        Free(void (*how)(void*) noexcept, void* what) noexcept : release(how), context(what) {}
        void operator()(std::byte* data) const noexcept;
        void (*release)(void*) noexcept;  // Null: from make().
        void* context;
    };
    DataType type_ = DataType::kFp32;
    Shape shape_;
    std::unique_ptr<std::byte[], Free> data_;
    std::size_t size_ = 0;
    std::vector<std::string> strings_;
};

}  // namespace tidegate::model
