// What a request about one text looks like; shared by the single, batch and stream routes.
#pragma once

#include <string_view>

#include "base/json.h"
#include "pipeline/schema.h"
#include "services/provenance/text_answer.h"

namespace tidegate::provenance {

pipeline::Schema text_schema();
pipeline::Schema domain_schema();
pipeline::Schema language_schema();
pipeline::Schema text_request_schema();
/// `domain` and `language` of a validated object.
TextContext told_of(json::Value object);

/// Shown in the docs and called by the contract test; long enough for the detector to take a side.
extern const std::string_view kExampleRequest;

}  // namespace tidegate::provenance
