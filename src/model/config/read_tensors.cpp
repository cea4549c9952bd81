// `input` and `output` of a config: names, types, dims, reshape.
#include <fmt/core.h>

#include "model/config/readers.h"

namespace tidegate::model::config {
namespace {

/// The products of the fixed dimensions before, between and after the free ones.
std::vector<std::uint64_t> segments(const Shape& shape) {
    std::vector<std::uint64_t> products{1};
    for (const std::int64_t dimension : shape.dimensions()) {
        if (dimension < 0) {
            products.push_back(1);
        } else {
            // Shapes whose products wrap hold more than any tensor may; the session's own shape refuses them later.
            products.back() *= static_cast<std::uint64_t>(dimension);
        }
    }
    return products;
}

void read_reshape(MapReader& tensor, TensorConfig& into) {
    const Node* node = tensor.one("reshape");
    if (node == nullptr) return;
    MapReader reshape(*node, tensor.full("reshape"), tensor.faults());
    const auto shape = reshape.shape("shape");
    reshape.finish();
    // `reshape { }` and `shape: []` both mean no dimension at all beside the batch's.
    into.reshape = shape.value_or(Shape());
    if (segments(*into.reshape) != segments(into.dims)) {
        reshape.fault("shape", fmt::format("{} does not hold as many elements as dims {}", into.reshape->text(),
                                           into.dims.text()));
    }
}

TensorConfig read_tensor(MapReader& tensor, bool is_input) {
    TensorConfig into;
    if (!tensor.text("name", into.name) || into.name.empty()) tensor.fault("name", "is missing");
    if (!tensor.has("data_type")) tensor.fault("data_type", "is missing");
    into.type = tensor.type("data_type").value_or(DataType::kFp32);
    if (!tensor.has("dims")) tensor.fault("dims", "is missing");
    into.dims = tensor.shape("dims").value_or(Shape());
    read_reshape(tensor, into);
    tensor.unsupported("is_shape_tensor");
    tensor.unsupported("is_non_linear_format_io");
    if (is_input) {
        tensor.unsupported("format", "FORMAT_NONE");
        tensor.unsupported("allow_ragged_batch");
        tensor.unsupported("optional");
    } else {
        tensor.unsupported("label_filename");
    }
    tensor.finish();
    return into;
}

std::vector<TensorConfig> read_list(MapReader& top, std::string_view name, bool is_input) {
    std::vector<TensorConfig> tensors;
    for (const Node* node : top.many(name)) {
        MapReader tensor(*node, top.full(name), top.faults());
        TensorConfig read = read_tensor(tensor, is_input);
        for (const TensorConfig& earlier : tensors) {
            if (earlier.name == read.name) tensor.fault("name", fmt::format("is given twice: `{}`", read.name));
        }
        tensors.push_back(std::move(read));
        // The comparison above is quadratic, and the largest models have a few dozen.
        if (tensors.size() > 256) {
            tensor.fault("name", "is that of one tensor too many: 256 are allowed");
            break;
        }
    }
    return tensors;
}

}  // namespace

void read_tensors(MapReader& top, ModelConfig& config) {
    config.inputs = read_list(top, "input", true);
    config.outputs = read_list(top, "output", false);
}

}  // namespace tidegate::model::config
