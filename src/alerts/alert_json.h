// Alerts as JSON, the same in answers and in posts.
#pragma once

#include "alerts/alert.h"
#include "base/json_writer.h"

namespace tidegate::alerts {

/// One object. `silence`: what covers it now; null: nothing.
void append_json(JsonWriter& writer, const Alert& alert, const Silence* silence);
void append_json(JsonWriter& writer, const Silence& silence);
/// What a webhook is sent: `{"type":"alert.firing","time":...,"alert":{...}}`.
std::string post_body(const Alert& alert, UnixMillis now);

}  // namespace tidegate::alerts
