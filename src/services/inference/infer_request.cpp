#include "services/inference/infer_request.h"

#include <algorithm>
#include <array>
#include <limits>

#include "services/inference/refuse.h"

namespace tidegate::inference {
namespace {

using json::Kind;
using model::DataType;
using model::Shape;
using model::TensorView;

/// A name as it may stand in a message.
std::string quoted(std::string_view kind, std::string_view name) {
    constexpr std::size_t kShown = 64;
    return std::string(kind) + " `" + std::string(name.substr(0, kShown)) + "`";
}

std::span<const std::byte> as_bytes(std::string_view text) {
    return {reinterpret_cast<const std::byte*>(text.data()), text.size()};
}

/// The `parameters` of one object, found once: each look-up walks the members before it.
class Parameters {
  public:
    static Result<Parameters> of(json::Value object) {
        const auto parameters = object.find("parameters");
        if (!parameters || parameters->kind() == Kind::kNull) return Parameters();
        if (parameters->kind() != Kind::kObject) return refuse("`parameters` must be an object");
        return Parameters(*parameters);
    }
    std::optional<json::Value> find(std::string_view name) const { return all_ ? all_->find(name) : std::nullopt; }

    Result<bool> flag(std::string_view name, bool otherwise) const {
        const auto value = find(name);
        if (!value) return otherwise;
        if (value->kind() != Kind::kBool) {
            return refuse("the parameter `" + std::string(name) + "` must be true or false");
        }
        return value->as_bool();
    }
    Result<std::optional<std::uint64_t>> number(std::string_view name, std::uint64_t most) const {
        const auto value = find(name);
        if (!value) return std::nullopt;
        const bool fits = value->is_integer() && (value->kind() == Kind::kUnsigned || value->as_int() >= 0);
        if (!fits || value->as_unsigned() > most) {
            return refuse("the parameter `" + std::string(name) + "` must be an integer from 0 to " +
                          std::to_string(most));
        }
        return value->as_unsigned();
    }
    /// What would change the answer and is not offered.
    Result<void> check_unsupported(std::initializer_list<std::string_view> names, std::string_view what) const {
        if (!all_) return {};
        for (const std::string_view name : names) {
            if (all_->find(name)) {
                return refuse("the parameter `" + std::string(name) + "`: " + std::string(what) + " not offered");
            }
        }
        return {};
    }
    Result<void> check_shared_memory() const {
        return check_unsupported({"shared_memory_region", "shared_memory_offset", "shared_memory_byte_size"},
                                 "shared memory is");
    }

  private:
    Parameters() = default;
    explicit Parameters(json::Value all) : all_(all) {}
    std::optional<json::Value> all_;
};

Result<std::string_view> name_of(json::Value of, std::string_view kind, std::size_t index) {
    const auto name = of.find("name");
    if (name && name->kind() == Kind::kString && !name->as_string().empty()) return name->as_string();
    return refuse(std::string(kind) + " " + std::to_string(index) + " has no `name`");
}

Result<Shape> read_shape(json::Value input) {
    const auto shape = input.find("shape");
    if (!shape || shape->kind() != Kind::kArray) return refuse(": `shape` must be an array of integers");
    std::array<std::int64_t, Shape::kDimensionsMax> dimensions{};
    if (shape->size() > dimensions.size()) {
        return refuse(": `shape` has more than " + std::to_string(dimensions.size()) + " dimensions");
    }
    std::size_t count = 0;
    bool fits = true;
    shape->each([&](json::Value dimension) {
        fits = fits && dimension.kind() == Kind::kInteger && dimension.as_int() >= 0;
        if (fits) dimensions[count++] = dimension.as_int();
    });
    if (!fits) return refuse(": every dimension of `shape` must be an integer that is not negative");
    return Shape::of({dimensions.data(), count});
}

/// A bool of any other byte is none to the compiled kernels: they add such bytes up where they count, and then give out memory that
/// nobody wrote.
Result<void> check_bools(DataType type, std::span<const std::byte> bytes) {
    if (type != DataType::kBool) return {};
    if (std::ranges::all_of(bytes, [](std::byte one) { return one <= std::byte{1}; })) return {};
    return refuse(": the bytes of BOOL must be 0 or 1");
}

/// Where the binary tensors are taken from, one behind the other.
struct Rest {
    std::span<const std::byte> bytes;
    bool allowed = false;  // Inference-Header-Content-Length was sent.
};

Result<TensorView> read_binary(DataType type, const Shape& shape, std::uint64_t size, Rest& rest, ValueStore& store) {
    if (!rest.allowed) return refuse(": `binary_data_size` needs the field Inference-Header-Content-Length");
    if (size > rest.bytes.size()) {
        return refuse(": `binary_data_size` is " + std::to_string(size) + ", " + std::to_string(rest.bytes.size()) +
                      " bytes are left of the body");
    }
    TG_TRY(const std::uint64_t elements, shape.elements());
    TensorView view{.type = type, .shape = shape, .bytes = {}, .strings = {}};
    const auto bytes = rest.bytes.first(size);
    if (type == DataType::kBytes) {
        TG_TRY(const auto strings, unpack_strings(bytes, elements));
        if (strings.size() != elements) {
            return refuse(": shape " + shape.text() + " has " + std::to_string(elements) +
                          " elements, the bytes hold " + std::to_string(strings.size()));
        }
        const auto kept = store.strings(strings.size());
        std::ranges::copy(strings, kept.begin());
        view.strings = kept;
    } else {
        const std::uint64_t wanted = elements * model::element_size(type);  // At most 2^51: no overflow.
        if (size != wanted) {
            return refuse(": shape " + shape.text() + " of " + std::string(to_string(type)) + " has " +
                          std::to_string(wanted) + " bytes, `binary_data_size` is " + std::to_string(size));
        }
        TG_CHECK(check_bools(type, bytes));
        view.bytes = bytes;
    }
    rest.bytes = rest.bytes.subspan(size);
    return view;
}

Result<TensorView> read_tensor(json::Value input, std::uint64_t json_bytes, Rest& rest, ValueStore& store) {
    const auto type_name = input.find("datatype");
    if (!type_name || type_name->kind() != Kind::kString) return refuse(": `datatype` must be a text");
    const auto type = model::data_type_of(type_name->as_string());
    if (!type) return refuse(": `datatype` is not one of the protocol's");
    TG_TRY(const Shape shape, read_shape(input));
    if (auto fits = shape.elements(); !fits) return refuse(": " + fits.error().message);
    const auto parameters = Parameters::of(input);
    if (!parameters) return refuse(": " + parameters.error().message);
    if (auto shared = parameters->check_shared_memory(); !shared) return refuse(": " + shared.error().message);
    const auto size = parameters->number("binary_data_size", std::numeric_limits<std::int64_t>::max());
    if (!size) return refuse(": " + size.error().message);
    const auto data = input.find("data");
    if (*size) {
        if (data) return refuse(" has `data` and `binary_data_size`; one of them");
        return read_binary(*type, shape, **size, rest, store);
    }
    if (!data) return refuse(" has neither `data` nor `binary_data_size`");
    return read_values(*data, *type, shape, json_bytes, store);
}

Result<void> read_inputs(json::Value root, std::uint64_t json_bytes, Rest& rest, InferBody& made) {
    const auto inputs = root.find("inputs");
    if (!inputs || inputs->kind() != Kind::kArray) return refuse("`inputs` must be an array");
    if (inputs->size() > kTensorsMax)
        return refuse("`inputs` has more than " + std::to_string(kTensorsMax) + " elements");
    made.inputs.reserve(inputs->size());
    Result<void> outcome;
    inputs->each([&](json::Value input) {
        if (!outcome) return;
        outcome = [&]() -> Result<void> {
            if (input.kind() != Kind::kObject) return refuse("each of `inputs` must be an object");
            TG_TRY(const std::string_view name, name_of(input, "input", made.inputs.size()));
            auto tensor = read_tensor(input, json_bytes, rest, made.store);
            if (!tensor) return refuse(quoted("input", name) + tensor.error().message);
            made.inputs.push_back({name, *std::move(tensor)});
            return {};
        }();
    });
    return outcome;
}

Result<void> read_outputs(json::Value root, InferBody& made) {
    const auto outputs = root.find("outputs");
    if (!outputs || outputs->kind() == Kind::kNull) return {};
    if (outputs->kind() != Kind::kArray) return refuse("`outputs` must be an array");
    if (outputs->size() > kTensorsMax) {
        return refuse("`outputs` has more than " + std::to_string(kTensorsMax) + " elements");
    }
    Result<void> outcome;
    outputs->each([&](json::Value output) {
        if (!outcome) return;
        outcome = [&]() -> Result<void> {
            if (output.kind() != Kind::kObject) return refuse("each of `outputs` must be an object");
            TG_TRY(const std::string_view name, name_of(output, "output", made.outputs.size()));
            TG_TRY(const Parameters parameters, Parameters::of(output));
            TG_CHECK(parameters.check_shared_memory());
            TG_TRY(const bool binary, parameters.flag("binary_data", made.binary_output));
            TG_TRY(const auto classes, parameters.number("classification", std::numeric_limits<std::uint32_t>::max()));
            made.outputs.push_back({name, binary, static_cast<std::uint32_t>(classes.value_or(0))});
            return {};
        }();
    });
    return outcome;
}

Result<void> read_parameters(json::Value root, InferBody& made) {
    TG_TRY(const Parameters parameters, Parameters::of(root));
    TG_CHECK(
        parameters.check_unsupported({"sequence_id", "sequence_start", "sequence_end"}, "sequences of requests are"));
    TG_TRY(made.binary_output, parameters.flag("binary_data_output", false));
    TG_TRY(const auto priority, parameters.number("priority", std::numeric_limits<std::uint32_t>::max()));
    TG_TRY(const auto timeout, parameters.number("timeout", std::numeric_limits<std::int64_t>::max()));
    made.priority = static_cast<std::uint32_t>(priority.value_or(0));
    made.timeout_us = timeout.value_or(0);
    return {};
}

}  // namespace

Result<InferBody> read_infer(std::string_view body, std::optional<std::uint64_t> json_bytes, std::size_t depth_max) {
    if (json_bytes && *json_bytes > body.size()) {
        return refuse("Inference-Header-Content-Length is " + std::to_string(*json_bytes) + ", the body has " +
                      std::to_string(body.size()) + " bytes");
    }
    const std::uint64_t size = json_bytes.value_or(body.size());
    InferBody made;
    TG_TRY(made.document, json::parse(body.substr(0, size), {.depth_max = depth_max}));
    const json::Value root = made.document->root();
    if (root.kind() != Kind::kObject) return refuse("the request must be a JSON object");
    if (const auto id = root.find("id"); id && id->kind() != Kind::kNull) {
        if (id->kind() != Kind::kString) return refuse("`id` must be a text");
        made.id = id->as_string();
    }
    TG_CHECK(read_parameters(root, made));
    Rest rest{.bytes = as_bytes(body.substr(size)), .allowed = json_bytes.has_value()};
    TG_CHECK(read_inputs(root, size, rest, made));
    TG_CHECK(read_outputs(root, made));
    if (!rest.bytes.empty()) {
        return refuse("the body has " + std::to_string(rest.bytes.size()) +
                      " bytes behind the JSON that no `binary_data_size` speaks of");
    }
    return made;
}

Result<InferBody> read_raw(std::string_view body, const model::Model& model) {
    if (model.inputs().size() != 1) {
        return refuse("a body without JSON is for a model with one input; this one has " +
                      std::to_string(model.inputs().size()));
    }
    const model::TensorInfo& info = model.inputs().front();
    InferBody made;
    made.binary_output = true;
    TensorView view{.type = info.type, .shape = info.shape, .bytes = {}, .strings = {}};
    std::size_t first = 0;
    if (model.config().max_batch_size > 0 && view.shape.size() > 0) {
        view.shape.set(0, 1);
        first = 1;
    }
    std::uint64_t known = 1;
    std::optional<std::size_t> free;
    for (std::size_t i = first; i < view.shape.size(); ++i) {
        if (view.shape[i] >= 0) {
            known *= static_cast<std::uint64_t>(view.shape[i]);
        } else if (!std::exchange(free, i)) {
            continue;
        } else {
            return refuse("a body without JSON says no shape, and the model's has more than one free dimension");
        }
    }
    const std::string what = quoted("input", info.name);
    std::uint64_t elements = 0;
    if (info.type == DataType::kBytes) {
        // One element: the body itself, as Triton takes it.
        const auto kept = made.store.strings(1);
        kept[0] = body;
        view.strings = kept;
        elements = 1;
    } else {
        const std::size_t size = model::element_size(info.type);
        if (body.size() % size != 0) return refuse(what + ": the body is no whole number of elements");
        view.bytes = as_bytes(body);
        if (auto bools = check_bools(info.type, view.bytes); !bools) return refuse(what + bools.error().message);
        elements = body.size() / size;
    }
    if (free && known > 0 && elements % known == 0) view.shape.set(*free, static_cast<std::int64_t>(elements / known));
    const auto wanted = view.shape.elements();
    if (!wanted || *wanted != elements) {
        return refuse(what + ": shape " + info.shape.text() + " does not fit a body of " + std::to_string(elements) +
                      " elements");
    }
    made.inputs.push_back({info.name, view});
    return made;
}

}  // namespace tidegate::inference
