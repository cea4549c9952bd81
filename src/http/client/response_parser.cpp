#include "http/client/response_parser.h"

#include <algorithm>
#include <cstring>

#include "base/strings.h"
#include "http/client/fields.h"
#include "http/syntax.h"

namespace tidegate::http {
namespace {

// 19 digits always fit into 64 bits.
constexpr std::size_t kContentLengthDigitsMax = 19;

// Each costs a pass over the fields.
constexpr std::uint32_t kNamedMax = 32;

bool is_digit(char c) noexcept {
    return c >= '0' && c <= '9';
}

std::optional<std::uint64_t> parse_length(std::string_view text) noexcept {
    if (text.empty() || text.size() > kContentLengthDigitsMax) return std::nullopt;
    return std::ranges::all_of(text, is_digit) ? parse_u64(text) : std::nullopt;
}

}  // namespace

void ResponseParser::reset(bool to_head) {
    head_ = ResponseHead();
    upgrade_.clear();
    named_.clear();
    error_ = {};
    line_start_ = scanned_ = 0;
    fields_ = named_count_ = 0;
    framing_ = Framing::kNone;
    to_head_ = to_head;
    started_ = done_ = http_1_1_ = close_ = keep_alive_ = chunked_ = false;
}

bool ResponseParser::fail(std::string_view error) noexcept {
    error_ = error;
    return false;
}

ResponseParser::Status ResponseParser::parse(std::string_view input) {
    while (!done_) {
        const char* found = nullptr;
        if (scanned_ < input.size()) {
            found = static_cast<const char*>(std::memchr(input.data() + scanned_, '\n', input.size() - scanned_));
        }
        // The limit looks at how far the line reaches, whole or not, so that the splitting makes no difference.
        const std::size_t line_end = found != nullptr ? static_cast<std::size_t>(found - input.data()) : input.size();
        if (line_end > head_bytes_max_) {
            fail("the head is too long");
            return Status::kError;
        }
        if (found == nullptr) {
            scanned_ = input.size();
            return Status::kNeedMore;
        }
        std::string_view line = input.substr(line_start_, line_end - line_start_);
        if (line.empty() || line.back() != '\r') {
            fail("a line that does not end with CR LF");
            return Status::kError;
        }
        line.remove_suffix(1);
        line_start_ = scanned_ = line_end + 1;
        if (started_ && line.empty()) {
            if (!finish()) return Status::kError;
            done_ = true;
        } else if (started_ ? !take_field(line) : !take_status_line(line)) {
            return Status::kError;
        }
    }
    return Status::kDone;
}

bool ResponseParser::take_status_line(std::string_view line) {
    started_ = true;
    if (!line.starts_with("HTTP/")) return fail("the answer does not begin with a status line");
    if (!line.starts_with("HTTP/1.1 ") && !line.starts_with("HTTP/1.0 ")) return fail("not HTTP/1.1 or HTTP/1.0");
    http_1_1_ = line[7] == '1';
    const std::string_view status = line.substr(9, 3);
    // A reason phrase may be missing, and with it, though it should not, the blank before it.
    if (status.size() != 3 || !std::ranges::all_of(status, is_digit) || (line.size() > 12 && line[12] != ' ')) {
        return fail("malformed status line");
    }
    head_.status = (status[0] - '0') * 100 + (status[1] - '0') * 10 + (status[2] - '0');
    if (head_.status < 100 || head_.status > 599) return fail("a status outside 100 to 599");
    const std::string_view reason = line.substr(12);
    if (!reason.empty() && !syntax::all(reason, syntax::kValueChar)) {
        return fail("a control character in the status line");
    }
    return true;
}

bool ResponseParser::take_field(std::string_view line) {
    if (line.front() == ' ' || line.front() == '\t') return fail("a folded header line");
    const std::size_t colon = line.find(':');
    if (colon == std::string_view::npos) return fail("a header line without a colon");
    const std::string_view name = line.substr(0, colon);
    if (!syntax::is_token(name)) return fail("a malformed header name");
    const std::string_view value = syntax::trim_blank(line.substr(colon + 1));
    if (!value.empty() && !syntax::all(value, syntax::kValueChar)) return fail("a control character in a header value");
    if (++fields_ > kFieldsMax) return fail("too many header fields");
    bool keep = true;
    if (!note_field(name, value, keep)) return false;
    if (keep) head_.headers.add(name, value);
    return true;
}

bool ResponseParser::note_field(std::string_view name, std::string_view value, bool& keep) {
    if (name.size() == 14 && iequals(name, "content-length")) {
        keep = !head_.content_length.has_value();
        return take_content_length(value);
    }
    if (!is_connection_field(name)) return true;
    keep = false;
    if (name.size() == 17) return take_transfer_encoding(value);
    if (iequals(name, "connection")) return take_connection(value);
    if (iequals(name, "upgrade")) upgrade_.assign(value);
    return true;
}

bool ResponseParser::take_content_length(std::string_view value) {
    const auto length = parse_length(value);
    if (!length) return fail("malformed Content-Length");
    if (head_.content_length && *head_.content_length != *length) return fail("two Content-Lengths that differ");
    head_.content_length = length;
    return true;
}

bool ResponseParser::take_transfer_encoding(std::string_view value) {
    if (chunked_) return fail("two Transfer-Encoding headers");
    if (!iequals(value, "chunked")) return fail("a transfer coding other than a single chunked");
    chunked_ = true;
    return true;
}

bool ResponseParser::take_connection(std::string_view value) {
    for_each_element(value, [this](std::string_view option) {
        if (iequals(option, "close")) {
            close_ = true;
        } else if (iequals(option, "keep-alive")) {
            keep_alive_ = true;
        } else if (!is_connection_field(option)) {
            if (named_.size() < kNamedMax) named_.emplace_back(option);
            ++named_count_;
        }
    });
    return named_count_ <= kNamedMax || fail("too many connection options");
}

bool ResponseParser::finish() {
    if (chunked_ && head_.content_length) return fail("Content-Length together with Transfer-Encoding");
    if (chunked_ && !http_1_1_) return fail("Transfer-Encoding in HTTP/1.0");
    for (const std::string& name : named_) head_.headers.remove(name);
    const bool bodiless = to_head_ || head_.status < 200 || head_.status == 204 || head_.status == 304;
    head_.has_body = !bodiless;
    if (bodiless) {
        framing_ = Framing::kNone;
    } else if (chunked_) {
        framing_ = Framing::kChunked;
    } else if (head_.content_length) {
        framing_ = *head_.content_length > 0 ? Framing::kLength : Framing::kNone;
    } else {
        framing_ = Framing::kUntilClose;
    }
    return true;
}

}  // namespace tidegate::http
