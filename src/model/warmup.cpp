#include "model/warmup.h"

#include <fmt/core.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstring>

#include "base/random.h"

namespace tidegate::model {
namespace {

/// Round to nearest, ties to even, as IEEE 754 has it; beyond the range infinity.
std::uint16_t to_fp16(double value) {
    const auto bits = std::bit_cast<std::uint32_t>(static_cast<float>(value));
    const auto sign = static_cast<std::uint16_t>((bits >> 16U) & 0x8000U);
    const float magnitude = std::fabs(static_cast<float>(value));
    if (!(magnitude < 65520.0F)) return static_cast<std::uint16_t>(sign | (std::isnan(value) ? 0x7E00U : 0x7C00U));
    // Below 2^-14 the steps are 2^-24 wide, above they are 2^-10 of the power of two below.
    const int exponent = std::max(magnitude == 0.0F ? -14 : std::ilogb(magnitude), -14);
    const auto steps = static_cast<std::uint32_t>(std::nearbyint(std::ldexp(magnitude, 10 - exponent)));
    const auto base = static_cast<std::uint32_t>(exponent + 14) << 10U;
    // `steps` is 1024 and more for a normal number, whose leading bit is not stored: the sum carries it into the exponent.
    return static_cast<std::uint16_t>(sign | (base + steps));
}

std::uint16_t to_bf16(double value) {
    const auto bits = std::bit_cast<std::uint32_t>(static_cast<float>(value));
    return static_cast<std::uint16_t>((bits + 0x7FFFU + ((bits >> 16U) & 1U)) >> 16U);
}

template <class T>
void put(std::span<std::byte> bytes, std::size_t at, T value) {
    std::memcpy(bytes.data() + at * sizeof(T), &value, sizeof(T));
}

/// Out of a type's range the nearest it has.
template <class T>
void put_integer(std::span<std::byte> bytes, std::size_t at, double value) {
    // Both limits as doubles: the upper one of 64 bits rounds up, hence >=.
    const auto low = static_cast<double>(std::numeric_limits<T>::min());
    const auto high = static_cast<double>(std::numeric_limits<T>::max());
    put(bytes, at,
        value >= high  ? std::numeric_limits<T>::max()
        : value <= low ? std::numeric_limits<T>::min()
                       : static_cast<T>(value));
}

void put_number(DataType type, std::span<std::byte> bytes, std::size_t at, double value) {
    switch (type) {
        case DataType::kBool:
            return put<std::uint8_t>(bytes, at, value != 0.0 ? 1 : 0);
        case DataType::kUint8:
            return put_integer<std::uint8_t>(bytes, at, value);
        case DataType::kUint16:
            return put_integer<std::uint16_t>(bytes, at, value);
        case DataType::kUint32:
            return put_integer<std::uint32_t>(bytes, at, value);
        case DataType::kUint64:
            return put_integer<std::uint64_t>(bytes, at, value);
        case DataType::kInt8:
            return put_integer<std::int8_t>(bytes, at, value);
        case DataType::kInt16:
            return put_integer<std::int16_t>(bytes, at, value);
        case DataType::kInt32:
            return put_integer<std::int32_t>(bytes, at, value);
        case DataType::kInt64:
            return put_integer<std::int64_t>(bytes, at, value);
        case DataType::kFp16:
            return put(bytes, at, to_fp16(value));
        case DataType::kBf16:
            return put(bytes, at, to_bf16(value));
        case DataType::kFp32:
            return put(bytes, at, static_cast<float>(value));
        case DataType::kFp64:
            return put(bytes, at, value);
        case DataType::kBytes:
            return;
    }
}

Shape sample_shape(const ModelConfig& config, std::uint32_t rows, const Shape& dims) {
    std::vector<std::int64_t> dimensions;
    if (config.max_batch_size > 0) dimensions.push_back(rows);
    for (const std::int64_t dimension : dims.dimensions()) dimensions.push_back(dimension);
    const auto shape = Shape::of(dimensions);
    return shape ? *shape : dims;
}

/// Floats within [-1, 1], whole numbers within [0, 127]: in range for every type, and for most an embedding's.
void fill_random(DataType type, std::span<std::byte> bytes, std::uint64_t elements) {
    SeededRandom random(1);  // The same passes at each load.
    const bool is_float =
        type == DataType::kFp16 || type == DataType::kBf16 || type == DataType::kFp32 || type == DataType::kFp64;
    for (std::uint64_t i = 0; i < elements; ++i) {
        const std::uint64_t bits = random.next_u64() >> 32U;
        put_number(type, bytes, i,
                   is_float ? static_cast<double>(bits) / 2147483648.0 - 1.0 : static_cast<double>(bits % 128));
    }
}

Result<void> fill_from_file(const Folder& folder, const std::string& path, Tensor& tensor) {
    TG_TRY(const std::string bytes, folder.read(path, kWarmupBytesMax));
    if (tensor.type() == DataType::kBytes) return fail(ErrorCode::kInvalidArgument, "a file of BYTES is not supported");
    if (bytes.empty() || tensor.bytes().size() % bytes.size() != 0) {
        return fail(ErrorCode::kInvalidArgument, fmt::format("`{}` has {} bytes, and the sample takes {}", path,
                                                             bytes.size(), tensor.bytes().size()));
    }
    // A file of one row stands for each row of the batch.
    for (std::size_t at = 0; at < tensor.bytes().size(); at += bytes.size()) {
        std::memcpy(tensor.bytes().data() + at, bytes.data(), bytes.size());
    }
    return {};
}

void fill_values(const WarmupInput& input, Tensor& tensor) {
    if (tensor.type() == DataType::kBytes) {
        for (std::size_t i = 0; i < tensor.strings().size(); ++i)
            tensor.strings()[i] = input.texts[i % input.texts.size()];
        return;
    }
    const std::size_t elements = tensor.bytes().size() / element_size(tensor.type());
    for (std::size_t i = 0; i < elements; ++i) {
        put_number(tensor.type(), tensor.bytes(), i, input.numbers[i % input.numbers.size()]);
    }
}

Result<Tensor> make_input(const ModelConfig& config, const WarmupInput& input, std::uint32_t rows,
                          const Folder& folder) {
    TG_TRY(Tensor tensor, Tensor::make(input.type, sample_shape(config, rows, input.dims), kWarmupBytesMax));
    switch (input.kind) {
        case WarmupInput::Kind::kZero:
            break;
        case WarmupInput::Kind::kRandom: {
            // Texts at random would be no texts; empty ones they are.
            if (input.type != DataType::kBytes) {
                fill_random(input.type, tensor.bytes(), tensor.bytes().size() / element_size(input.type));
            }
            break;
        }
        case WarmupInput::Kind::kFile:
            TG_CHECK(fill_from_file(folder, fmt::format("{}/warmup/{}", config.name, input.file), tensor));
            break;
        case WarmupInput::Kind::kValues:
            fill_values(input, tensor);
            break;
    }
    return tensor;
}

Result<void> run_sample(Session& session, const ModelConfig& config, const WarmupSample& sample, const Folder& folder) {
    std::vector<Tensor> tensors;
    std::vector<std::vector<std::string_view>> texts(config.inputs.size());
    std::vector<TensorView> views;
    for (std::size_t i = 0; i < config.inputs.size(); ++i) {
        const TensorConfig& tensor = config.inputs[i];
        const auto input = std::ranges::find(sample.inputs, tensor.name, &WarmupInput::name);
        TG_TRY(Tensor made, make_input(config, *input, sample.batch_size, folder));
        tensors.push_back(std::move(made));
        texts[i].assign(tensors.back().strings().begin(), tensors.back().strings().end());
    }
    for (std::size_t i = 0; i < tensors.size(); ++i) {
        TG_TRY(const Shape shape, session_shape(config, config.inputs[i], tensors[i].shape()));
        views.push_back({.type = tensors[i].type(), .shape = shape, .bytes = tensors[i].bytes(), .strings = texts[i]});
    }
    std::vector<std::uint32_t> wanted(session.outputs().size());
    for (std::uint32_t i = 0; i < wanted.size(); ++i) wanted[i] = i;
    std::vector<Tensor> results;
    for (std::uint32_t run = 0; run < sample.count; ++run) TG_CHECK(session.run(views, wanted, results, {}));
    return {};
}

WarmupSample zeros_of(const ModelConfig& config) {
    WarmupSample sample;
    for (const TensorConfig& tensor : config.inputs) {
        WarmupInput input;
        input.name = tensor.name;
        input.type = tensor.type;
        input.dims = tensor.dims;
        for (std::size_t i = 0; i < input.dims.size(); ++i) {
            if (input.dims[i] == -1) input.dims.set(i, 1);
        }
        sample.inputs.push_back(std::move(input));
    }
    return sample;
}

}  // namespace

Result<std::string> warm_up(Session& session, const ModelConfig& config, const Folder& folder) {
    if (!config.warms_up) return std::string();
    for (const WarmupSample& sample : config.warmup) {
        if (const auto run = run_sample(session, config, sample, folder); !run) {
            return fail(run.error().code, fmt::format("model_warmup `{}`: {}", sample.name, run.error().message));
        }
    }
    if (!config.warmup.empty()) return std::string();
    const auto run = run_sample(session, config, zeros_of(config), folder);
    return run ? std::string() : fmt::format("the model takes no zeros for a warm-up: {}", run.error().message);
}

}  // namespace tidegate::model
