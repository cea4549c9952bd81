// Problem: the error shape (RFC 9457 `application/problem+json`), the shapes that clients of other protocols read in its place, and
// the one map from ErrorCode to HTTP status.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "http/message.h"
#include "pipeline/route.h"
#include "pipeline/schema.h"

namespace tidegate::pipeline {

/// The HTTP status of a code.
int status_of(ErrorCode code) noexcept;
/// The code of a status that http/ found by itself (400, 408, 413, ...).
ErrorCode code_of_status(int status) noexcept;

struct Problem {
    int status = 500;
    std::string_view error;  // Short stable code.
    std::string_view detail;
    std::string_view request_id;
    std::string_view path;
    const std::vector<FieldError>* errors = nullptr;
};

/// The document as a response; 503 and 429 carry `Retry-After: retry_after_s`.
http::Response problem_response(const Problem& problem, int retry_after_s = 1);
/// The same in the shape that the clients of a route read.
http::Response error_response(ErrorShape shape, const Problem& problem, int retry_after_s = 1);
/// Of a path that no route has: clients of /v2 and /v1 have asked it.
ErrorShape shape_of_path(std::string_view path) noexcept;

}  // namespace tidegate::pipeline
