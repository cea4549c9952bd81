// Warm-up: the passes that a session makes before its model is ready.
#pragma once

#include "model/folder.h"
#include "model/model_config.h"

namespace tidegate::model {

// A sample's input is made in memory; more than this is a data set.
inline constexpr std::uint64_t kWarmupBytesMax = 256ULL << 20U;

/// Runs the samples of a completed config, or (none is given, and warms_up) one row of zeros with 1 for every free dimension. Files of
/// samples are those of NAME/warmup. Errors name the sample. A refusal of zeros that nobody asked for is no error: it comes back as
/// text.
Result<std::string> warm_up(Session& session, const ModelConfig& config, const Folder& folder);

}  // namespace tidegate::model
