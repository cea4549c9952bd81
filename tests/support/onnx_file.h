// OnnxFile: writes small ONNX models for tests, byte by byte, with no library.
//
// Format      Protocol Buffers as onnx.proto3 has them: IR version 8, operator set 17 of the standard domain.
// Use         OnnxFile().input("x", DataType::kFp32, {-1, 4}).output("y", DataType::kFp32, {-1, 4})
//                 .node("Identity", {"x"}, {"y"}).bytes();
//             or one of the ready models below: onnx_identity(), onnx_linear(), onnx_sum_and_product(), onnx_heavy()...
// Memory      Values; the file is a string.
#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <initializer_list>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "model/tensor.h"

namespace tidegate::testing {

/// Appends fields in the wire format of Protocol Buffers.
class ProtoWriter {
  public:
    ProtoWriter& number(std::uint32_t field, std::uint64_t value) {
        varint(field << 3U);
        varint(value);
        return *this;
    }
    ProtoWriter& text(std::uint32_t field, std::string_view bytes) {
        varint((field << 3U) | 2U);
        varint(bytes.size());
        bytes_ += bytes;
        return *this;
    }
    ProtoWriter& real(std::uint32_t field, float value) {
        varint((field << 3U) | 5U);
        const auto bits = std::bit_cast<std::uint32_t>(value);
        for (unsigned shift = 0; shift < 32; shift += 8) bytes_ += static_cast<char>((bits >> shift) & 0xFFU);
        return *this;
    }
    const std::string& bytes() const noexcept { return bytes_; }

  private:
    void varint(std::uint64_t value) {
        for (; value >= 0x80U; value >>= 7U) bytes_ += static_cast<char>((value & 0x7FU) | 0x80U);
        bytes_ += static_cast<char>(value);
    }
    std::string bytes_;
};

/// The number that TensorProto.DataType has for a type.
inline std::uint64_t onnx_type(model::DataType type) {
    switch (type) {
        case model::DataType::kFp32:
            return 1;
        case model::DataType::kUint8:
            return 2;
        case model::DataType::kInt8:
            return 3;
        case model::DataType::kUint16:
            return 4;
        case model::DataType::kInt16:
            return 5;
        case model::DataType::kInt32:
            return 6;
        case model::DataType::kInt64:
            return 7;
        case model::DataType::kBytes:
            return 8;
        case model::DataType::kBool:
            return 9;
        case model::DataType::kFp16:
            return 10;
        case model::DataType::kFp64:
            return 11;
        case model::DataType::kUint32:
            return 12;
        case model::DataType::kUint64:
            return 13;
        case model::DataType::kBf16:
            return 16;
    }
    return 0;
}

/// The bytes of numbers as a tensor holds them.
template <class T>
std::string raw_bytes(const std::vector<T>& values) {
    std::string out(values.size() * sizeof(T), '\0');
    if (!values.empty()) std::memcpy(out.data(), values.data(), out.size());
    return out;
}

class OnnxFile {
  public:
    using Names = std::initializer_list<std::string_view>;

    /// -1 is a dimension of its own that each request chooses; all -1 at place 0 are the same `batch`.
    OnnxFile& input(std::string_view name, model::DataType type, const std::vector<std::int64_t>& dimensions) {
        inputs_.push_back(value_info(name, type, &dimensions));
        return *this;
    }
    OnnxFile& output(std::string_view name, model::DataType type, const std::vector<std::int64_t>& dimensions) {
        outputs_.push_back(value_info(name, type, &dimensions));
        return *this;
    }
    /// Without any shape: a rank that nobody declares.
    OnnxFile& input_without_shape(std::string_view name, model::DataType type) {
        inputs_.push_back(value_info(name, type, nullptr));
        return *this;
    }
    /// A sequence of maps, as converters of scikit-learn make them: no tensor.
    OnnxFile& output_of_maps(std::string_view name) {
        const std::string tensor = ProtoWriter().number(1, 1).bytes();
        const std::string map =
            ProtoWriter().number(1, 7).text(2, ProtoWriter().text(1, tensor).bytes()).bytes();  // int64 -> float
        const std::string element = ProtoWriter().text(5, map).bytes();
        const std::string sequence = ProtoWriter().text(1, element).bytes();
        outputs_.push_back(ProtoWriter().text(1, name).text(2, ProtoWriter().text(4, sequence).bytes()).bytes());
        return *this;
    }
    OnnxFile& constant(std::string_view name, model::DataType type, const std::vector<std::int64_t>& dimensions,
                       std::string_view raw) {
        constants_.push_back(tensor(name, type, dimensions).text(9, raw).bytes());
        return *this;
    }
    /// A constant whose bytes are said to lie in another file.
    OnnxFile& external_constant(std::string_view name, model::DataType type,
                                const std::vector<std::int64_t>& dimensions, std::string_view location) {
        const std::string entry = ProtoWriter().text(1, "location").text(2, location).bytes();
        constants_.push_back(tensor(name, type, dimensions).text(13, entry).number(14, 1).bytes());
        return *this;
    }
    /// `attributes`: made by the functions below. `domain` empty: the standard operators.
    OnnxFile& node(std::string_view op, Names inputs, Names outputs, const std::vector<std::string>& attributes = {},
                   std::string_view domain = "") {
        ProtoWriter writer;
        for (const auto name : inputs) writer.text(1, name);
        for (const auto name : outputs) writer.text(2, name);
        writer.text(4, op);
        for (const auto& one : attributes) writer.text(5, one);
        if (!domain.empty()) writer.text(7, domain);
        nodes_.push_back(writer.bytes());
        return *this;
    }

    static std::string integer(std::string_view name, std::int64_t value) {
        return ProtoWriter().text(1, name).number(3, static_cast<std::uint64_t>(value)).number(20, 2).bytes();
    }
    static std::string real(std::string_view name, float value) {
        return ProtoWriter().text(1, name).real(2, value).number(20, 1).bytes();
    }
    static std::string word(std::string_view name, std::string_view value) {
        return ProtoWriter().text(1, name).text(4, value).number(20, 3).bytes();
    }
    static std::string integers(std::string_view name, const std::vector<std::int64_t>& values) {
        ProtoWriter writer;
        writer.text(1, name);
        for (const std::int64_t value : values) writer.number(8, static_cast<std::uint64_t>(value));
        return writer.number(20, 7).bytes();
    }
    static std::string tensor_attribute(std::string_view name, const std::string& tensor_bytes) {
        return ProtoWriter().text(1, name).text(5, tensor_bytes).number(20, 4).bytes();
    }
    static std::string graph_attribute(std::string_view name, const std::string& graph_bytes) {
        return ProtoWriter().text(1, name).text(6, graph_bytes).number(20, 5).bytes();
    }
    static ProtoWriter tensor(std::string_view name, model::DataType type,
                              const std::vector<std::int64_t>& dimensions) {
        ProtoWriter writer;
        for (const std::int64_t dimension : dimensions) writer.number(1, static_cast<std::uint64_t>(dimension));
        writer.number(2, onnx_type(type)).text(8, name);
        return writer;
    }

    /// The GraphProto alone, for an attribute of Loop or If.
    std::string graph() const {
        ProtoWriter writer;
        for (const auto& one : nodes_) writer.text(1, one);
        writer.text(2, "g");
        for (const auto& one : constants_) writer.text(5, one);
        for (const auto& one : inputs_) writer.text(11, one);
        for (const auto& one : outputs_) writer.text(12, one);
        return writer.bytes();
    }
    /// The whole file.
    std::string bytes() const {
        ProtoWriter writer;
        writer.number(1, 8).text(2, "tidegate-tests").text(7, graph());
        writer.text(8, ProtoWriter().text(1, "").number(2, 17).bytes());
        writer.text(8, ProtoWriter().text(1, "com.microsoft").number(2, 1).bytes());
        return writer.bytes();
    }

  private:
    static std::string value_info(std::string_view name, model::DataType type,
                                  const std::vector<std::int64_t>* dimensions) {
        ProtoWriter tensor_type;
        tensor_type.number(1, onnx_type(type));
        if (dimensions != nullptr) {
            ProtoWriter shape;
            for (std::size_t i = 0; i < dimensions->size(); ++i) {
                const std::int64_t size = (*dimensions)[i];
                ProtoWriter dimension;
                if (size >= 0) {
                    dimension.number(1, static_cast<std::uint64_t>(size));
                } else {
                    dimension.text(2, i == 0 ? "batch" : std::string(name) + std::to_string(i));
                }
                shape.text(1, dimension.bytes());
            }
            tensor_type.text(2, shape.bytes());
        }
        const std::string whole = ProtoWriter().text(1, tensor_type.bytes()).bytes();
        return ProtoWriter().text(1, name).text(2, whole).bytes();
    }

    std::vector<std::string> nodes_, constants_, inputs_, outputs_;
};

/// y = x, of any type; `dimensions` with -1 where each request chooses.
inline std::string onnx_identity(model::DataType type, const std::vector<std::int64_t>& dimensions) {
    return OnnxFile().input("x", type, dimensions).output("y", type, dimensions).node("Identity", {"x"}, {"y"}).bytes();
}

/// y = x * weights + bias: FP32 [-1, in] -> [-1, out]; `weights` row-major [in, out].
inline std::string onnx_linear(std::int64_t in, std::int64_t out, const std::vector<float>& weights,
                               const std::vector<float>& bias) {
    return OnnxFile()
        .input("x", model::DataType::kFp32, {-1, in})
        .output("y", model::DataType::kFp32, {-1, out})
        .constant("w", model::DataType::kFp32, {in, out}, raw_bytes(weights))
        .constant("b", model::DataType::kFp32, {out}, raw_bytes(bias))
        .node("MatMul", {"x", "w"}, {"h"})
        .node("Add", {"h", "b"}, {"y"})
        .bytes();
}

/// Two inputs, two outputs: sum = a + b, product = a * b, FP32 [-1, width].
inline std::string onnx_sum_and_product(std::int64_t width) {
    return OnnxFile()
        .input("a", model::DataType::kFp32, {-1, width})
        .input("b", model::DataType::kFp32, {-1, width})
        .output("sum", model::DataType::kFp32, {-1, width})
        .output("product", model::DataType::kFp32, {-1, width})
        .node("Add", {"a", "b"}, {"sum"})
        .node("Mul", {"a", "b"}, {"product"})
        .bytes();
}

/// y = cast(x).
inline std::string onnx_cast(model::DataType from, model::DataType to, const std::vector<std::int64_t>& dimensions) {
    return OnnxFile()
        .input("x", from, dimensions)
        .output("y", to, dimensions)
        .node("Cast", {"x"}, {"y"}, {OnnxFile::integer("to", static_cast<std::int64_t>(onnx_type(to)))})
        .bytes();
}

/// Keeps one core busy: `steps` products of [-1, width] with a [width, width] identity, one after the other. A pass of r rows
/// takes about 2 * r * width^2 * steps floating-point operations; y = x.
inline std::string onnx_heavy(std::int64_t width, unsigned steps) {
    const auto side = static_cast<std::size_t>(width);
    std::vector<float> one(side * side, 0.0F);
    for (std::size_t i = 0; i < side; ++i) one[i * side + i] = 1.0F;
    OnnxFile file;
    file.input("x", model::DataType::kFp32, {-1, width}).output("y", model::DataType::kFp32, {-1, width});
    file.constant("w", model::DataType::kFp32, {width, width}, raw_bytes(one));
    std::string from = "x";
    for (unsigned i = 1; i <= steps; ++i) {
        const std::string to = i == steps ? "y" : "h" + std::to_string(i);
        file.node("MatMul", {from, "w"}, {to});
        from = to;
    }
    return file.bytes();
}

}  // namespace tidegate::testing
