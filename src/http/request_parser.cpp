#include "http/request_parser.h"

#include <cstring>

#include "base/strings.h"
#include "http/target.h"

namespace tidegate::http {
namespace {

// The longest registered method (IANA) is UPDATEREDIRECTREF with 17 characters.
constexpr std::size_t kMethodBytesMax = 32;
// 19 digits always fit into 64 bits.
constexpr std::size_t kContentLengthDigitsMax = 19;

Method method_of(std::string_view text) noexcept {
    switch (text.size()) {
        case 3:
            if (text == "GET") return Method::kGet;
            if (text == "PUT") return Method::kPut;
            break;
        case 4:
            if (text == "POST") return Method::kPost;
            if (text == "HEAD") return Method::kHead;
            break;
        case 5:
            if (text == "PATCH") return Method::kPatch;
            break;
        case 6:
            if (text == "DELETE") return Method::kDelete;
            break;
        case 7:
            if (text == "OPTIONS") return Method::kOptions;
            break;
        default:
            break;
    }
    return Method::kOther;
}

}  // namespace

void RequestParser::reset() noexcept {
    error_ = {};
    line_start_ = scanned_ = 0;
    fields_ = hosts_ = 0;
    started_ = skipped_line_ = done_ = http_1_1_ = close_ = keep_alive_ = expects_continue_ = transfer_encoding_ =
        upgrade_field_ = upgrade_option_ = false;
}

RequestParser::Status RequestParser::fail(int status, std::string_view detail) noexcept {
    error_ = {status, detail};
    return Status::kError;
}

RequestParser::Status RequestParser::over_limit() noexcept {
    if (!started_) return fail(414, "the request line is too long");
    return fail(431, "the request head is too long");
}

RequestParser::Status RequestParser::parse(std::string_view input, RequestHead& head) {
    while (!done_) {
        const char* found = nullptr;
        if (scanned_ < input.size()) {
            found = static_cast<const char*>(std::memchr(input.data() + scanned_, '\n', input.size() - scanned_));
        }
        // The limits look at how far the line reaches, whole or not, so that the splitting makes no
        // difference.
        const std::size_t line_end = found ? static_cast<std::size_t>(found - input.data()) : input.size();
        if (!started_ && line_end - line_start_ > limits_.request_line_bytes_max) return over_limit();
        if (line_end > limits_.headers_bytes_max) return over_limit();
        if (found == nullptr) {
            scanned_ = input.size();
            return Status::kNeedMore;
        }
        std::string_view line = input.substr(line_start_, line_end - line_start_);
        if (line.empty() || line.back() != '\r') return fail(400, "a line that does not end with CR LF");
        line.remove_suffix(1);
        line_start_ = scanned_ = line_end + 1;
        if (!take_line(line, head)) return Status::kError;
    }
    return Status::kDone;
}

bool RequestParser::take_line(std::string_view line, RequestHead& head) {
    if (!started_) {
        // One empty line before a request is forgiven (RFC 9112, 2.2).
        if (line.empty() && !skipped_line_) {
            skipped_line_ = true;
            return true;
        }
        return take_request_line(line, head);
    }
    if (line.empty()) {
        done_ = finish(head);
        return done_;
    }
    return take_field(line, head);
}

bool RequestParser::take_request_line(std::string_view line, RequestHead& head) {
    started_ = true;
    head.headers.clear();
    head.content_length.reset();
    head.chunked = false;
    const auto bad = [this](int status, std::string_view detail) {
        fail(status, detail);
        return false;
    };
    const std::size_t first = line.find(' ');
    const std::size_t last = line.rfind(' ');
    if (first == std::string_view::npos || first == last) return bad(400, "malformed request line");
    const std::string_view method = line.substr(0, first);
    const std::string_view target = line.substr(first + 1, last - first - 1);
    const std::string_view version = line.substr(last + 1);
    if (!syntax::is_token(method) || method.size() > kMethodBytesMax) return bad(400, "malformed method");
    if (target.empty()) return bad(400, "malformed request line");
    if (version.size() != 8 || !version.starts_with("HTTP/") || version[6] != '.' || version[5] < '0' ||
        version[5] > '9' || version[7] < '0' || version[7] > '9') {
        return bad(400, "malformed HTTP version");
    }
    if (version != "HTTP/1.1" && version != "HTTP/1.0") {
        if (method == "PRI") return bad(400, "HTTP/2 is not spoken here");
        return bad(505, "only HTTP/1.1 and HTTP/1.0 are spoken here");
    }
    http_1_1_ = version[7] == '1';
    head.http_1_1 = http_1_1_;
    head.wants_upgrade = false;
    head.method = method_of(method);
    head.method_text.assign(method);
    head.target.assign(target);
    if (method == "CONNECT") return bad(501, "CONNECT is not offered");
    const auto authority = parse_target(head);
    if (!authority) return bad(authority.error().status, authority.error().detail);
    return true;
}

bool RequestParser::take_field(std::string_view line, RequestHead& head) {
    const auto bad = [this](std::string_view detail) {
        fail(400, detail);
        return false;
    };
    if (line.front() == ' ' || line.front() == '\t') return bad("a folded header line");
    const std::size_t colon = line.find(':');
    if (colon == std::string_view::npos) return bad("a header line without a colon");
    const std::string_view name = line.substr(0, colon);
    if (!syntax::is_token(name)) return bad("a malformed header name");
    const std::string_view value = syntax::trim_blank(line.substr(colon + 1));
    if (!value.empty() && !syntax::all(value, syntax::kValueChar)) return bad("a control character in a header value");
    if (++fields_ > limits_.headers_count_max) {
        fail(431, "too many headers");
        return false;
    }
    if (!note_field(name, value, head)) return false;
    head.headers.add(name, value);
    return true;
}

/// The fields that decide where the message ends; told apart by length first.
bool RequestParser::note_field(std::string_view name, std::string_view value, RequestHead& head) {
    switch (name.size()) {
        case 4:
            if (!iequals(name, "host")) return true;
            if (++hosts_ > 1) {
                fail(400, "two Host headers");
                return false;
            }
            if (is_valid_authority(value)) return true;
            fail(400, "malformed Host header");
            return false;
        case 6:
            if (!iequals(name, "expect") || !http_1_1_) return true;
            if (iequals(value, "100-continue")) {
                expects_continue_ = true;
                return true;
            }
            fail(417, "the only expectation met here is 100-continue");
            return false;
        case 7:
            if (iequals(name, "upgrade") && !value.empty()) upgrade_field_ = true;
            return true;
        case 10:
            if (iequals(name, "connection")) note_connection(value);
            return true;
        case 14:
            return !iequals(name, "content-length") || note_content_length(value, head);
        case 17:
            return !iequals(name, "transfer-encoding") || note_transfer_encoding(value, head);
        default:
            return true;
    }
}

bool RequestParser::note_content_length(std::string_view value, RequestHead& head) {
    if (head.content_length) {
        fail(400, "two Content-Length headers");
        return false;
    }
    bool digits = !value.empty() && value.size() <= kContentLengthDigitsMax;
    for (const char c : value) digits = digits && c >= '0' && c <= '9';
    const auto length = digits ? parse_u64(value) : std::nullopt;
    if (!length) {
        fail(400, "malformed Content-Length");
        return false;
    }
    head.content_length = length;
    return true;
}

bool RequestParser::note_transfer_encoding(std::string_view value, RequestHead& head) {
    if (transfer_encoding_) {
        fail(400, "two Transfer-Encoding headers");
        return false;
    }
    transfer_encoding_ = true;
    if (iequals(value, "chunked")) {
        head.chunked = true;
        return true;
    }
    // A coding we could have known gets 501 (RFC 9112, 6.1); what is no coding at all gets 400.
    const bool one_token = syntax::is_token(value) && !iequals(value, "identity");
    fail(one_token ? 501 : 400, "the only transfer coding understood here is a single chunked");
    return false;
}

void RequestParser::note_connection(std::string_view value) noexcept {
    while (!value.empty()) {
        const std::string_view option = syntax::trim_blank(value.substr(0, value.find(',')));
        value.remove_prefix(
            std::min(value.size(), value.find(',') == std::string_view::npos ? value.size() : value.find(',') + 1));
        if (iequals(option, "close")) close_ = true;
        if (iequals(option, "keep-alive")) keep_alive_ = true;
        if (iequals(option, "upgrade")) upgrade_option_ = true;
    }
}

bool RequestParser::finish(RequestHead& head) {
    const auto bad = [this](std::string_view detail) {
        fail(400, detail);
        return false;
    };
    if (http_1_1_ && hosts_ == 0) return bad("no Host header");
    if (transfer_encoding_ && head.content_length) return bad("Content-Length together with Transfer-Encoding");
    if (transfer_encoding_ && !http_1_1_) return bad("Transfer-Encoding in HTTP/1.0");
    head.wants_upgrade = http_1_1_ && !close_ && upgrade_field_ && upgrade_option_;
    if (!head.target.starts_with('/') && head.target != "*") {
        // Absolute form: its authority stands in place of Host (RFC 9112, 3.2.2), so that nothing behind sees
        // two.
        const auto authority = parse_target(head);
        if (authority && !authority->empty()) head.headers.set("Host", *authority);
    }
    return true;
}

}  // namespace tidegate::http
