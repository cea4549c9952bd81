#include "services/inference/infer_answer.h"

#include <algorithm>
#include <cmath>
#include <forward_list>
#include <numeric>
#include <vector>

#include "base/json_writer.h"

namespace tidegate::inference {
namespace {

using model::DataType;
using model::TensorView;

void write_shape(JsonWriter& writer, const model::Shape& shape) {
    writer.key("shape").begin_array();
    for (const std::int64_t dimension : shape.dimensions()) writer.value(dimension);
    writer.end_array();
}

/// What was asked of output `at`: its own words, or the request's for all.
WantedOutput wish_of(const InferBody& asked, const model::NamedTensor& output, std::size_t at) {
    if (at < asked.outputs.size()) return asked.outputs[at];
    return {.name = output.name, .binary = asked.binary_output, .classes = 0};
}

/// The classification extension: texts `score:index` or `score:index:label`.
struct Classes {
    std::vector<std::string> texts;
    std::vector<std::string_view> views;
    TensorView view;
};

Classes classify(const TensorView& tensor, const model::ModelConfig& config, std::uint32_t most) {
    Classes made;
    const bool batched = config.max_batch_size > 0 && tensor.shape.size() > 0;
    const auto rows = batched ? static_cast<std::uint64_t>(tensor.shape[0]) : 1;
    const std::uint64_t width = rows == 0 ? 0 : elements_of(tensor) / rows;
    const std::uint64_t kept = std::min<std::uint64_t>(most, width);
    made.texts.reserve(rows * kept);
    for (std::uint64_t row = 0; row < rows; ++row) {
        for (const std::uint32_t index : best_of(tensor, row * width, width, most)) {
            std::string& text = made.texts.emplace_back();
            // As the tensor's own type prints it.
            TensorView one{.type = tensor.type, .shape = {}, .bytes = {}, .strings = {}};
            const std::size_t size = model::element_size(tensor.type);
            one.bytes = tensor.bytes.subspan((row * width + index) * size, size);
            write_nested(text, one);
            std::erase(text, '"');
            text += ":" + std::to_string(index);
            const auto& labels = config.text.labels;
            if (index < labels.size()) text += ":" + labels[index];
        }
    }
    for (const std::string& text : made.texts) made.views.emplace_back(text);
    made.view.type = DataType::kBytes;
    made.view.shape = batched ? model::Shape{static_cast<std::int64_t>(rows), static_cast<std::int64_t>(kept)}
                              : model::Shape{static_cast<std::int64_t>(kept)};
    made.view.strings = made.views;
    return made;
}

void append_packed(std::string& out, const TensorView& tensor) {
    if (tensor.type == DataType::kBytes) return pack_strings(tensor.strings, out);
    out.append(reinterpret_cast<const char*>(tensor.bytes.data()), tensor.bytes.size());
}

/// The JSON of one output; binary bytes follow behind all of it.
void write_output(JsonWriter& writer, std::string& out, const WantedOutput& wish, const TensorView& tensor) {
    writer.begin_object().field("name", wish.name).field("datatype", to_string(tensor.type));
    write_shape(writer, tensor.shape);
    if (!wish.binary) {
        writer.key("data");
        write_flat(out, tensor);
    } else {
        writer.key("parameters").begin_object().field("binary_data_size", packed_size(tensor)).end_object();
    }
    out.push_back('}');
}

}  // namespace

std::vector<std::uint32_t> best_of(const TensorView& scores, std::uint64_t from, std::uint64_t count,
                                   std::uint32_t most) {
    std::vector<double> values(count);
    for (std::uint64_t i = 0; i < count; ++i) {
        const double value = value_at(scores, from + i);
        values[i] = std::isnan(value) ? -HUGE_VAL : value;
    }
    std::vector<std::uint32_t> order(count);
    std::iota(order.begin(), order.end(), 0U);
    const auto kept = static_cast<std::ptrdiff_t>(std::min<std::uint64_t>(most, count));
    std::partial_sort(order.begin(), order.begin() + kept, order.end(), [&](std::uint32_t a, std::uint32_t b) {
        return values[a] != values[b] ? values[a] > values[b] : a < b;
    });
    order.resize(static_cast<std::size_t>(kept));
    return order;
}

std::uint64_t weight_of(const InferBody& asked, const model::InferAnswer& answer) noexcept {
    std::uint64_t weight = 0;
    for (std::size_t i = 0; i < answer.outputs.size(); ++i) {
        const TensorView& tensor = answer.outputs[i].tensor;
        const bool binary = i < asked.outputs.size() ? asked.outputs[i].binary : asked.binary_output;
        // A number in JSON costs some 50 ns to write, a byte of a binary tensor a tenth of one.
        weight += binary ? packed_size(tensor) / 16 : elements_of(tensor) * 8;
        // A text is as long as the model likes.
        if (!binary && tensor.type == DataType::kBytes) weight += packed_size(tensor);
    }
    return weight;
}

InferText write_infer(const InferBody& asked, const model::InferAnswer& answer) {
    InferText made;
    std::forward_list<Classes> classes;     // Kept until they are written.
    std::vector<const TensorView*> behind;  // In their order.
    std::string& out = made.body;
    std::uint64_t size = 256;
    for (const model::NamedTensor& output : answer.outputs)
        size += 96 + std::max(packed_size(output.tensor), 8 * elements_of(output.tensor));
    out.reserve(size);
    JsonWriter writer(out);
    writer.begin_object();
    writer.field("model_name", answer.model->name()).field("model_version", answer.model->version());
    if (asked.id) writer.field("id", *asked.id);
    writer.key("outputs").begin_array();
    for (std::size_t i = 0; i < answer.outputs.size(); ++i) {
        const model::NamedTensor& output = answer.outputs[i];
        const WantedOutput wish = wish_of(asked, output, i);
        if (i > 0) out.push_back(',');
        JsonWriter element(out);
        const TensorView* tensor = &output.tensor;
        if (wish.classes > 0 && tensor->type != DataType::kBytes) {
            tensor = &classes.emplace_front(classify(*tensor, answer.model->config(), wish.classes)).view;
        }
        write_output(element, out, wish, *tensor);
        if (wish.binary) behind.push_back(tensor);
    }
    writer.end_array().end_object();
    made.json_bytes = out.size();
    made.binary = !behind.empty();
    for (const TensorView* tensor : behind) append_packed(out, *tensor);
    return made;
}

}  // namespace tidegate::inference
