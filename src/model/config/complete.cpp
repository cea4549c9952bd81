// complete(): a config against the session it is for.
#include <fmt/core.h>

#include <algorithm>

#include "base/strings.h"
#include "model/model_config.h"

namespace tidegate::model {
namespace {

std::unexpected<Error> misfit(std::string message) {
    return fail(ErrorCode::kInvalidArgument, std::move(message));
}

Shape without_first(const Shape& shape) {
    auto rest = Shape::of(shape.dimensions().subspan(1));
    return rest ? *rest : Shape();
}

Shape with_first(std::int64_t first, const Shape& shape) {
    Shape whole{first};
    std::vector<std::int64_t> dimensions{first};
    dimensions.insert(dimensions.end(), shape.dimensions().begin(), shape.dimensions().end());
    const auto made = Shape::of(dimensions);
    return made ? *made : whole;
}

bool leads_with_free(std::span<const TensorInfo> tensors) {
    return std::ranges::all_of(tensors, [](const TensorInfo& t) { return t.shape.size() > 0 && t.shape[0] == -1; });
}

const TensorInfo* find_info(std::span<const TensorInfo> infos, std::string_view name) {
    const auto found = std::ranges::find(infos, name, &TensorInfo::name);
    return found == infos.end() ? nullptr : &*found;
}

/// What the session sees of a tensor, without the batch.
const Shape& inner(const TensorConfig& tensor) {
    return tensor.reshape ? *tensor.reshape : tensor.dims;
}

/// Bytes of one row, all inputs together; nothing where a request chooses dimensions.
std::optional<std::uint64_t> row_bytes(std::span<const TensorInfo> inputs) {
    std::uint64_t bytes = 0;
    for (const TensorInfo& input : inputs) {
        const auto elements = without_first(input.shape).elements();
        if (!elements) return std::nullopt;
        // A text's length is its own; 16 bytes is a word.
        const std::size_t size = input.type == DataType::kBytes ? 16 : element_size(input.type);
        if (*elements > kTableRowBytesMax) return *elements;
        bytes += *elements * size;
    }
    return bytes;
}

/// Without a word of the config: a first dimension that is free everywhere is the batch's.
std::uint32_t derived_batch(const ModelConfig& config, std::span<const TensorInfo> inputs,
                            std::span<const TensorInfo> outputs, const ConfigDefaults& defaults) {
    if (inputs.empty() || !leads_with_free(inputs) || !leads_with_free(outputs)) return 0;
    for (const TensorConfig& given : config.inputs) {
        // Whole shapes in the config say that the model has no batch.
        const TensorInfo* info = find_info(inputs, given.name);
        if (info != nullptr && inner(given).size() == info->shape.size()) return 0;
    }
    const auto bytes = row_bytes(inputs);
    return bytes && *bytes <= kTableRowBytesMax ? defaults.table_rows_max : defaults.rows_max;
}

Result<void> check_batch(std::uint32_t rows, std::string_view what, std::span<const TensorInfo> infos) {
    for (const TensorInfo& info : infos) {
        if (info.shape.size() > 0 && info.shape[0] == -1) continue;
        return misfit(fmt::format("max_batch_size is {}, but the first dimension of the model's {} `{}` {} is not free",
                                  rows, what, info.name, info.shape.text()));
    }
    return {};
}

/// A config may narrow what the model leaves free, and nothing else.
bool narrows(const Shape& config, const Shape& declared) {
    if (config.size() != declared.size()) return false;
    for (std::size_t i = 0; i < config.size(); ++i) {
        if (declared[i] != -1 && config[i] != declared[i]) return false;
    }
    return true;
}

Result<void> check_tensor(const TensorConfig& given, const TensorInfo& info, std::string_view what, bool batches) {
    if (given.type != info.type) {
        return misfit(fmt::format("{} `{}` is {} in the config and {} in the model", what, given.name,
                                  to_string(given.type), to_string(info.type)));
    }
    const Shape declared = batches ? without_first(info.shape) : info.shape;
    if (narrows(inner(given), declared)) return {};
    return misfit(fmt::format("{} `{}` has {} {} in the config, and the model takes {}{}", what, given.name,
                              given.reshape ? "the reshape" : "dims", inner(given).text(), declared.text(),
                              batches ? " for each row" : ""));
}

/// In the session's order, those that the config left out as the session declares them.
Result<std::vector<TensorConfig>> merge_tensors(std::vector<TensorConfig> given, std::span<const TensorInfo> infos,
                                                std::string_view what, bool batches) {
    for (const TensorConfig& tensor : given) {
        if (find_info(infos, tensor.name) != nullptr) continue;
        std::string names;
        for (const TensorInfo& info : infos) names += fmt::format("{}`{}`", names.empty() ? "" : ", ", info.name);
        return misfit(fmt::format("the model has no {} `{}`; it has {}", what, tensor.name, names));
    }
    std::vector<TensorConfig> merged;
    for (const TensorInfo& info : infos) {
        const auto found = std::ranges::find(given, info.name, &TensorConfig::name);
        if (found == given.end()) {
            merged.push_back({.name = info.name,
                              .type = info.type,
                              .dims = batches ? without_first(info.shape) : info.shape,
                              .reshape = std::nullopt});
            continue;
        }
        TG_CHECK(check_tensor(*found, info, what, batches));
        merged.push_back(std::move(*found));
    }
    return merged;
}

Result<void> check_scheduling(const ModelConfig& config) {
    const bool batches = config.max_batch_size > 0;
    if (config.dynamic_batching_given && config.merges && !batches) {
        return misfit(
            "dynamic_batching needs a batch: max_batch_size is 0, or the model's first dimension is not free");
    }
    if (!config.preferred_batch_sizes.empty() && config.preferred_batch_sizes.back() > config.max_batch_size) {
        return misfit(fmt::format("preferred_batch_size {} is above max_batch_size {}",
                                  config.preferred_batch_sizes.back(), config.max_batch_size));
    }
    if (config.preserve_ordering && (config.instances > 1 || config.priority_levels > 1 || config.tokens_max > 0)) {
        return misfit("preserve_ordering needs one instance, one priority level and no tokens_max");
    }
    return {};
}

Result<void> check_sample(const ModelConfig& config, const WarmupSample& sample) {
    if (sample.batch_size > std::max(config.max_batch_size, 1U)) {
        return misfit(fmt::format("model_warmup `{}`: batch_size {} is above max_batch_size {}", sample.name,
                                  sample.batch_size, config.max_batch_size));
    }
    for (const TensorConfig& tensor : config.inputs) {
        const auto count = std::ranges::count(sample.inputs, tensor.name, &WarmupInput::name);
        if (count != 1) {
            return misfit(fmt::format("model_warmup `{}`: input `{}` is {}", sample.name, tensor.name,
                                      count == 0 ? "missing" : "given twice"));
        }
        const WarmupInput& input = *std::ranges::find(sample.inputs, tensor.name, &WarmupInput::name);
        if (input.type != tensor.type || !tensor.dims.takes(input.dims)) {
            return misfit(fmt::format("model_warmup `{}`: input `{}` is {} {}, and the model takes {} {}", sample.name,
                                      tensor.name, to_string(input.type), input.dims.text(), to_string(tensor.type),
                                      tensor.dims.text()));
        }
        const auto elements = input.dims.elements();
        const std::size_t values = input.type == DataType::kBytes ? input.texts.size() : input.numbers.size();
        if (input.kind == WarmupInput::Kind::kValues && elements && values != *elements) {
            return misfit(fmt::format("model_warmup `{}`: input `{}` has {} values for dims {}", sample.name,
                                      tensor.name, values, input.dims.text()));
        }
    }
    if (sample.inputs.size() != config.inputs.size()) {
        return misfit(fmt::format("model_warmup `{}`: names an input that the model does not have", sample.name));
    }
    return {};
}

bool is_sequence(const TensorConfig& tensor) {
    return tensor.dims.size() > 0 && tensor.dims[0] == -1;
}

Result<void> complete_text(ModelConfig& config) {
    TextConfig& text = config.text;
    const bool masked = std::ranges::find(config.inputs, "attention_mask", &TensorConfig::name) != config.inputs.end();
    for (const auto& [name, value] : text.padding) {
        const auto found = std::ranges::find(config.inputs, name, &TensorConfig::name);
        if (found == config.inputs.end()) return misfit(fmt::format("padding: the model has no input `{}`", name));
        if (!is_sequence(*found) || config.max_batch_size == 0) {
            return misfit(fmt::format("padding: input `{}` has no dimension of free length beside the batch's", name));
        }
    }
    if (text.padding.empty() && text.task != Task::kNone && masked && config.max_batch_size > 0) {
        for (const TensorConfig& input : config.inputs) {
            if (is_sequence(input)) text.padding.emplace(input.name, 0);
        }
    }
    if (config.tokens_max > 0 && (config.max_batch_size == 0 || std::ranges::none_of(config.inputs, is_sequence))) {
        return misfit("tokens_max: no input has a dimension of free length beside the batch's");
    }
    if (!text.output.empty() &&
        std::ranges::find(config.outputs, text.output, &TensorConfig::name) == config.outputs.end()) {
        return misfit(fmt::format("text_output: the model has no output `{}`", text.output));
    }
    return {};
}

/// `from` without its batch, where `to` puts other dimensions in place of `of`: free ones keep their order and value.
/// kFailedValidation where the two would not hold equally many elements: nothing may read past what is there.
Result<Shape> reshaped(const ModelConfig& config, const Shape& given, const Shape& of, const Shape& to) {
    const std::size_t lead = config.max_batch_size > 0 ? 1 : 0;
    if (given.size() != of.size() + lead) {
        return misfit(fmt::format("reshape: {} has not the dimensions of {}", given.text(), of.text()));
    }
    std::vector<std::int64_t> dimensions;
    if (lead == 1) dimensions.push_back(given[0]);
    std::size_t at = 0;
    for (const std::int64_t dimension : to.dimensions()) {
        if (dimension != -1) {
            dimensions.push_back(dimension);
            continue;
        }
        while (at < of.size() && of[at] != -1) ++at;
        dimensions.push_back(at < of.size() ? given[lead + at] : -1);
        ++at;
    }
    TG_TRY(const Shape shape, Shape::of(dimensions));
    const auto before = given.elements();
    const auto after = shape.elements();
    if (!before || !after || *before != *after) {
        return misfit(fmt::format("reshape: {} and {} do not hold equally many elements", given.text(), shape.text()));
    }
    return shape;
}

}  // namespace

Result<void> complete(ModelConfig& config, std::span<const TensorInfo> inputs, std::span<const TensorInfo> outputs,
                      const ConfigDefaults& defaults) {
    if (!config.max_batch_size_given) {
        config.max_batch_size = derived_batch(config, inputs, outputs, defaults);
        if (!config.dynamic_batching_given) config.merges = config.max_batch_size > 0;
    }
    const bool batches = config.max_batch_size > 0;
    if (batches) {
        TG_CHECK(check_batch(config.max_batch_size, "input", inputs));
        TG_CHECK(check_batch(config.max_batch_size, "output", outputs));
    }
    TG_TRY(config.inputs, merge_tensors(std::move(config.inputs), inputs, "input", batches));
    TG_TRY(config.outputs, merge_tensors(std::move(config.outputs), outputs, "output", batches));
    TG_CHECK(check_scheduling(config));
    for (const WarmupSample& sample : config.warmup) TG_CHECK(check_sample(config, sample));
    return complete_text(config);
}

TensorInfo client_info(const ModelConfig& config, const TensorConfig& tensor) {
    return {.name = tensor.name,
            .type = tensor.type,
            .shape = config.max_batch_size > 0 ? with_first(-1, tensor.dims) : tensor.dims};
}

Result<Shape> session_shape(const ModelConfig& config, const TensorConfig& tensor, const Shape& given) {
    if (!tensor.reshape) return given;
    return reshaped(config, given, tensor.dims, *tensor.reshape);
}

Result<Shape> client_shape(const ModelConfig& config, const TensorConfig& tensor, const Shape& given) {
    if (!tensor.reshape) return given;
    return reshaped(config, given, *tensor.reshape, tensor.dims);
}

}  // namespace tidegate::model
