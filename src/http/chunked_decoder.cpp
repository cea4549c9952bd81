#include "http/chunked_decoder.h"

#include <algorithm>

#include "base/hex_value.h"

namespace tidegate::http {
namespace {

// Extensions carry nothing anybody reads: enough for a signature a chunk (AWS signs with 85 bytes) on a few
// hundred chunks.
constexpr std::uint32_t kExtensionBytesMax = 32 * 1024;
constexpr std::uint32_t kTrailerBytesMax = 8 * 1024;
constexpr std::uint8_t kSizeDigitsMax = 16;

bool in_class(char c, std::uint8_t character_class) noexcept {
    return (syntax::kClasses[static_cast<unsigned char>(c)] & character_class) != 0;
}

}  // namespace

bool ChunkedDecoder::fail(int status, std::string_view detail) noexcept {
    error_ = {status, detail};
    return false;
}

bool ChunkedDecoder::take_size(char c) {
    const int digit = hex_value(c);
    if (digit >= 0) {
        if (++digits_ > kSizeDigitsMax) return fail(400, "a chunk size of more than 16 digits");
        left_ = left_ * 16 + static_cast<std::uint64_t>(digit);
        return true;
    }
    if (digits_ == 0) return fail(400, "malformed chunk size");
    if (c == ';') {
        phase_ = Phase::kExtension;
    } else if (c == '\r') {
        phase_ = Phase::kSizeLf;
    } else {
        return fail(400, "malformed chunk size");
    }
    return true;
}

bool ChunkedDecoder::take_trailer(char c) {
    if (++trailer_bytes_ > kTrailerBytesMax) return fail(431, "the trailers are too long");
    if (phase_ == Phase::kTrailerValue) {
        if (c == '\r') {
            phase_ = Phase::kTrailerLf;
        } else if (!in_class(c, syntax::kValueChar)) {
            return fail(400, "a control character in a trailer");
        }
        return true;
    }
    if (phase_ == Phase::kTrailerStart && c == '\r') {
        phase_ = Phase::kEndLf;
        return true;
    }
    if (phase_ == Phase::kTrailerName && c == ':') {
        phase_ = Phase::kTrailerValue;
        return true;
    }
    if (!in_class(c, syntax::kTokenChar)) return fail(400, "malformed trailer");
    phase_ = Phase::kTrailerName;
    return true;
}

/// One byte outside the data of a chunk.
bool ChunkedDecoder::take(char c) {
    switch (phase_) {
        case Phase::kSize:
            return take_size(c);
        case Phase::kExtension:
            if (c == '\r') {
                phase_ = Phase::kSizeLf;
                return true;
            }
            if (++extension_bytes_ > kExtensionBytesMax) return fail(400, "the chunk extensions are too long");
            return in_class(c, syntax::kValueChar) || fail(400, "a control character in a chunk extension");
        case Phase::kSizeLf:
            if (c != '\n') return fail(400, "a chunk size line that does not end with CR LF");
            phase_ = left_ > 0 ? Phase::kData : Phase::kTrailerStart;
            return true;
        case Phase::kDataCr:
            if (c != '\r') return fail(400, "a chunk that does not end with CR LF");
            phase_ = Phase::kDataLf;
            return true;
        case Phase::kDataLf:
            if (c != '\n') return fail(400, "a chunk that does not end with CR LF");
            phase_ = Phase::kSize;
            digits_ = 0;
            return true;
        case Phase::kTrailerStart:
        case Phase::kTrailerName:
        case Phase::kTrailerValue:
            return take_trailer(c);
        case Phase::kTrailerLf:
            if (c != '\n') return fail(400, "a trailer line that does not end with CR LF");
            phase_ = Phase::kTrailerStart;
            return true;
        case Phase::kEndLf:
            if (c != '\n') return fail(400, "a chunked body that does not end with CR LF");
            phase_ = Phase::kDone;
            return true;
        case Phase::kData:
        case Phase::kDone:
            break;
    }
    return true;
}

ChunkedDecoder::Status ChunkedDecoder::decode(std::string_view input, BodySink& sink, std::size_t& consumed) {
    consumed = 0;
    while (consumed < input.size() && phase_ != Phase::kDone) {
        if (phase_ != Phase::kData) {
            if (!take(input[consumed])) return Status::kError;
            ++consumed;
            continue;
        }
        const auto bytes = static_cast<std::size_t>(std::min<std::uint64_t>(left_, input.size() - consumed));
        if (!sink.append(input.substr(consumed, bytes))) return Status::kSinkFull;
        consumed += bytes;
        left_ -= bytes;
        if (left_ == 0) phase_ = Phase::kDataCr;
    }
    return phase_ == Phase::kDone ? Status::kDone : Status::kNeedMore;
}

}  // namespace tidegate::http
