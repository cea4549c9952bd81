// POST /v1/models/{model}:predict, as KServe's first protocol and TensorFlow Serving have it: instances in, predictions out
#include <algorithm>
#include <array>
#include <cstring>
#include <utility>

#include "base/json_writer.h"
#include "services/inference/errand.h"
#include "services/inference/refuse.h"

namespace tidegate::inference {
namespace {

using json::Kind;
using model::DataType;
using model::Shape;
using model::TensorInfo;
using model::TensorView;
using pipeline::ContextPtr;
using pipeline::required;
using pipeline::Schema;

constexpr std::uint64_t kLoopElementsMax = 1024;

/// The sizes of nested arrays, by their first elements.
Result<Shape> nesting_of(json::Value value, std::size_t outer) {
    std::array<std::int64_t, Shape::kDimensionsMax> dimensions{};
    std::size_t depth = 0;
    while (value.kind() == Kind::kArray) {
        if (outer + depth == Shape::kDimensionsMax) return refuse("`instances` is nested too deeply");
        dimensions[depth++] = static_cast<std::int64_t>(value.size());
        std::optional<json::Value> first;
        value.each([&](json::Value item) {
            if (!first) first = item;
        });
        if (!first) break;
        value = *first;
    }
    return Shape::of({dimensions.data(), depth});
}

Shape with_rows(std::size_t rows, const Shape& row) {
    std::array<std::int64_t, Shape::kDimensionsMax> dimensions{static_cast<std::int64_t>(rows)};
    std::ranges::copy(row.dimensions(), dimensions.begin() + 1);
    return *Shape::of({dimensions.data(), row.size() + 1});
}

/// One input of all instances, a row each.
Result<TensorView> stack(const std::vector<json::Value>& rows, const TensorInfo& info, std::uint64_t body_bytes,
                         ValueStore& store) {
    auto nesting = nesting_of(rows.front(), 1);
    if (!nesting) return refuse(": " + nesting.error().message);
    Shape row_shape = *nesting;
    // A number may stand for a row of one.
    if (row_shape.size() == 0 && info.shape.size() == 2) row_shape = Shape{1};
    const Shape shape = with_rows(rows.size(), row_shape);
    TG_TRY(const std::uint64_t elements, shape.elements());
    if (elements > body_bytes) return refuse(": the instances are not all of the shape " + row_shape.text());
    TensorView whole{.type = info.type, .shape = shape, .bytes = {}, .strings = {}};
    const std::uint64_t step = rows.empty() ? 0 : elements / rows.size();
    const std::size_t size = model::element_size(info.type);
    const auto bytes = store.bytes(elements * size);
    const auto strings = store.strings(info.type == DataType::kBytes ? elements : 0);
    ValueStore scratch;
    for (std::size_t i = 0; i < rows.size(); ++i) {
        // Only for a row of one: of a longer row it would leave bytes that nobody wrote.
        const Shape one = row_shape == Shape{1} && rows[i].kind() != Kind::kArray ? Shape{} : row_shape;
        auto row = read_values(rows[i], info.type, one, body_bytes, scratch);
        if (!row) return refuse(": instance " + std::to_string(i) + row.error().message);
        if (info.type == DataType::kBytes) {
            std::ranges::copy(row->strings, strings.begin() + static_cast<std::ptrdiff_t>(i * step));
        } else if (!row->bytes.empty()) {
            std::memcpy(bytes.data() + i * step * size, row->bytes.data(), row->bytes.size());
        }
    }
    whole.bytes = bytes;
    whole.strings = strings;
    return whole;
}

/// A model without a batch dimension: the instances as a whole are its input.
Result<TensorView> whole_tensor(json::Value instances, const TensorInfo& info, std::uint64_t body_bytes,
                                ValueStore& store) {
    const auto nesting = nesting_of(instances, 0);
    if (!nesting) return refuse(": " + nesting.error().message);
    const Shape& shape = *nesting;
    return read_values(instances, info.type, shape, body_bytes, store);
}

Result<std::vector<json::Value>> rows_of(const std::vector<json::Value>& instances, const std::string& name) {
    std::vector<json::Value> rows;
    rows.reserve(instances.size());
    for (const json::Value instance : instances) {
        const auto value = instance.kind() == Kind::kObject ? instance.find(name) : std::nullopt;
        if (!value) return refuse(": instance " + std::to_string(rows.size()) + " has no member of that name");
        rows.push_back(*value);
    }
    return rows;
}

Result<void> read_instances(Errand& errand) {
    const std::string_view text = errand.context->raw_body();
    InferBody& body = errand.body;
    TG_TRY(body.document, json::parse(text));
    const json::Value root = body.document->root();
    if (root.kind() != Kind::kObject) return refuse("the request must be a JSON object");
    const auto instances = root.find("instances");
    if (!instances || instances->kind() != Kind::kArray || instances->size() == 0) {
        return refuse("`instances` must be an array with at least one element");
    }
    const auto& infos = errand.model->inputs();
    std::vector<json::Value> all;
    all.reserve(instances->size());
    instances->each([&](json::Value one) { all.push_back(one); });
    const bool named = all.front().kind() == Kind::kObject;
    if (!named && infos.size() != 1) {
        return refuse("the model has " + std::to_string(infos.size()) +
                      " inputs: each of `instances` must be an object with a member for each");
    }
    for (const TensorInfo& info : infos) {
        const auto read = [&]() -> Result<TensorView> {
            if (errand.model->config().max_batch_size == 0 && !named) {
                return whole_tensor(*instances, info, text.size(), body.store);
            }
            if (!named) return stack(all, info, text.size(), body.store);
            TG_TRY(const auto rows, rows_of(all, info.name));
            return stack(rows, info, text.size(), body.store);
        };
        auto tensor = read();
        if (!tensor) return refuse("input `" + info.name + "`" + tensor.error().message);
        body.inputs.push_back({info.name, *std::move(tensor)});
    }
    return {};
}

/// Row `row` of an output whose first dimension is the batch's.
void write_row(std::string& out, const TensorView& tensor, std::uint64_t row) {
    const auto rows = static_cast<std::uint64_t>(tensor.shape[0]);
    const std::uint64_t step = elements_of(tensor) / rows;
    TensorView one{.type = tensor.type, .shape = {}, .bytes = {}, .strings = {}};
    one.shape = *Shape::of(tensor.shape.dimensions().subspan(1));
    if (tensor.type == DataType::kBytes) {
        one.strings = tensor.strings.subspan(row * step, step);
    } else {
        const std::size_t size = model::element_size(tensor.type);
        one.bytes = tensor.bytes.subspan(row * step * size, step * size);
    }
    write_nested(out, one);
}

bool is_by_rows(const model::InferAnswer& answer) {
    if (answer.model->config().max_batch_size == 0 || answer.outputs.empty()) return false;
    return std::ranges::all_of(answer.outputs, [&](const model::NamedTensor& output) {
        return output.tensor.shape.size() > 0 && output.tensor.shape[0] > 0 &&
               output.tensor.shape[0] == answer.outputs.front().tensor.shape[0];
    });
}

std::string write_predictions(const model::InferAnswer& answer) {
    const auto& outputs = answer.outputs;
    std::string out = R"({"predictions":)";
    // Names as JSON, once.
    std::vector<std::string> names;
    for (const model::NamedTensor& output : outputs) append_json_string(names.emplace_back(), output.name);
    const auto write = [&](auto&& one) {
        if (outputs.size() == 1) return one(outputs.front().tensor);
        for (std::size_t i = 0; i < outputs.size(); ++i) {
            out += (i == 0 ? "{" : ",") + names[i] + ":";
            one(outputs[i].tensor);
        }
        out.push_back('}');
    };
    if (is_by_rows(answer)) {
        const auto rows = static_cast<std::uint64_t>(outputs.front().tensor.shape[0]);
        for (std::uint64_t row = 0; row < rows; ++row) {
            out.push_back(row == 0 ? '[' : ',');
            write([&](const TensorView& tensor) { write_row(out, tensor, row); });
        }
        out.push_back(']');
    } else {
        write([&](const TensorView& tensor) { write_nested(out, tensor); });
    }
    out += R"(,"model_name":)";
    append_json_string(out, answer.model->name());
    out += R"(,"model_version":)";
    append_json_string(out, answer.model->version());
    out.push_back('}');
    return out;
}

void send_predictions(Errand& errand, model::InferAnswer& answer) {
    std::vector<audit::Decision> decisions;
    decisions.push_back(errand.decide(answer));
    errand.context->reply_recorded(std::move(decisions), write_predictions(answer));
}

void answer_predict(Errand& errand, model::InferAnswer& answer) {
    std::uint64_t elements = 0;
    for (const model::NamedTensor& output : answer.outputs) elements += elements_of(output.tensor);
    const bool has_texts = std::ranges::any_of(
        answer.outputs, [](const model::NamedTensor& output) { return output.tensor.type == DataType::kBytes; });
    const bool small = errand.context->raw_body().size() <= kLoopBytesMax && !has_texts;
    if (small && elements <= kLoopElementsMax) return send_predictions(errand, answer);
    auto held = std::make_shared<model::InferAnswer>(std::move(answer));
    if (errand.parts.cpu.submit([self = errand.shared_from_this(), held] { send_predictions(*self, *held); })) return;
    send_predictions(errand, *held);
}

void read_and_submit_instances(Errand& errand) {
    if (auto read = read_instances(errand); !read) return errand.context->fail(read.error());
    errand.submit(answer_predict);
}

}  // namespace

void register_predict_route(std::vector<pipeline::Route>& routes, const InferenceParts& parts) {
    pipeline::Route route;
    route.method = http::Method::kPost;
    route.path = "/v1/models/{model}:predict";
    route.operation = "predict";
    route.family = "inference";
    route.summary =
        "Rows through a model: `instances` in, `predictions` out, as KServe v1 and TensorFlow Serving have it.";
    route.path_parameters = {{.name = "model", .schema = Schema::string()}};
    route.response = Schema::object({
        required("predictions", Schema::array(Schema::any())),
        required("model_name", Schema::string()),
        required("model_version", Schema::string()),
    });
    route.spend_points = Points::whole(1);
    route.scopes = {"inference:infer"};
    route.errors = pipeline::ErrorShape::kInference;
    route.body_bytes_max = parts.settings.body_bytes_max;
    route.raw_body = true;
    route.raw_type = "application/json";
    route.raw_example = R"({"instances":[[1,2,3,4]]})";
    route.handler = [parts](const ContextPtr& context) {
        auto model = find_model(parts, context->path_parameter("model"));
        if (!model) return context->fail(model.error());
        const auto errand = Errand::begin(parts, context, "predict/tensor");
        errand->model = *std::move(model);
        errand->run(context->raw_body().size() <= kLoopBytesMax, read_and_submit_instances);
    };
    routes.push_back(std::move(route));
}

}  // namespace tidegate::inference
