#include "model/onnx/values.h"

#include <onnxruntime_c_api.h>

#include <array>
#include <cstring>
#include <limits>
#include <memory>
#include <utility>
#include <vector>

namespace tidegate::model::onnx {
namespace {

struct TypePair {
    DataType ours;
    ONNXTensorElementDataType theirs;
};

// By the order of DataType.
constexpr std::array<TypePair, 14> kPairs{{{DataType::kBool, ONNX_TENSOR_ELEMENT_DATA_TYPE_BOOL},
                                           {DataType::kUint8, ONNX_TENSOR_ELEMENT_DATA_TYPE_UINT8},
                                           {DataType::kUint16, ONNX_TENSOR_ELEMENT_DATA_TYPE_UINT16},
                                           {DataType::kUint32, ONNX_TENSOR_ELEMENT_DATA_TYPE_UINT32},
                                           {DataType::kUint64, ONNX_TENSOR_ELEMENT_DATA_TYPE_UINT64},
                                           {DataType::kInt8, ONNX_TENSOR_ELEMENT_DATA_TYPE_INT8},
                                           {DataType::kInt16, ONNX_TENSOR_ELEMENT_DATA_TYPE_INT16},
                                           {DataType::kInt32, ONNX_TENSOR_ELEMENT_DATA_TYPE_INT32},
                                           {DataType::kInt64, ONNX_TENSOR_ELEMENT_DATA_TYPE_INT64},
                                           {DataType::kFp16, ONNX_TENSOR_ELEMENT_DATA_TYPE_FLOAT16},
                                           {DataType::kBf16, ONNX_TENSOR_ELEMENT_DATA_TYPE_BFLOAT16},
                                           {DataType::kFp32, ONNX_TENSOR_ELEMENT_DATA_TYPE_FLOAT},
                                           {DataType::kFp64, ONNX_TENSOR_ELEMENT_DATA_TYPE_DOUBLE},
                                           {DataType::kBytes, ONNX_TENSOR_ELEMENT_DATA_TYPE_STRING}}};

ONNXTensorElementDataType theirs(DataType type) noexcept {
    return kPairs[static_cast<std::size_t>(type)].theirs;
}

constexpr const char* kNotTaken = "ONNX Runtime takes no such tensor";
constexpr const char* kNotGiven = "ONNX Runtime gives no such tensor";

void free_value(void* context) noexcept {
    const std::unique_ptr<Handle<OrtValue>> value(static_cast<Handle<OrtValue>*>(context));
}

Result<OrtAllocator*> default_allocator(const OrtApi& api) {
    OrtAllocator* allocator = nullptr;
    TG_CHECK(check(api, api.GetAllocatorWithDefaultOptions(&allocator), ErrorCode::kInternal, kNotTaken));
    return allocator;
}

// A tensor of the runtime's own memory: for strings, and for bytes that do not lie right.
Result<Handle<OrtValue>> make_own(const Runtime& runtime, const TensorView& view) {
    const OrtApi& api = *runtime.api;
    TG_TRY(OrtAllocator* const allocator, default_allocator(api));
    const auto dimensions = view.shape.dimensions();
    OrtValue* made = nullptr;
    TG_CHECK(check(
        api, api.CreateTensorAsOrtValue(allocator, dimensions.data(), dimensions.size(), theirs(view.type), &made),
        ErrorCode::kInternal, kNotTaken));
    return Handle<OrtValue>(made, Release{&api});
}

Result<Handle<OrtValue>> copy_strings(const Runtime& runtime, const TensorView& view) {
    const OrtApi& api = *runtime.api;
    TG_TRY(Handle<OrtValue> value, make_own(runtime, view));
    for (std::size_t i = 0; i < view.strings.size(); ++i) {
        // The calls that take C strings would end at a zero byte.
        char* target = nullptr;
        TG_CHECK(check(api, api.GetResizedStringTensorElementBuffer(value.get(), i, view.strings[i].size(), &target),
                       ErrorCode::kInternal, kNotTaken));
        if (!view.strings[i].empty()) std::memcpy(target, view.strings[i].data(), view.strings[i].size());
    }
    return value;
}

Result<Handle<OrtValue>> copy_bytes(const Runtime& runtime, const TensorView& view) {
    TG_TRY(Handle<OrtValue> value, make_own(runtime, view));
    void* target = nullptr;
    TG_CHECK(
        check(*runtime.api, runtime.api->GetTensorMutableData(value.get(), &target), ErrorCode::kInternal, kNotTaken));
    std::memcpy(target, view.bytes.data(), view.bytes.size());
    return value;
}

struct Described {
    DataType type = DataType::kFp32;
    Shape shape;
    std::uint64_t elements = 0;
};

Result<Described> describe(const OrtApi& api, const OrtValue* value) {
    OrtTensorTypeAndShapeInfo* made = nullptr;
    TG_CHECK(check(api, api.GetTensorTypeAndShape(value, &made), ErrorCode::kInternal, kNotGiven));
    const Handle<OrtTensorTypeAndShapeInfo> info(made, Release{&api});
    std::size_t count = 0;
    TG_CHECK(check(api, api.GetDimensionsCount(info.get(), &count), ErrorCode::kInternal, kNotGiven));
    if (count > Shape::kDimensionsMax) {
        return fail(ErrorCode::kInternal, "the model gives a tensor of " + std::to_string(count) + " dimensions");
    }
    std::array<std::int64_t, Shape::kDimensionsMax> dimensions{};
    TG_CHECK(check(api, api.GetDimensions(info.get(), dimensions.data(), count), ErrorCode::kInternal, kNotGiven));
    ONNXTensorElementDataType element = ONNX_TENSOR_ELEMENT_DATA_TYPE_UNDEFINED;
    TG_CHECK(check(api, api.GetTensorElementType(info.get(), &element), ErrorCode::kInternal, kNotGiven));
    const auto type = type_of(element);
    if (!type) return fail(ErrorCode::kInternal, "the model gives a tensor of a type that has no name here");
    Described out;
    out.type = *type;
    TG_TRY(out.shape, Shape::of({dimensions.data(), count}));
    TG_TRY(out.elements, out.shape.elements());
    return out;
}

Result<Tensor> copy_strings_out(const OrtApi& api, const OrtValue* value, const Described& described) {
    std::size_t total = 0;
    TG_CHECK(check(api, api.GetStringTensorDataLength(value, &total), ErrorCode::kInternal, kNotGiven));
    std::vector<char> bytes(total);
    std::vector<std::size_t> begins(described.elements);
    TG_CHECK(check(api, api.GetStringTensorContent(value, bytes.data(), total, begins.data(), begins.size()),
                   ErrorCode::kInternal, kNotGiven));
    // The runtime holds as many strings already: their number is no request's wish.
    TG_TRY(Tensor tensor, Tensor::make(DataType::kBytes, described.shape, std::numeric_limits<std::uint64_t>::max()));
    for (std::size_t i = 0; i < begins.size(); ++i) {
        const std::size_t end = i + 1 < begins.size() ? begins[i + 1] : total;
        tensor.strings()[i].assign(bytes.data() + begins[i], end - begins[i]);
    }
    return tensor;
}

}  // namespace

std::optional<DataType> type_of(int element_type) noexcept {
    for (const TypePair& pair : kPairs) {
        if (pair.theirs == element_type) return pair.ours;
    }
    return std::nullopt;
}

Result<Handle<OrtValue>> lend(const Runtime& runtime, const TensorView& view) {
    TG_TRY(const std::uint64_t elements, view.shape.elements());
    const std::size_t each = element_size(view.type);
    const bool fits =
        view.type == DataType::kBytes ? view.strings.size() == elements : view.bytes.size() == elements * each;
    if (!fits) {
        return fail(ErrorCode::kInvalidArgument, "a tensor's data is not as long as its shape " + view.shape.text());
    }
    if (view.type == DataType::kBytes) return copy_strings(runtime, view);
    // Kernels read whole elements; an address between two is undefined behaviour in them.
    if (reinterpret_cast<std::uintptr_t>(view.bytes.data()) % each != 0) return copy_bytes(runtime, view);
    static const std::uint64_t nothing = 0;  // An empty tensor has an address all the same.
    const void* const data = view.bytes.empty() ? static_cast<const void*>(&nothing) : view.bytes.data();
    const auto dimensions = view.shape.dimensions();
    OrtValue* made = nullptr;
    // The call takes a pointer that may be written through; inputs are not written to.
    TG_CHECK(check(
        *runtime.api,
        runtime.api->CreateTensorWithDataAsOrtValue(runtime.cpu, const_cast<void*>(data), view.bytes.size(),
                                                    dimensions.data(), dimensions.size(), theirs(view.type), &made),
        ErrorCode::kInternal, kNotTaken));
    return Handle<OrtValue>(made, Release{runtime.api});
}

Result<Tensor> take_over(const Runtime& runtime, Handle<OrtValue> value) {
    const OrtApi& api = *runtime.api;
    TG_TRY(const Described described, describe(api, value.get()));
    if (described.type == DataType::kBytes) return copy_strings_out(api, value.get(), described);
    void* data = nullptr;
    TG_CHECK(check(api, api.GetTensorMutableData(value.get(), &data), ErrorCode::kInternal, kNotGiven));
    const std::span<std::byte> bytes(static_cast<std::byte*>(data), described.elements * element_size(described.type));
    auto held = std::make_unique<Handle<OrtValue>>(std::move(value));
    return Tensor::adopt(described.type, described.shape, bytes, free_value, held.release());
}

}  // namespace tidegate::model::onnx
