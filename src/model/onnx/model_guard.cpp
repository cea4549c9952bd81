#include "model/onnx/model_guard.h"

#include <optional>
#include <string_view>
#include <utility>

namespace tidegate::model::onnx {
namespace {

std::unexpected<Error> damaged() {
    return fail(ErrorCode::kFailedValidation, "the file is not an ONNX model, or it is damaged");
}

struct Field {
    std::uint32_t number = 0;
    std::uint32_t wire = 0;
    std::uint64_t value = 0;  // Wire types 0, 1, 5.
    std::string_view bytes;   // Wire type 2.
};

// Reads the fields of one message; stops at the first that is not whole.
class Fields {
  public:
    explicit Fields(std::string_view message) : rest_(message) {}

    /// nullopt at the end, or when the message is damaged: see failed().
    std::optional<Field> next() {
        if (rest_.empty()) return std::nullopt;
        Field field;
        std::uint64_t tag = 0;
        if (!varint(tag) || (tag >> 3U) == 0 || (tag >> 32U) != 0) return broken();
        field.number = static_cast<std::uint32_t>(tag >> 3U);
        field.wire = static_cast<std::uint32_t>(tag & 7U);
        switch (field.wire) {
            case 0:
                if (!varint(field.value)) return broken();
                return field;
            case 1:
                return fixed(field, 8);
            case 5:
                return fixed(field, 4);
            case 2: {
                std::uint64_t length = 0;
                if (!varint(length) || length > rest_.size()) return broken();
                field.bytes = rest_.substr(0, length);
                rest_.remove_prefix(length);
                return field;
            }
            // Groups (3, 4) are in no ONNX file.
            default:
                return broken();
        }
    }
    bool failed() const noexcept { return failed_; }

  private:
    std::optional<Field> broken() {
        failed_ = true;
        rest_ = {};
        return std::nullopt;
    }
    std::optional<Field> fixed(Field& field, std::size_t size) {
        if (rest_.size() < size) return broken();
        rest_.remove_prefix(size);
        return field;
    }
    bool varint(std::uint64_t& value) {
        value = 0;
        for (unsigned i = 0; i < 10 && i < rest_.size(); ++i) {
            const auto byte = static_cast<unsigned char>(rest_[i]);
            value |= static_cast<std::uint64_t>(byte & 0x7FU) << (7 * i);
            if (byte < 0x80U) {
                rest_.remove_prefix(i + 1);
                return true;
            }
        }
        return false;
    }

    std::string_view rest_;
    bool failed_ = false;
};

// The messages on the way to a tensor, and what their fields lead to.
enum class Message { kModel, kGraph, kNode, kAttribute, kTensor, kSparse, kFunction, kTraining };

struct Step {
    Message from;
    std::uint32_t field;
    Message to;
};

constexpr Step kSteps[] = {
    {Message::kModel, 7, Message::kGraph},         {Message::kModel, 20, Message::kTraining},
    {Message::kModel, 25, Message::kFunction},     {Message::kTraining, 1, Message::kGraph},
    {Message::kTraining, 2, Message::kGraph},      {Message::kFunction, 7, Message::kNode},
    {Message::kFunction, 11, Message::kAttribute}, {Message::kGraph, 1, Message::kNode},
    {Message::kGraph, 5, Message::kTensor},        {Message::kGraph, 15, Message::kSparse},
    {Message::kNode, 5, Message::kAttribute},      {Message::kAttribute, 5, Message::kTensor},
    {Message::kAttribute, 6, Message::kGraph},     {Message::kAttribute, 10, Message::kTensor},
    {Message::kAttribute, 11, Message::kGraph},    {Message::kAttribute, 22, Message::kSparse},
    {Message::kAttribute, 23, Message::kSparse},   {Message::kSparse, 1, Message::kTensor},
    {Message::kSparse, 2, Message::kTensor},
};

constexpr std::uint32_t kExternalData = 13;  // TensorProto.external_data
constexpr std::uint32_t kDataLocation = 14;  // TensorProto.data_location: 1 is EXTERNAL

Result<void> walk(Message message, std::string_view bytes, unsigned depth, ModelFacts& facts) {
    if (message == Message::kGraph && ++depth > kDepthMax) {
        return fail(ErrorCode::kFailedValidation,
                    "the model has graphs in graphs, more than " + std::to_string(kDepthMax) + " deep");
    }
    Fields fields(bytes);
    while (const auto field = fields.next()) {
        if (message == Message::kTensor &&
            (field->number == kExternalData || (field->number == kDataLocation && field->value != 0))) {
            return fail(ErrorCode::kFailedValidation,
                        "the model keeps weights in another file (external data); save it as one file");
        }
        for (const Step& step : kSteps) {
            if (step.from != message || step.field != field->number) continue;
            if (field->wire != 2) return damaged();
            if (step.to == Message::kNode) ++facts.nodes;
            TG_CHECK(walk(step.to, field->bytes, depth, facts));
        }
    }
    if (fields.failed()) return damaged();
    return {};
}

// The last value of a field of length-delimited type, as the format takes repeated single fields.
Result<std::optional<std::string_view>> find(std::string_view message, std::uint32_t number) {
    Fields fields(message);
    std::optional<std::string_view> found;
    while (const auto field = fields.next()) {
        if (field->number == number && field->wire == 2) found = field->bytes;
    }
    if (fields.failed()) return damaged();
    return found;
}

// ValueInfoProto: name 1, type 2; TypeProto: tensor_type 1; TypeProto.Tensor: shape 2; TensorShapeProto: dim 1;
// Dimension: dim_value 1.
Result<void> look_at_value(std::string_view value, bool is_input, ModelFacts& facts) {
    TG_TRY(const auto name, find(value, 1));
    TG_TRY(const auto type, find(value, 2));
    if (!type) return fail(ErrorCode::kFailedValidation, "an input or output of the model has no type");
    TG_TRY(const auto tensor, find(*type, 1));
    if (!tensor) {
        facts.no_tensors.emplace_back(name.value_or(""));
        return {};
    }
    TG_TRY(const auto shape, find(*tensor, 2));
    if (!shape) {
        facts.shapeless.emplace_back(name.value_or(""));
        return {};
    }
    Fields dimensions(*shape);
    while (const auto dimension = dimensions.next()) {
        if (dimension->number != 1 || dimension->wire != 2) continue;
        Fields parts(dimension->bytes);
        bool has_value = false;
        while (const auto part = parts.next()) has_value = has_value || (part->number == 1 && part->wire == 0);
        if (parts.failed()) return damaged();
        if (!has_value && is_input) facts.has_free_dimension = true;
    }
    if (dimensions.failed()) return damaged();
    return {};
}

}  // namespace

Result<ModelFacts> inspect_model(std::span<const std::byte> file) {
    const std::string_view bytes(reinterpret_cast<const char*>(file.data()), file.size());
    if (bytes.empty()) return fail(ErrorCode::kFailedValidation, "the file is empty");
    // The runtime's own format (a FlatBuffer) names itself at byte 4. Read as Protocol Buffers it is damaged; this says more.
    if (bytes.size() >= 8 && bytes.substr(4, 4) == "ORTM") {
        return fail(ErrorCode::kFailedValidation, "the file is in the runtime's own format; ONNX is taken alone");
    }
    ModelFacts facts;
    TG_CHECK(walk(Message::kModel, bytes, 0, facts));
    TG_TRY(const auto graph, find(bytes, 7));
    if (!graph) return fail(ErrorCode::kFailedValidation, "the file holds no graph: it is not an ONNX model");
    Fields fields(*graph);
    while (const auto field = fields.next()) {
        if (field->wire == 2 && (field->number == 11 || field->number == 12)) {
            TG_CHECK(look_at_value(field->bytes, field->number == 11, facts));
        }
    }
    return facts;
}

}  // namespace tidegate::model::onnx
