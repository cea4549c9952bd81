#include "model/tensor.h"

#include <algorithm>
#include <limits>
#include <new>
#include <utility>

namespace tidegate::model {
namespace {

struct TypeRow {
    DataType type;
    std::string_view name;
    std::size_t bytes;
};

constexpr std::array<TypeRow, 14> kTypes{{{DataType::kBool, "BOOL", 1},
                                          {DataType::kUint8, "UINT8", 1},
                                          {DataType::kUint16, "UINT16", 2},
                                          {DataType::kUint32, "UINT32", 4},
                                          {DataType::kUint64, "UINT64", 8},
                                          {DataType::kInt8, "INT8", 1},
                                          {DataType::kInt16, "INT16", 2},
                                          {DataType::kInt32, "INT32", 4},
                                          {DataType::kInt64, "INT64", 8},
                                          {DataType::kFp16, "FP16", 2},
                                          {DataType::kBf16, "BF16", 2},
                                          {DataType::kFp32, "FP32", 4},
                                          {DataType::kFp64, "FP64", 8},
                                          {DataType::kBytes, "BYTES", 0}}};

constexpr bool in_order() {
    for (std::size_t i = 0; i < kTypes.size(); ++i) {
        if (static_cast<std::size_t>(kTypes[i].type) != i) return false;
    }
    return true;
}
static_assert(in_order(), "kTypes is indexed by DataType");

// A cache line, and the widest vector register.
constexpr std::align_val_t kAlignment{64};
// Far above what memory holds, far below where sizes in bytes overflow.
constexpr std::uint64_t kElementsMax = 1ULL << 48;

}  // namespace

std::string_view to_string(DataType type) noexcept {
    return kTypes[static_cast<std::size_t>(type)].name;
}

std::optional<DataType> data_type_of(std::string_view name) noexcept {
    const auto found = std::ranges::find(kTypes, name, &TypeRow::name);
    if (found == kTypes.end()) return std::nullopt;
    return found->type;
}

std::size_t element_size(DataType type) noexcept {
    return kTypes[static_cast<std::size_t>(type)].bytes;
}

Shape::Shape(std::initializer_list<std::int64_t> dimensions) {
    for (const std::int64_t dimension : dimensions) {
        if (count_ == kDimensionsMax) break;
        dimensions_[count_++] = dimension;
    }
}

Result<Shape> Shape::of(std::span<const std::int64_t> dimensions) {
    if (dimensions.size() > kDimensionsMax) {
        return fail(ErrorCode::kInvalidArgument, "a shape of " + std::to_string(dimensions.size()) +
                                                     " dimensions; at most " + std::to_string(kDimensionsMax) +
                                                     " are taken");
    }
    Shape shape;
    for (const std::int64_t dimension : dimensions) {
        if (dimension < -1) {
            return fail(ErrorCode::kInvalidArgument,
                        "dimension " + std::to_string(shape.count_) + " of the shape is " + std::to_string(dimension));
        }
        shape.dimensions_[shape.count_++] = dimension;
    }
    return shape;
}

Result<std::uint64_t> Shape::elements() const {
    std::uint64_t product = 1;
    // A zero anywhere makes the product zero; the other dimensions are judged all the same.
    bool empty = false;
    for (std::size_t i = 0; i < count_; ++i) {
        if (dimensions_[i] < 0) {
            return fail(ErrorCode::kInvalidArgument,
                        "dimension " + std::to_string(i) + " of the shape " + text() + " is negative");
        }
        const auto dimension = static_cast<std::uint64_t>(dimensions_[i]);
        if (dimension == 0) {
            empty = true;
            continue;
        }
        if (dimension > kElementsMax / product) {
            return fail(ErrorCode::kInvalidArgument, "the shape " + text() + " has more than 2^48 elements");
        }
        product *= dimension;
    }
    return empty ? 0 : product;
}

bool Shape::takes(const Shape& given) const noexcept {
    if (given.count_ != count_) return false;
    for (std::size_t i = 0; i < count_; ++i) {
        if (dimensions_[i] != -1 && dimensions_[i] != given.dimensions_[i]) return false;
    }
    return true;
}

std::string Shape::text() const {
    std::string out = "[";
    for (std::size_t i = 0; i < count_; ++i) {
        if (i > 0) out += ',';
        out += std::to_string(dimensions_[i]);
    }
    return out + ']';
}

void Tensor::Free::operator()(std::byte* data) const noexcept {
    if (release != nullptr) {
        release(context);
    } else {
        ::operator delete[](data, kAlignment);
    }
}

Result<Tensor> Tensor::make(DataType type, const Shape& shape, std::uint64_t bytes_max) {
    TG_TRY(const std::uint64_t elements, shape.elements());
    // What an empty string of the heap costs stands for the element's size.
    const std::uint64_t each = type == DataType::kBytes ? sizeof(std::string) : element_size(type);
    if (elements > bytes_max / each) {
        return fail(ErrorCode::kTooLarge, "a tensor " + std::string(to_string(type)) + shape.text() + " is over " +
                                              std::to_string(bytes_max) + " bytes");
    }
    Tensor tensor;
    tensor.type_ = type;
    tensor.shape_ = shape;
    if (type == DataType::kBytes) {
        tensor.strings_.resize(elements);
        return tensor;
    }
    tensor.size_ = elements * each;
    void* memory = ::operator new[](std::max<std::size_t>(tensor.size_, 1), kAlignment, std::nothrow);
    if (memory == nullptr) return fail(ErrorCode::kUnavailable, "no memory for a tensor " + shape.text());
    tensor.data_.reset(static_cast<std::byte*>(memory));
    std::fill_n(tensor.data_.get(), tensor.size_, std::byte{0});
    return tensor;
}

Tensor Tensor::adopt(DataType type, const Shape& shape, std::span<std::byte> bytes, void (*release)(void*) noexcept,
                     void* context) noexcept {
    Tensor tensor;
    tensor.type_ = type;
    tensor.shape_ = shape;
    // An empty tensor may have no address; what it stands for is released all the same.
    static std::byte nowhere{};
    tensor.data_ =
        std::unique_ptr<std::byte[], Free>(bytes.data() != nullptr ? bytes.data() : &nowhere, Free(release, context));
    tensor.size_ = bytes.size();
    return tensor;
}

}  // namespace tidegate::model
