#include "model/tensor_numbers.h"

#include <cstring>

#include "model/half.h"

namespace tidegate::model {
namespace {

template <class T>
T element_at(std::span<const std::byte> bytes, std::uint64_t at) noexcept {
    T value{};
    std::memcpy(&value, bytes.data() + at * sizeof(T), sizeof(T));
    return value;
}

}  // namespace

std::uint64_t elements_of(const TensorView& tensor) noexcept {
    return tensor.type == DataType::kBytes ? tensor.strings.size() : tensor.bytes.size() / element_size(tensor.type);
}

double value_at(const TensorView& tensor, std::uint64_t at) noexcept {
    const auto bytes = tensor.bytes;
    switch (tensor.type) {
        case DataType::kBool:
        case DataType::kUint8:
            return element_at<std::uint8_t>(bytes, at);
        case DataType::kUint16:
            return element_at<std::uint16_t>(bytes, at);
        case DataType::kUint32:
            return element_at<std::uint32_t>(bytes, at);
        case DataType::kUint64:
            return static_cast<double>(element_at<std::uint64_t>(bytes, at));
        case DataType::kInt8:
            return element_at<std::int8_t>(bytes, at);
        case DataType::kInt16:
            return element_at<std::int16_t>(bytes, at);
        case DataType::kInt32:
            return element_at<std::int32_t>(bytes, at);
        case DataType::kInt64:
            return static_cast<double>(element_at<std::int64_t>(bytes, at));
        case DataType::kFp16:
            return widen<Fp16>(element_at<std::uint16_t>(bytes, at));
        case DataType::kBf16:
            return widen<Bf16>(element_at<std::uint16_t>(bytes, at));
        case DataType::kFp32:
            return element_at<float>(bytes, at);
        case DataType::kFp64:
            return element_at<double>(bytes, at);
        case DataType::kBytes:
            break;
    }
    return 0;
}

}  // namespace tidegate::model
