#include "services/inference/values.h"

#include <array>
#include <charconv>
#include <cmath>
#include <cstring>
#include <limits>
#include <utility>

#include "base/json_writer.h"
#include "model/half.h"
#include "services/inference/refuse.h"

namespace tidegate::inference {
namespace {

using json::Kind;
using model::Bf16;
using model::DataType;
using model::Fp16;
using model::narrow;
using model::Shape;
using model::TensorView;
using model::widen;

/// A double, from a number or from one of the three texts that stand for what JSON has no number for.
std::optional<double> real_of(json::Value value) {
    if (value.is_number()) return value.as_double();
    if (value.kind() != Kind::kString) return std::nullopt;
    const std::string_view text = value.as_string();
    if (text == "NaN") return std::numeric_limits<double>::quiet_NaN();
    if (text == "Infinity") return std::numeric_limits<double>::infinity();
    if (text == "-Infinity") return -std::numeric_limits<double>::infinity();
    return std::nullopt;
}

/// Why an element cannot be one of its type; null: it was put at `at`.
using Put = const char* (*)(json::Value, std::byte* at);

template <class T>
void store(std::byte* at, T value) {
    std::memcpy(at, &value, sizeof value);
}

template <class T>
const char* put_integer(json::Value value, std::byte* at) {
    const Kind kind = value.kind();
    if (kind != Kind::kInteger && kind != Kind::kUnsigned) return "must be an integer";
    if constexpr (std::is_unsigned_v<T>) {
        if (kind == Kind::kInteger && value.as_int() < 0) return "must not be negative";
        const std::uint64_t number = value.as_unsigned();
        if (number > std::numeric_limits<T>::max()) return "is larger than the type holds";
        store(at, static_cast<T>(number));
    } else {
        if (kind == Kind::kUnsigned && value.as_unsigned() > std::uint64_t{std::numeric_limits<std::int64_t>::max()}) {
            return "is larger than the type holds";
        }
        const std::int64_t number = value.as_int();
        if (number > std::numeric_limits<T>::max()) return "is larger than the type holds";
        if (number < std::numeric_limits<T>::min()) return "is smaller than the type holds";
        store(at, static_cast<T>(number));
    }
    return nullptr;
}

const char* put_bool(json::Value value, std::byte* at) {
    if (value.kind() != Kind::kBool) return "must be true or false";
    *at = std::byte{value.as_bool()};
    return nullptr;
}

constexpr const char* kNotReal = "must be a number, \"NaN\", \"Infinity\" or \"-Infinity\"";
constexpr const char* kTooLarge = "is larger than the type holds";

template <class T>
const char* put_real(json::Value value, std::byte* at) {
    const auto number = real_of(value);
    if (!number) return kNotReal;
    const T narrowed = static_cast<T>(*number);
    if (std::isinf(narrowed) && !std::isinf(*number)) return kTooLarge;
    store(at, narrowed);
    return nullptr;
}

template <class Form>
const char* put_half(json::Value value, std::byte* at) {
    const auto number = real_of(value);
    if (!number) return kNotReal;
    const auto bits = narrow<Form>(*number);
    if (!bits) return kTooLarge;
    store(at, *bits);
    return nullptr;
}

Put put_of(DataType type) {
    switch (type) {
        case DataType::kBool:
            return put_bool;
        case DataType::kUint8:
            return put_integer<std::uint8_t>;
        case DataType::kUint16:
            return put_integer<std::uint16_t>;
        case DataType::kUint32:
            return put_integer<std::uint32_t>;
        case DataType::kUint64:
            return put_integer<std::uint64_t>;
        case DataType::kInt8:
            return put_integer<std::int8_t>;
        case DataType::kInt16:
            return put_integer<std::int16_t>;
        case DataType::kInt32:
            return put_integer<std::int32_t>;
        case DataType::kInt64:
            return put_integer<std::int64_t>;
        case DataType::kFp16:
            return put_half<Fp16>;
        case DataType::kBf16:
            return put_half<Bf16>;
        case DataType::kFp32:
            return put_real<float>;
        case DataType::kFp64:
            return put_real<double>;
        case DataType::kBytes:
            break;
    }
    return nullptr;
}

/// Walks `data`, flat or nested as the shape, and hands each element to `take`.
template <class Take>
class Walk {
  public:
    Walk(const Shape& shape, std::uint64_t elements, Take& take) : shape_(shape), elements_(elements), take_(take) {}

    Result<void> run(json::Value data) {
        // A scalar may stand without brackets.
        if (data.kind() != Kind::kArray) {
            if (shape_.size() != 0) return refuse(": `data` must be an array");
            leaf(data);
        } else {
            flat_ = is_flat(data);
            level(data, 0);
        }
        if (!why_.empty()) return refuse(std::move(why_));
        if (seen_ == elements_) return {};
        return refuse(": shape " + shape_.text() + " has " + std::to_string(elements_) + " elements, `data` holds " +
                      std::to_string(seen_));
    }

  private:
    static bool is_flat(json::Value data) {
        bool nested = false;
        bool first = true;
        data.each(
            [&](json::Value item) { nested = nested || (std::exchange(first, false) && item.kind() == Kind::kArray); });
        return !nested;
    }
    void level(json::Value array, std::size_t depth) {
        if (!flat_ && (depth >= shape_.size() || array.size() != static_cast<std::uint64_t>(shape_[depth]))) {
            why_ = ": the nested arrays of `data` are not of the shape " + shape_.text();
            return;
        }
        const bool last = flat_ || depth + 1 == shape_.size();
        array.each([&](json::Value item) {
            if (!why_.empty()) return;
            if ((item.kind() == Kind::kArray) != last) return last ? leaf(item) : level(item, depth + 1);
            why_ = ": the nested arrays of `data` are not of the shape " + shape_.text();
        });
    }
    void leaf(json::Value item) {
        // What is too much is only counted.
        if (seen_ < elements_) {
            if (const char* why = take_(item, seen_)) why_ = ": element " + std::to_string(seen_) + " of `data` " + why;
        }
        ++seen_;
    }

    const Shape& shape_;
    const std::uint64_t elements_;
    Take& take_;
    bool flat_ = true;
    std::uint64_t seen_ = 0;
    std::string why_;
};

template <class Take>
Result<void> walk(json::Value data, const Shape& shape, std::uint64_t elements, Take take) {
    return Walk<Take>(shape, elements, take).run(data);
}

template <class T>
T load(std::span<const std::byte> bytes, std::uint64_t at) noexcept {
    T value{};
    std::memcpy(&value, bytes.data() + at * sizeof(T), sizeof(T));
    return value;
}

template <class T>
void append_real(std::string& out, T value) {
    if (std::isnan(value)) {
        out += "\"NaN\"";
    } else if (std::isinf(value)) {
        out += value > 0 ? "\"Infinity\"" : "\"-Infinity\"";
    } else if constexpr (std::is_same_v<T, double>) {
        append_json_number(out, value);
    } else if (std::abs(value) >= 9223372036854775808.0F) {
        // As append_json_number(): no bare integer that 64 bits do not hold.
        std::array<char, 32> buffer{};
        const auto end =
            std::to_chars(buffer.data(), buffer.data() + buffer.size(), value, std::chars_format::scientific).ptr;
        out.append(buffer.data(), end);
    } else {
        std::array<char, 32> buffer{};
        out.append(buffer.data(), std::to_chars(buffer.data(), buffer.data() + buffer.size(), value).ptr);
    }
}

template <class T>
void append_integer(std::string& out, T value) {
    std::array<char, 24> buffer{};
    out.append(buffer.data(), std::to_chars(buffer.data(), buffer.data() + buffer.size(), value).ptr);
}

void append_element(std::string& out, const TensorView& tensor, std::uint64_t at) {
    const auto bytes = tensor.bytes;
    switch (tensor.type) {
        case DataType::kBool:
            out += load<std::uint8_t>(bytes, at) != 0 ? "true" : "false";
            return;
        case DataType::kUint8:
            return append_integer(out, load<std::uint8_t>(bytes, at));
        case DataType::kUint16:
            return append_integer(out, load<std::uint16_t>(bytes, at));
        case DataType::kUint32:
            return append_integer(out, load<std::uint32_t>(bytes, at));
        case DataType::kUint64:
            return append_integer(out, load<std::uint64_t>(bytes, at));
        case DataType::kInt8:
            return append_integer(out, load<std::int8_t>(bytes, at));
        case DataType::kInt16:
            return append_integer(out, load<std::int16_t>(bytes, at));
        case DataType::kInt32:
            return append_integer(out, load<std::int32_t>(bytes, at));
        case DataType::kInt64:
            return append_integer(out, load<std::int64_t>(bytes, at));
        case DataType::kFp16:
            return append_real(out, widen<Fp16>(load<std::uint16_t>(bytes, at)));
        case DataType::kBf16:
            return append_real(out, widen<Bf16>(load<std::uint16_t>(bytes, at)));
        case DataType::kFp32:
            return append_real(out, load<float>(bytes, at));
        case DataType::kFp64:
            return append_real(out, load<double>(bytes, at));
        case DataType::kBytes:
            return append_json_string(out, tensor.strings[at]);
    }
}

/// Elements [at, at + count) of the dimensions from `depth` on.
void append_nested(std::string& out, const TensorView& tensor, std::size_t depth, std::uint64_t at,
                   std::uint64_t count) {
    if (depth == tensor.shape.size()) return append_element(out, tensor, at);
    out.push_back('[');
    const auto length = static_cast<std::uint64_t>(tensor.shape[depth]);
    const std::uint64_t step = length == 0 ? 0 : count / length;
    for (std::uint64_t i = 0; i < length; ++i) {
        if (i > 0) out.push_back(',');
        append_nested(out, tensor, depth + 1, at + i * step, step);
    }
    out.push_back(']');
}

}  // namespace

std::span<std::byte> ValueStore::bytes(std::size_t size) {
    return {bytes_.emplace_back(std::make_unique_for_overwrite<std::byte[]>(size)).get(), size};
}

std::span<std::string_view> ValueStore::strings(std::size_t count) {
    return {strings_.emplace_back(std::make_unique<std::string_view[]>(count)).get(), count};
}

Result<TensorView> read_values(json::Value data, DataType type, const Shape& shape, std::uint64_t bytes_of_json,
                               ValueStore& store) {
    TG_TRY(const std::uint64_t elements, shape.elements());
    // Nothing is allocated for a shape that the text cannot fill: `0,` or `"",` for each element.
    const std::uint64_t least = type == DataType::kBytes ? 3 : 2;
    if (elements > (bytes_of_json + 1) / least) {
        return refuse(": shape " + shape.text() + " has " + std::to_string(elements) + " elements, `data` holds fewer");
    }
    TensorView view{.type = type, .shape = shape, .bytes = {}, .strings = {}};
    if (type == DataType::kBytes) {
        const auto strings = store.strings(elements);
        TG_CHECK(walk(data, shape, elements, [&](json::Value item, std::uint64_t at) -> const char* {
            if (item.kind() != Kind::kString) return "must be a text";
            strings[at] = item.as_string();
            return nullptr;
        }));
        view.strings = strings;
        return view;
    }
    const std::size_t size = model::element_size(type);
    const auto bytes = store.bytes(elements * size);
    const Put put = put_of(type);
    TG_CHECK(walk(data, shape, elements,
                  [&](json::Value item, std::uint64_t at) { return put(item, bytes.data() + at * size); }));
    view.bytes = bytes;
    return view;
}

Result<std::vector<std::string_view>> unpack_strings(std::span<const std::byte> packed, std::uint64_t elements_max) {
    std::vector<std::string_view> strings;
    for (std::size_t at = 0; at < packed.size();) {
        if (packed.size() - at < 4) return refuse(": the length of an element is cut off");
        std::uint32_t length = 0;
        for (std::size_t i = 0; i < 4; ++i) length |= std::to_integer<std::uint32_t>(packed[at + i]) << (8U * i);
        at += 4;
        if (length > packed.size() - at) return refuse(": an element is longer than what follows its length");
        if (strings.size() == elements_max) return refuse(": the bytes hold more elements than the shape");
        strings.emplace_back(reinterpret_cast<const char*>(packed.data() + at), length);
        at += length;
    }
    return strings;
}

void pack_strings(std::span<const std::string_view> strings, std::string& out) {
    for (const std::string_view text : strings) {
        const auto length = static_cast<std::uint32_t>(text.size());
        for (unsigned i = 0; i < 4; ++i) out.push_back(static_cast<char>((length >> (8U * i)) & 0xFFU));
        out.append(text);
    }
}

std::uint64_t packed_size(const TensorView& tensor) noexcept {
    if (tensor.type != DataType::kBytes) return tensor.bytes.size();
    std::uint64_t size = 4 * tensor.strings.size();
    for (const std::string_view text : tensor.strings) size += text.size();
    return size;
}

void write_flat(std::string& out, const TensorView& tensor) {
    const std::uint64_t elements = elements_of(tensor);
    out.push_back('[');
    for (std::uint64_t i = 0; i < elements; ++i) {
        if (i > 0) out.push_back(',');
        append_element(out, tensor, i);
    }
    out.push_back(']');
}

std::string float_text(float value) {
    std::string out;
    append_real(out, value);
    return out;
}

std::string floats_text(std::span<const float> values) {
    std::string out;
    out.reserve(2 + values.size() * 12);
    out.push_back('[');
    for (std::size_t i = 0; i < values.size(); ++i) {
        if (i > 0) out.push_back(',');
        append_real(out, values[i]);
    }
    out.push_back(']');
    return out;
}

void write_nested(std::string& out, const TensorView& tensor) {
    append_nested(out, tensor, 0, 0, elements_of(tensor));
}

}  // namespace tidegate::inference
