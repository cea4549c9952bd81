// to_triton_json(): a config as clients of Triton read it, and as a load request may send it back.
#include <fmt/core.h>

#include "base/json_writer.h"
#include "model/model_config.h"

namespace tidegate::model {
namespace {

std::string type_name(DataType type) {
    return type == DataType::kBytes ? "TYPE_STRING" : fmt::format("TYPE_{}", to_string(type));
}

void write_dims(JsonWriter& json, std::string_view name, const Shape& shape) {
    json.key(name).begin_array();
    for (const std::int64_t dimension : shape.dimensions()) json.value(dimension);
    json.end_array();
}

void write_tensors(JsonWriter& json, std::string_view key, const std::vector<TensorConfig>& tensors, bool is_input) {
    json.key(key).begin_array();
    for (const TensorConfig& tensor : tensors) {
        json.begin_object().field("name", tensor.name).field("data_type", type_name(tensor.type));
        if (is_input) json.field("format", "FORMAT_NONE");
        write_dims(json, "dims", tensor.dims);
        if (tensor.reshape) {
            json.key("reshape").begin_object();
            write_dims(json, "shape", *tensor.reshape);
            json.end_object();
        }
        json.field("is_shape_tensor", false);
        if (is_input) {
            json.field("allow_ragged_batch", false).field("optional", false);
        } else {
            json.field("label_filename", "");
        }
        json.end_object();
    }
    json.end_array();
}

void write_versions(JsonWriter& json, const VersionPolicy& policy) {
    json.key("version_policy").begin_object();
    switch (policy.kind) {
        case VersionPolicy::Kind::kLatest:
            json.key("latest").begin_object().field("num_versions", policy.latest).end_object();
            break;
        case VersionPolicy::Kind::kAll:
            json.key("all").begin_object().end_object();
            break;
        case VersionPolicy::Kind::kSpecific:
            json.key("specific").begin_object().key("versions").begin_array();
            for (const std::int64_t version : policy.versions) json.value(version);
            json.end_array().end_object();
            break;
    }
    json.end_object();
}

void write_batching(JsonWriter& json, const ModelConfig& config) {
    if (!config.merges) return;
    json.key("dynamic_batching").begin_object().key("preferred_batch_size").begin_array();
    for (const std::uint32_t size : config.preferred_batch_sizes) json.value(size);
    json.end_array()
        .field("max_queue_delay_microseconds", config.max_queue_delay_us)
        .field("preserve_ordering", config.preserve_ordering)
        .field("priority_levels", config.priority_levels)
        .field("default_priority_level", config.default_priority_level)
        .key("default_queue_policy")
        .begin_object()
        .field("timeout_action", "REJECT")
        .field("default_timeout_microseconds", config.queue_timeout_us)
        .field("allow_timeout_override", config.allow_timeout_override)
        .field("max_queue_size", config.queue_rows_max)
        .end_object()
        .end_object();
}

void write_running(JsonWriter& json, const ModelConfig& config) {
    const bool cuda = config.device == DeviceChoice::kCuda;
    const std::string_view kind = cuda ? "KIND_GPU" : config.device == DeviceChoice::kCpu ? "KIND_CPU" : "KIND_AUTO";
    json.key("instance_group")
        .begin_array()
        .begin_object()
        .field("name", fmt::format("{}_0", config.name))
        .field("kind", kind)
        .field("count", config.instances)
        .key("gpus")
        .begin_array();
    if (cuda) json.value(config.device_index);
    json.end_array().end_object().end_array();
    if (config.graph_level) {
        json.key("optimization").begin_object().key("graph").begin_object();
        json.field("level", *config.graph_level).end_object().end_object();
    }
    json.field("default_model_filename", config.default_model_filename);
    json.key("parameters").begin_object();
    for (const auto& [name, value] : config.parameters) {
        json.key(name).begin_object().field("string_value", value).end_object();
    }
    json.end_object();
}

void write_values(JsonWriter& json, const WarmupInput& input) {
    json.key("values").begin_array();
    for (const double number : input.numbers) json.value(number);
    for (const std::string& text : input.texts) json.value(text);
    json.end_array();
}

void write_warmup(JsonWriter& json, const ModelConfig& config) {
    // An empty list means none at all, so the default of zeros stands for itself by being absent.
    if (config.warms_up && config.warmup.empty()) return;
    json.key("model_warmup").begin_array();
    for (const WarmupSample& sample : config.warmup) {
        json.begin_object()
            .field("name", sample.name)
            .field("batch_size", sample.batch_size)
            .field("count", sample.count)
            .key("inputs")
            .begin_object();
        for (const WarmupInput& input : sample.inputs) {
            json.key(input.name).begin_object().field("data_type", type_name(input.type));
            write_dims(json, "dims", input.dims);
            switch (input.kind) {
                case WarmupInput::Kind::kZero:
                    json.field("zero_data", true);
                    break;
                case WarmupInput::Kind::kRandom:
                    json.field("random_data", true);
                    break;
                case WarmupInput::Kind::kFile:
                    json.field("input_data_file", input.file);
                    break;
                case WarmupInput::Kind::kValues:
                    write_values(json, input);
                    break;
            }
            json.end_object();
        }
        json.end_object().end_object();
    }
    json.end_array();
}

void write_text(JsonWriter& json, const TextConfig& text) {
    if (!text.padding.empty()) {
        json.key("padding").begin_object();
        for (const auto& [name, value] : text.padding) json.field(name, value);
        json.end_object();
    }
    if (text.task == Task::kNone) return;
    json.field("task", to_string(text.task)).field("tokenizer", text.tokenizer);
    if (text.task == Task::kEmbedding) {
        json.field("pooling", to_string(text.pooling)).field("normalize", text.normalize);
    } else {
        json.field("activation", to_string(text.activation));
    }
    if (!text.labels.empty()) {
        json.key("labels").begin_array();
        for (const std::string& label : text.labels) json.value(label);
        json.end_array();
    }
    if (text.sequence_max > 0) json.field("sequence_max", text.sequence_max);
    if (!text.output.empty()) json.field("text_output", text.output);
}

/// Only what differs from its default, and what no word of Triton's has said already.
void write_ours(JsonWriter& json, const ModelConfig& config) {
    if (config.device == DeviceChoice::kAuto) json.field("device", "auto").field("device_index", config.device_index);
    if (config.intra_op_threads && !config.parameters.contains("intra_op_thread_count")) {
        json.field("threads", *config.intra_op_threads);
    }
    if (config.inter_op_threads && !config.parameters.contains("inter_op_thread_count")) {
        json.field("inter_op_threads", *config.inter_op_threads);
    }
    if (config.arena_bytes_max > 0) json.field("arena_bytes_max", config.arena_bytes_max);
    if (!config.merges && config.queue_rows_max > 0) json.field("queue_rows_max", config.queue_rows_max);
    if (!config.merges && config.queue_timeout_us > 0) json.field("queue_timeout_ms", config.queue_timeout_us / 1000);
    if (config.deadline_ms > 0) json.field("deadline_ms", config.deadline_ms);
    if (config.tokens_max > 0) json.field("tokens_max", config.tokens_max);
    write_text(json, config.text);
}

}  // namespace

std::string to_triton_json(const ModelConfig& config) {
    std::string out;
    JsonWriter json(out);
    json.begin_object()
        .field("name", config.name)
        .field("platform", "onnxruntime_onnx")
        .field("backend", "onnxruntime");
    write_versions(json, config.version_policy);
    json.field("max_batch_size", config.max_batch_size);
    write_tensors(json, "input", config.inputs, true);
    write_tensors(json, "output", config.outputs, false);
    json.key("batch_input").begin_array().end_array().key("batch_output").begin_array().end_array();
    write_batching(json, config);
    write_running(json, config);
    write_warmup(json, config);
    write_ours(json, config);
    json.end_object();
    return out;
}

}  // namespace tidegate::model
