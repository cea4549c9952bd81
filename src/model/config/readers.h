// The parts of a config, each read by a function of its own into the ModelConfig.
#pragma once

#include "model/config/map_reader.h"
#include "model/model_config.h"

namespace tidegate::model::config {

/// A pass of more rows than this is no batch but a data set; the batcher counts each size by itself (32 bytes a size).
inline constexpr std::uint32_t kRowsMax = 65'536;

/// `input`, `output`.
void read_tensors(MapReader& top, ModelConfig& config);
/// `max_batch_size`, `version_policy`, `dynamic_batching`, and (ours, where `ours`) bounds and deadlines.
void read_scheduling(MapReader& top, bool ours, ModelConfig& config);
/// `instance_group`, `optimization`, `parameters`, and (ours) device and threads.
void read_running(MapReader& top, bool ours, ModelConfig& config);
/// `model_warmup`. Values that stand in the text itself are ours.
void read_warmup(MapReader& top, bool ours, ModelConfig& config);
/// tokenizer, task, pooling...: all ours.
void read_text(MapReader& top, ModelConfig& config);

}  // namespace tidegate::model::config
