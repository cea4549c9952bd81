// Fuzzes the request head parser and the chunked decoder: whatever the bytes and however they are split, both stay within
// their input, agree with themselves, and keep what their headers promise.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "base/assert.h"
#include "base/utf8.h"
#include "http/chunked_decoder.h"
#include "http/request_parser.h"

namespace tidegate::http {
namespace {

struct Outcome {
    RequestParser::Status status = RequestParser::Status::kNeedMore;
    int error = 0;
    std::size_t consumed = 0;
    RequestHead head;
};

Outcome parse(std::string_view bytes, std::size_t step) {
    Limits limits;
    limits.request_line_bytes_max = 512;
    limits.headers_bytes_max = 2048;
    limits.headers_count_max = 16;
    Outcome out;
    RequestParser parser(limits);
    for (std::size_t end = std::min(step, bytes.size());; end = std::min(end + step, bytes.size())) {
        out.status = parser.parse(bytes.substr(0, end), out.head);
        if (out.status != RequestParser::Status::kNeedMore || end == bytes.size()) break;
    }
    if (out.status == RequestParser::Status::kError) out.error = parser.error().status;
    if (out.status == RequestParser::Status::kDone) out.consumed = parser.consumed();
    return out;
}

void check_head(const Outcome& out, std::string_view bytes) {
    TG_ASSERT(out.consumed <= bytes.size());
    TG_ASSERT(bytes.substr(0, out.consumed).ends_with("\r\n\r\n"));
    TG_ASSERT(out.head.path == "*" || out.head.path.starts_with('/'));
    TG_ASSERT(out.head.path.find("/../") == std::string::npos && !out.head.path.ends_with("/.."));
    TG_ASSERT(out.head.path.find('\0') == std::string::npos);
    TG_ASSERT(utf8::is_valid(out.head.path));
    TG_ASSERT(out.head.headers.count("Host") <= 1);
    TG_ASSERT(out.head.headers.count("Content-Length") == (out.head.content_length ? 1U : 0U));
    TG_ASSERT(!(out.head.chunked && out.head.content_length));
    for (const auto& [name, value] : out.head.headers.fields()) {
        TG_ASSERT(!name.empty());
        TG_ASSERT(value.find_first_of(std::string_view("\r\n\0", 3)) == std::string::npos);
    }
}

struct Decoded {
    ChunkedDecoder::Status status = ChunkedDecoder::Status::kNeedMore;
    std::size_t consumed = 0;
    std::string body;
};

Decoded decode(std::string_view bytes, std::size_t step) {
    Decoded out;
    ChunkedDecoder decoder;
    BufferSink sink(out.body, 4096);
    while (out.consumed < bytes.size()) {
        std::size_t used = 0;
        out.status = decoder.decode(bytes.substr(out.consumed, step), sink, used);
        TG_ASSERT(used <= std::min(step, bytes.size() - out.consumed));
        out.consumed += used;
        if (out.status != ChunkedDecoder::Status::kNeedMore) break;
    }
    return out;
}

}  // namespace
}  // namespace tidegate::http

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    using namespace tidegate::http;
    if (size < 2) return 0;
    const std::size_t step = data[0] % 16 + 1U;
    const std::string_view bytes(reinterpret_cast<const char*>(data) + 1, size - 1);
    const Outcome whole = parse(bytes, bytes.size());
    const Outcome pieces = parse(bytes, step);
    TG_ASSERT(whole.status == pieces.status && whole.error == pieces.error && whole.consumed == pieces.consumed);
    if (whole.status == RequestParser::Status::kDone) {
        TG_ASSERT(whole.head.path == pieces.head.path && whole.head.headers.fields() == pieces.head.headers.fields());
        check_head(whole, bytes);
    }
    const Decoded body = decode(bytes, bytes.size());
    const Decoded parts = decode(bytes, step);
    // A full sink stops at a piece's start, so only then may the splitting show.
    if (body.status != ChunkedDecoder::Status::kSinkFull) {
        TG_ASSERT(body.status == parts.status && body.body == parts.body);
    }
    TG_ASSERT(body.body.size() <= std::min<std::size_t>(bytes.size(), 4096));
    return 0;
}
