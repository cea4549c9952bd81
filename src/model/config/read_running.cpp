// Where and with how much a model runs: instances, devices, threads, parameters of the backend.
#include <fmt/core.h>

#include "base/strings.h"
#include "model/config/readers.h"

namespace tidegate::model::config {
namespace {

constexpr unsigned kInstancesMax = 256;
constexpr unsigned kThreadsMax = 1024;
constexpr int kDevicesMax = 1024;

/// One group; `first` is null for the first of them.
void read_group(MapReader& group, const ModelConfig* first, ModelConfig& config) {
    std::string name;
    group.text("name", name);  // For people; nothing here is called by it.
    constexpr std::array<DeviceChoice, 4> kMeans{DeviceChoice::kDefault, DeviceChoice::kCuda, DeviceChoice::kCpu,
                                                 DeviceChoice::kDefault};
    config.device = kMeans.at(group.word("kind", {"KIND_AUTO", "KIND_GPU", "KIND_CPU", "KIND_MODEL"}).value_or(0));
    config.instances = 1;
    group.integer<unsigned>("count", config.instances, 1, kInstancesMax);
    const auto gpus = group.integers("gpus", 0, kDevicesMax);
    if (!gpus.empty() && config.device == DeviceChoice::kCpu) group.fault("gpus", "are named in a group of KIND_CPU");
    if (gpus.size() > 1) group.fault("gpus", "names several: one a model is supported");
    if (!gpus.empty()) {
        config.device = DeviceChoice::kCuda;
        config.device_index = static_cast<int>(gpus.front());
    }
    if (first != nullptr && (config.device != first->device || config.device_index != first->device_index)) {
        group.fault("kind", "differs between groups: one device a model is supported");
    }
    for (const std::string_view word : {"rate_limiter", "secondary_devices", "profile", "passive", "host_policy"}) {
        group.unsupported(word);
    }
    group.finish();
}

void read_groups(MapReader& top, ModelConfig& config) {
    unsigned instances = 0;
    bool is_first = true;
    ModelConfig first;
    for (const Node* node : top.many("instance_group")) {
        MapReader group(*node, "instance_group", top.faults());
        read_group(group, is_first ? nullptr : &first, config);
        if (is_first) first = config;
        is_first = false;
        instances += config.instances;
        if (instances > kInstancesMax) {
            group.fault("count", fmt::format("makes more than {} instances in all", kInstancesMax));
            return;
        }
    }
    if (!is_first) config.instances = instances;
}

void read_optimization(MapReader& top, ModelConfig& config) {
    const Node* node = top.one("optimization");
    if (node == nullptr) return;
    MapReader optimization(*node, "optimization", top.faults());
    if (const Node* inner = optimization.one("graph")) {
        MapReader graph(*inner, "optimization.graph", top.faults());
        int level = 0;
        // As Triton's ONNX Runtime backend reads it: 0 all, -1 basic, 1 extended, 2 none.
        constexpr std::array<std::string_view, 4> kLevels{"basic", "all", "extended", "disable"};
        if (graph.integer<int>("level", level, -1, 2)) {
            config.graph_level = level;
            config.backend_options["graph_optimization_level"] = kLevels.at(static_cast<std::size_t>(level) + 1);
        }
        graph.finish();
    }
    optimization.unsupported("priority", "PRIORITY_DEFAULT");
    for (const std::string_view word : {"cuda", "execution_accelerators", "input_pinned_memory", "output_pinned_memory",
                                        "gather_kernel_buffer_threshold", "eager_batching"}) {
        optimization.unsupported(word);
    }
    optimization.finish();
}

/// The parameter's text: `{string_value: "x"}`, or (ours) the text itself.
std::optional<std::string> parameter_value(const Node& node, const std::string& path, bool ours, Faults& faults) {
    if (ours && node.kind == Node::Kind::kScalar) return node.text;
    MapReader value(node, path, faults);
    std::string text;
    if (!value.text("string_value", text)) value.fault("string_value", "is missing");
    value.finish();
    return text;
}

void take_parameter(MapReader& top, const std::string& name, const std::string& value, ModelConfig& config) {
    if (!config.parameters.emplace(name, value).second) {
        top.fault("parameters", fmt::format("has `{}` twice", name));
    }
    const bool intra = name == "intra_op_thread_count";
    if (!intra && name != "inter_op_thread_count") {
        if (!config.backend_options.emplace(name, value).second) {
            top.fault("parameters", fmt::format("and optimization both set `{}`", name));
        }
        return;
    }
    const auto threads = parse_u64(value);
    if (!threads || *threads > kThreadsMax) {
        top.fault("parameters", fmt::format("`{}` takes a whole number from 0 to {}", name, kThreadsMax));
    } else if (*threads > 0) {
        // 0 leaves it to the server, there as here.
        (intra ? config.intra_op_threads : config.inter_op_threads) = static_cast<unsigned>(*threads);
    }
}

/// Protobuf text repeats `{key value}`; YAML and JSON have a map.
void read_parameters(MapReader& top, bool ours, ModelConfig& config) {
    for (const Node* node : top.many("parameters")) {
        if (ours) {
            for (const Member& member : node->members) {
                const auto value =
                    parameter_value(member.value, top.full("parameters." + member.name), true, top.faults());
                if (value) take_parameter(top, member.name, *value, config);
            }
            if (node->kind != Node::Kind::kMap) top.fault("parameters", "takes a map");
            continue;
        }
        MapReader entry(*node, "parameters", top.faults());
        std::string name;
        if (!entry.text("key", name) || name.empty()) entry.fault("key", "is missing");
        const Node* value = entry.one("value");
        if (value == nullptr) {
            entry.fault("value", "is missing");
        } else if (const auto text = parameter_value(*value, "parameters.value", false, top.faults())) {
            take_parameter(top, name, *text, config);
        }
        entry.finish();
    }
}

void read_own_device(MapReader& top, ModelConfig& config) {
    if (const auto device = top.word("device", {"cpu", "cuda", "auto"})) {
        if (config.device != DeviceChoice::kDefault) top.fault("device", "and instance_group.kind are one setting");
        constexpr std::array<DeviceChoice, 3> kMeans{DeviceChoice::kCpu, DeviceChoice::kCuda, DeviceChoice::kAuto};
        config.device = kMeans.at(*device);
    }
    top.integer<int>("device_index", config.device_index, 0, kDevicesMax);
    if (top.has("device_index") && config.device != DeviceChoice::kCuda && config.device != DeviceChoice::kAuto) {
        top.fault("device_index", "says nothing without device: cuda or auto");
    }
    unsigned threads = 0;
    if (top.integer<unsigned>("threads", threads, 1, kThreadsMax)) {
        if (config.intra_op_threads) top.fault("threads", "and the parameter intra_op_thread_count are one setting");
        config.intra_op_threads = threads;
    }
    if (top.integer<unsigned>("inter_op_threads", threads, 1, kThreadsMax)) {
        if (config.inter_op_threads)
            top.fault("inter_op_threads", "and the parameter inter_op_thread_count are one setting");
        config.inter_op_threads = threads;
    }
    top.integer<std::uint64_t>("arena_bytes_max", config.arena_bytes_max, 1U << 20U, 1ULL << 44U);
}

}  // namespace

void read_running(MapReader& top, bool ours, ModelConfig& config) {
    read_groups(top, config);
    read_optimization(top, config);
    read_parameters(top, ours, config);
    if (ours) read_own_device(top, config);
}

}  // namespace tidegate::model::config
