#include "pipeline/problem.h"

#include "base/json_writer.h"

namespace tidegate::pipeline {

int status_of(ErrorCode code) noexcept {
    switch (code) {
        case ErrorCode::kInvalidArgument:
            return 400;
        case ErrorCode::kFailedValidation:
            return 422;
        case ErrorCode::kUnauthenticated:
            return 401;
        case ErrorCode::kPermissionDenied:
            return 403;
        case ErrorCode::kNotFound:
            return 404;
        case ErrorCode::kConflict:
            return 409;
        case ErrorCode::kTooLarge:
            return 413;
        case ErrorCode::kUnsupportedMedia:
            return 415;
        case ErrorCode::kResourceExhausted:
            return 429;
        case ErrorCode::kCancelled:
            return 499;
        case ErrorCode::kUnavailable:
            return 503;
        case ErrorCode::kDeadlineExceeded:
            return 504;
        case ErrorCode::kDataLoss:
        case ErrorCode::kInternal:
            return 500;
    }
    return 500;
}

ErrorCode code_of_status(int status) noexcept {
    switch (status) {
        case 404:
            return ErrorCode::kNotFound;
        case 413:
            return ErrorCode::kTooLarge;
        case 415:
            return ErrorCode::kUnsupportedMedia;
        case 503:
            return ErrorCode::kUnavailable;
        default:
            return status >= 500 ? ErrorCode::kInternal : ErrorCode::kInvalidArgument;
    }
}

http::Response problem_response(const Problem& problem, int retry_after_s) {
    http::Response response;
    response.status = problem.status;
    response.headers.add("Content-Type", "application/problem+json");
    response.headers.add("Cache-Control", "no-store");
    if (problem.status == 503 || problem.status == 429) {
        response.headers.add("Retry-After", std::to_string(retry_after_s));
    }
    JsonWriter writer(response.body);
    writer.begin_object();
    writer.field("type", "urn:tidegate:error:" + std::string(problem.error));
    writer.field("title", http::reason_phrase(problem.status));
    writer.field("status", problem.status);
    writer.field("detail", problem.detail);
    writer.field("error", problem.error);
    writer.field("request_id", problem.request_id);
    writer.field("path", problem.path);
    if (problem.errors != nullptr && !problem.errors->empty()) {
        writer.key("errors").begin_array();
        for (const FieldError& error : *problem.errors) {
            writer.begin_object();
            writer.field("field", error.field).field("message", error.message).field("type", error.type);
            writer.end_object();
        }
        writer.end_array();
    }
    writer.end_object();
    return response;
}

}  // namespace tidegate::pipeline
