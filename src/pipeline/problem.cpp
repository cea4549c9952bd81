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

namespace {

http::Response blank_response(const Problem& problem, std::string_view type, int retry_after_s) {
    http::Response response;
    response.status = problem.status;
    response.headers.add("Content-Type", type);
    response.headers.add("Cache-Control", "no-store");
    if (problem.status == 503 || problem.status == 429) {
        response.headers.add("Retry-After", std::to_string(retry_after_s));
    }
    return response;
}

/// For shapes with one text: the fields stand in it.
std::string text_of(const Problem& problem) {
    if (problem.errors == nullptr || problem.errors->empty()) return std::string(problem.detail);
    std::string text;
    for (const FieldError& error : *problem.errors) {
        if (!text.empty()) text += "; ";
        text += (error.field.empty() ? std::string("the body") : "`" + error.field + "`") + " " + error.message;
    }
    return text;
}

/// The words of OpenAI's API.
std::string_view openai_type(int status) noexcept {
    switch (status) {
        case 401:
            return "authentication_error";
        case 403:
            return "permission_error";
        case 429:
            return "rate_limit_error";
        default:
            return status >= 500 ? "server_error" : "invalid_request_error";
    }
}

std::string_view embeddings_type(int status) noexcept {
    if (status == 429 || status == 503) return "Overloaded";
    if (status == 401 || status == 403) return "Unauthorized";
    return status >= 500 ? "Backend" : "Validation";
}

void write_openai(JsonWriter& writer, const Problem& problem) {
    writer.begin_object().key("error").begin_object();
    writer.field("message", text_of(problem)).field("type", openai_type(problem.status)).key("param");
    if (problem.errors != nullptr && !problem.errors->empty()) {
        writer.value(std::string_view(problem.errors->front().field));
    } else {
        writer.null();
    }
    writer.field("code", problem.error).end_object().end_object();
}

}  // namespace

ErrorShape shape_of_path(std::string_view path) noexcept {
    if (path == "/v2" || path.starts_with("/v2/")) return ErrorShape::kInference;
    return path == "/v1" || path.starts_with("/v1/") ? ErrorShape::kOpenAi : ErrorShape::kProblem;
}

http::Response error_response(ErrorShape shape, const Problem& problem, int retry_after_s) {
    if (shape == ErrorShape::kProblem) return problem_response(problem, retry_after_s);
    http::Response response = blank_response(problem, "application/json", retry_after_s);
    JsonWriter writer(response.body);
    if (shape == ErrorShape::kOpenAi) {
        write_openai(writer, problem);
        return response;
    }
    writer.begin_object().field("error", text_of(problem));
    if (shape == ErrorShape::kTextEmbeddings) writer.field("error_type", embeddings_type(problem.status));
    writer.end_object();
    return response;
}

http::Response problem_response(const Problem& problem, int retry_after_s) {
    http::Response response = blank_response(problem, "application/problem+json", retry_after_s);
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
