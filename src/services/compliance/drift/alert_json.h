// Alerts, streams and their tests as JSON, the same in answers, events and posts.
#pragma once

#include <string>

#include "base/json_writer.h"
#include "drift/alerts.h"
#include "drift/monitor.h"

namespace tidegate::compliance {

/// One object.
void append_json(JsonWriter& writer, const drift::Alert& alert);
void append_json(JsonWriter& writer, const drift::Stream& stream, const drift::MonitorOptions& options);
std::string to_json(const drift::Alert& alert);

/// A stream's name for URLs and filters: 16 hex digits of SHA-256 over its key.
std::string stream_id(const drift::StreamKey& key);

}  // namespace tidegate::compliance
