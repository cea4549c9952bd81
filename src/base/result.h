// Result<T>: a value, or the reason there is none.
//
// Guarantee   Expected failures (bad input, missing row, full queue, closed peer) travel as Error; a broken
//             invariant ends the process through TG_ASSERT. Nothing throws across a room's border.
// Use         `TG_TRY(auto row, store.find(id));` returns the error of the expression or declares row.
//             `TG_CHECK(store.save(row));` returns the error of a Result<void>.
#pragma once

#include <cstdint>
#include <expected>
#include <string>
#include <string_view>
#include <utility>

namespace tidegate {

// The canonical codes. Their HTTP status is decided in pipeline/problem.cpp and nowhere else.
enum class ErrorCode : std::uint8_t {
    kInvalidArgument,    // The bytes cannot be understood (400).
    kFailedValidation,   // Understood, and not acceptable (422).
    kUnauthenticated,    // No or unknown key (401).
    kPermissionDenied,   // Known, and not allowed (403).
    kNotFound,           // (404)
    kConflict,           // Exists already with another content (409).
    kTooLarge,           // Over a size limit (413).
    kUnsupportedMedia,   // (415)
    kResourceExhausted,  // Over a rate or spend limit (429).
    kCancelled,          // The client has gone (499, log only).
    kUnavailable,        // A model, an upstream, a store or a queue cannot serve now (503).
    kDeadlineExceeded,   // (504)
    kDataLoss,           // Stored bytes do not check out (500).
    kInternal,           // Our bug (500).
};

/// Short stable name of a code, as sent in the `error` member of a problem document.
std::string_view to_string(ErrorCode code) noexcept;

/// Why there is no value. `message` is for the log and the client: no secret, no body, no path of our disk.
struct Error {
    ErrorCode code = ErrorCode::kInternal;
    std::string message;
};

template <class T>
using Result = std::expected<T, Error>;

/// `return fail(ErrorCode::kNotFound, "no such analysis");`
inline std::unexpected<Error> fail(ErrorCode code, std::string message) {
    return std::unexpected<Error>(Error{code, std::move(message)});
}

}  // namespace tidegate

#define TG_CONCAT_IMPL_(a, b) a##b
#define TG_CONCAT_(a, b) TG_CONCAT_IMPL_(a, b)
#define TG_TRY_IMPL_(tmp, declaration, ...)                   \
    auto tmp = (__VA_ARGS__);                                 \
    if (!tmp) return std::unexpected(std::move(tmp).error()); \
    declaration = *std::move(tmp)
#define TG_TRY(declaration, ...) TG_TRY_IMPL_(TG_CONCAT_(tg_result_, __LINE__), declaration, __VA_ARGS__)
#define TG_CHECK(...)                                                                                            \
    do {                                                                                                         \
        if (auto tg_status_ = (__VA_ARGS__); !tg_status_) return std::unexpected(std::move(tg_status_).error()); \
    } while (false)
