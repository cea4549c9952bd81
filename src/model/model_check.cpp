// Model::check(): a request against what the model declares. Nothing of a tensor's bytes is looked at but their number.
#include <fmt/core.h>

#include <algorithm>

#include "model/model_state.h"
#include "model/shown.h"

namespace tidegate::model {
namespace {

std::unexpected<Error> refuse(std::string message) {
    return fail(ErrorCode::kInvalidArgument, std::move(message));
}

std::string names_of(const std::vector<TensorInfo>& infos) {
    std::string names;
    for (const TensorInfo& info : infos) names += fmt::format("{}`{}`", names.empty() ? "" : ", ", info.name);
    return names;
}

std::size_t place_of(const std::vector<TensorInfo>& infos, std::string_view name) {
    const auto found = std::ranges::find(infos, name, &TensorInfo::name);
    return static_cast<std::size_t>(found - infos.begin());
}

Result<void> check_shape(const TensorInfo& info, const TensorView& given) {
    for (const std::int64_t dimension : given.shape.dimensions()) {
        if (dimension >= 1) continue;
        return refuse(fmt::format("input `{}`: shape {} has a dimension below 1", info.name, given.shape.text()));
    }
    if (!info.shape.takes(given.shape)) {
        return refuse(
            fmt::format("input `{}`: shape {} does not fit {}", info.name, given.shape.text(), info.shape.text()));
    }
    return {};
}

Result<void> check_size(const TensorInfo& info, const TensorView& given) {
    const auto elements = given.shape.elements();
    if (!elements) return refuse(fmt::format("input `{}`: {}", info.name, elements.error().message));
    if (info.type == DataType::kBytes) {
        if (given.strings.size() == *elements) return {};
        return refuse(fmt::format("input `{}`: {} elements for shape {}, which has {}", info.name, given.strings.size(),
                                  given.shape.text(), *elements));
    }
    // elements() ends at 2^48 and an element at 8 bytes: no overflow.
    const std::uint64_t bytes = *elements * element_size(info.type);
    if (given.bytes.size() == bytes) return {};
    return refuse(fmt::format("input `{}`: {} bytes for shape {} of {}, which has {}", info.name, given.bytes.size(),
                              given.shape.text(), to_string(info.type), bytes));
}

Result<void> check_tensor(const TensorInfo& info, const TensorView& given) {
    if (given.type != info.type) {
        return refuse(
            fmt::format("input `{}` must be {}, not {}", info.name, to_string(info.type), to_string(given.type)));
    }
    TG_CHECK(check_shape(info, given));
    return check_size(info, given);
}

}  // namespace

Result<CheckedRequest> Model::check(const InferRequest& request) const {
    const State& state = *state_;
    const ModelConfig& config = state.config;
    CheckedRequest checked;
    checked.inputs.resize(state.inputs.size());
    std::vector<bool> seen(state.inputs.size());
    for (const NamedTensor& given : request.inputs) {
        const std::size_t place = place_of(state.inputs, given.name);
        if (place == state.inputs.size()) {
            return refuse(
                fmt::format("there is no input `{}`; the model takes {}", shown(given.name), names_of(state.inputs)));
        }
        if (seen[place]) return refuse(fmt::format("input `{}` is given twice", state.inputs[place].name));
        seen[place] = true;
        TG_CHECK(check_tensor(state.inputs[place], given.tensor));
        checked.inputs[place] = given.tensor;
    }
    for (std::size_t i = 0; i < seen.size(); ++i) {
        if (!seen[i]) return refuse(fmt::format("input `{}` is missing", state.inputs[i].name));
    }
    TG_CHECK(check_rows(checked));
    for (std::size_t i = 0; i < checked.inputs.size(); ++i) {
        if (config.text.padding.contains(config.inputs[i].name)) {
            checked.tokens = std::max(checked.tokens, static_cast<std::uint32_t>(checked.inputs[i].shape[1]));
        }
        auto shape = session_shape(config, config.inputs[i], checked.inputs[i].shape);
        if (!shape) return refuse(fmt::format("input `{}`: {}", state.inputs[i].name, shape.error().message));
        checked.inputs[i].shape = *shape;
    }
    if (request.tokens > 0) checked.tokens = request.tokens;
    TG_CHECK(check_outputs(request, checked));
    return checked;
}

Result<void> Model::check_rows(CheckedRequest& checked) const {
    const ModelConfig& config = state_->config;
    if (config.max_batch_size == 0 || checked.inputs.empty()) return {};
    const std::int64_t rows = checked.inputs.front().shape[0];
    for (std::size_t i = 1; i < checked.inputs.size(); ++i) {
        if (checked.inputs[i].shape[0] == rows) continue;
        return refuse(fmt::format("input `{}` has {} rows, and `{}` has {}", state_->inputs[i].name,
                                  checked.inputs[i].shape[0], state_->inputs[0].name, rows));
    }
    // A request that shares its passes may take several of them; one that has its own may not.
    constexpr std::int64_t kRowsInTurnMax = 1LL << 24U;
    const std::int64_t rows_max = config.merges ? kRowsInTurnMax : static_cast<std::int64_t>(config.max_batch_size);
    if (rows > rows_max) {
        return refuse(
            fmt::format("input `{}` has {} rows, and a request may have {}", state_->inputs[0].name, rows, rows_max));
    }
    checked.rows = static_cast<std::uint32_t>(rows);
    return {};
}

Result<void> Model::check_outputs(const InferRequest& request, CheckedRequest& checked) const {
    const std::vector<TensorInfo>& outputs = state_->outputs;
    if (request.outputs.empty()) {
        for (std::uint32_t i = 0; i < outputs.size(); ++i) checked.wanted.push_back(i);
        return {};
    }
    for (const std::string_view name : request.outputs) {
        const std::size_t place = place_of(outputs, name);
        if (place == outputs.size()) {
            return refuse(fmt::format("there is no output `{}`; the model gives {}", shown(name), names_of(outputs)));
        }
        const auto index = static_cast<std::uint32_t>(place);
        if (std::ranges::find(checked.wanted, index) != checked.wanted.end()) {
            return refuse(fmt::format("output `{}` is asked for twice", outputs[place].name));
        }
        checked.wanted.push_back(index);
    }
    return {};
}

}  // namespace tidegate::model
