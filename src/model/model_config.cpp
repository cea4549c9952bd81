#include "model/model_config.h"

#include <fmt/core.h>

#include <algorithm>

#include "model/config/readers.h"
#include "model/config/tree.h"

namespace tidegate::model {
namespace {

using config::MapReader;

Result<config::Node> read_tree(std::string_view text, ConfigFormat format, std::string_view where) {
    if (text.size() > kConfigBytesMax) {
        return fail(ErrorCode::kTooLarge, fmt::format("{}: a config has at most {} bytes", where, kConfigBytesMax));
    }
    switch (format) {
        case ConfigFormat::kPbtxt:
            return config::parse_pbtxt(text, where);
        case ConfigFormat::kJson:
            return config::parse_json(text, where);
        case ConfigFormat::kYaml:
            break;
    }
    return config::parse_yaml(text, where);
}

void read_identity(MapReader& top, ModelConfig& config) {
    top.text("name", config.name);
    std::string word;
    if (top.text("platform", word) && !word.empty() && word != "onnxruntime_onnx" && word != "onnx_onnxv1") {
        top.fault("platform", "must be onnxruntime_onnx");
    }
    if (top.text("backend", word) && !word.empty() && word != "onnxruntime") {
        top.fault("backend", "must be onnxruntime");
    }
    if (top.text("default_model_filename", word) && !word.empty()) {
        if (word.find('/') != std::string::npos || word == "." || word == ".." ||
            word.find('\0') != std::string::npos) {
            top.fault("default_model_filename", "must be a plain file name");
        }
        config.default_model_filename = word;
    }
}

void refuse_the_rest(MapReader& top) {
    for (const std::string_view word :
         {"runtime", "batch_input", "batch_output", "sequence_batching", "ensemble_scheduling", "cc_model_filenames",
          "metric_tags", "model_operations", "model_transaction_policy", "model_repository_agents", "response_cache",
          "model_metrics"}) {
        top.unsupported(word);
    }
}

}  // namespace

std::string_view to_string(Task task) noexcept {
    constexpr std::array<std::string_view, 4> kWords{"none", "embedding", "classification", "rerank"};
    return kWords[static_cast<std::size_t>(task)];
}

std::string_view to_string(Pooling pooling) noexcept {
    return pooling == Pooling::kMean ? "mean" : "cls";
}

std::string_view to_string(Activation activation) noexcept {
    constexpr std::array<std::string_view, 3> kWords{"none", "softmax", "sigmoid"};
    return kWords[static_cast<std::size_t>(activation)];
}

Result<ModelConfig> parse_config(std::string_view text, ConfigFormat format, std::string_view where) {
    TG_TRY(const config::Node tree, read_tree(text, format, where));
    ModelConfig parsed;
    config::Faults faults(where);
    MapReader top(tree, "", faults);
    const bool ours = format != ConfigFormat::kPbtxt;
    read_identity(top, parsed);
    config::read_tensors(top, parsed);
    config::read_scheduling(top, ours, parsed);
    config::read_running(top, ours, parsed);
    config::read_warmup(top, ours, parsed);
    if (ours) config::read_text(top, parsed);
    refuse_the_rest(top);
    top.finish(ours ? "" : " (config.pbtxt has Triton's words only; those of Tidegate stand in a config.yaml)");
    if (!faults.empty()) return std::unexpected(faults.error());
    return parsed;
}

BatcherOptions batcher_options(const ModelConfig& config) {
    BatcherOptions options;
    options.batches = config.max_batch_size > 0 && config.merges;
    options.rows_max = std::max(config.max_batch_size, 1U);
    if (!config.preferred_batch_sizes.empty()) {
        // The pass is cut as soon as it has the largest size that is preferred.
        options.rows_max = std::min(options.rows_max, config.preferred_batch_sizes.back());
    }
    options.tokens_max = config.tokens_max;
    options.wait_max = std::chrono::microseconds(config.max_queue_delay_us);
    if (config.queue_rows_max > 0) options.queue_rows_max = config.queue_rows_max;
    options.queue_time_max = std::chrono::microseconds(config.queue_timeout_us);
    options.instances = config.instances;
    options.priorities = std::max(config.priority_levels, 1U);
    return options;
}

}  // namespace tidegate::model
