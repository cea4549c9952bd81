// OtlpJson: requests as OpenTelemetry spans in the JSON form of OTLP.
//
// Source      opentelemetry-proto 1.x, ExportTraceServiceRequest in JSON: ids in hex, 64-bit numbers as decimal strings, enums
//             as numbers, lowerCamelCase names. Attributes by OpenTelemetry's semantic conventions (HTTP, and GenAI where a
//             model answered).
// Guarantee   A span for the request (server), one for each stage below it (internal; the call of an upstream: client).
//             Stages follow each other without a gap from the request's begin, as they were measured.
// Threads     Any.
#pragma once

#include <span>
#include <string>
#include <string_view>

#include "base/random.h"
#include "observe/span.h"

namespace tidegate::telemetry {

/// What all spans of this process have in common.
struct Resource {
    std::string service_name;
    std::string service_version;
    std::string instance_id;
};

/// One ExportTraceServiceRequest. Stages get ids from `random`.
std::string to_otlp_json(const Resource& resource, std::span<const observe::RequestSpan> requests, Random& random);
/// How many spans a request becomes.
std::size_t span_count(const observe::RequestSpan& request) noexcept;
/// `partialSuccess.rejectedSpans` of an ExportTraceServiceResponse; 0 when it says nothing of the kind.
std::uint64_t rejected_spans(std::string_view answer);

}  // namespace tidegate::telemetry
