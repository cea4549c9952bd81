#include "base/result.h"

namespace tidegate {

std::string_view to_string(ErrorCode code) noexcept {
    switch (code) {
        case ErrorCode::kInvalidArgument:
            return "invalid_request";
        case ErrorCode::kFailedValidation:
            return "validation_failed";
        case ErrorCode::kUnauthenticated:
            return "unauthenticated";
        case ErrorCode::kPermissionDenied:
            return "permission_denied";
        case ErrorCode::kNotFound:
            return "not_found";
        case ErrorCode::kConflict:
            return "conflict";
        case ErrorCode::kTooLarge:
            return "too_large";
        case ErrorCode::kUnsupportedMedia:
            return "unsupported_media_type";
        case ErrorCode::kResourceExhausted:
            return "limit_exceeded";
        case ErrorCode::kCancelled:
            return "client_gone";
        case ErrorCode::kUnavailable:
            return "unavailable";
        case ErrorCode::kDeadlineExceeded:
            return "deadline_exceeded";
        case ErrorCode::kDataLoss:
            return "data_loss";
        case ErrorCode::kInternal:
            return "internal";
    }
    return "internal";
}

}  // namespace tidegate
