#include "http/target.h"

#include "base/hex_value.h"
#include "base/strings.h"
#include "base/utf8.h"

namespace tidegate::http {
namespace {

using syntax::all;

/// Decodes into `out`; an empty view when well-formed, else what is wrong.
std::string_view decode_path(std::string_view raw, std::string& out) {
    bool beyond_ascii = false;
    for (std::size_t i = 0; i < raw.size(); ++i) {
        char c = raw[i];
        if (c == '\\') return "a backslash in the path";
        if (c == '%') {
            const int high = i + 2 < raw.size() ? hex_value(raw[i + 1]) : -1;
            const int low = i + 2 < raw.size() ? hex_value(raw[i + 2]) : -1;
            if (high < 0 || low < 0) return "a broken percent escape in the path";
            const int value = high * 16 + low;
            if (value < 0x20 || value == 0x7F) return "an encoded control character in the path";
            if (value == '/' || value == '\\') return "an encoded slash or backslash in the path";
            c = static_cast<char>(value);
            i += 2;
        }
        beyond_ascii |= static_cast<unsigned char>(c) >= 0x80;
        out.push_back(c);
    }
    if (beyond_ascii && !utf8::is_valid(out)) return "the path is not UTF-8";
    return {};
}

/// RFC 3986, 5.2.4, on the decoded path, in place.
void remove_dot_segments(std::string& path) {
    if (path.find("/.") == std::string::npos) return;
    std::string clean;
    clean.reserve(path.size());
    const std::string_view view = path;
    for (std::size_t start = 0; start < view.size();) {
        std::size_t end = view.find('/', start + 1);
        if (end == std::string_view::npos) end = view.size();
        const std::string_view segment = view.substr(start + 1, end - start - 1);
        const bool last = end == view.size();
        if (segment == ".") {
            if (last) clean.push_back('/');
        } else if (segment == "..") {
            const std::size_t parent = clean.rfind('/');
            clean.resize(parent == std::string::npos ? 0 : parent);
            if (last) clean.push_back('/');
        } else {
            clean.append(view.substr(start, end - start));
        }
        start = end;
    }
    if (clean.empty()) clean = "/";
    path = std::move(clean);
}

std::expected<void, SyntaxError> split_path(std::string_view raw, RequestHead& head) {
    const std::size_t mark = raw.find('?');
    head.query.clear();
    if (mark != std::string_view::npos) head.query.assign(raw.substr(mark + 1));
    head.path.clear();
    const std::string_view wrong = decode_path(raw.substr(0, mark), head.path);
    if (!wrong.empty()) return std::unexpected(SyntaxError{400, wrong});
    if (head.path.empty()) head.path = "/";
    remove_dot_segments(head.path);
    return {};
}

}  // namespace

bool is_valid_authority(std::string_view text) noexcept {
    std::string_view host = text;
    std::string_view port;
    if (text.starts_with('[')) {
        const std::size_t end = text.find(']');
        if (end == std::string_view::npos || end < 3) return false;
        host = text.substr(1, end - 1);
        for (const char c : host) {
            if (hex_value(c) < 0 && c != ':' && c != '.') return false;
        }
        port = text.substr(end + 1);
        if (!port.empty() && port.front() != ':') return false;
    } else {
        const std::size_t colon = text.find(':');
        host = text.substr(0, colon);
        if (colon != std::string_view::npos) port = text.substr(colon);
        if (host.empty()) return false;
        for (const char c : host) {
            // unreserved, sub-delims and escapes of RFC 3986's reg-name; '_' occurs in names of containers.
            if (!(syntax::kClasses[static_cast<unsigned char>(c)] & syntax::kTokenChar) && c != '(' && c != ')' &&
                c != ',' && c != ';' && c != '=') {
                return false;
            }
        }
    }
    if (port.size() > 6) return false;
    for (const char c : port.substr(port.empty() ? 0 : 1)) {
        if (c < '0' || c > '9') return false;
    }
    return true;
}

std::expected<std::string_view, SyntaxError> parse_target(RequestHead& head) {
    const std::string_view target = head.target;
    if (!all(target, syntax::kTargetChar)) {
        return std::unexpected(SyntaxError{400, "a byte in the request target that must be percent-encoded"});
    }
    std::string_view authority;
    std::string_view raw = target;
    if (target == "*") {
        if (head.method != Method::kOptions) {
            return std::unexpected(SyntaxError{400, "the target * is for OPTIONS only"});
        }
        head.path = "*";
        head.query.clear();
        return authority;
    }
    if (!target.starts_with('/')) {
        std::size_t scheme = 0;
        if (target.size() > 7 && iequals(target.substr(0, 7), "http://")) scheme = 7;
        if (target.size() > 8 && iequals(target.substr(0, 8), "https://")) scheme = 8;
        if (scheme == 0) return std::unexpected(SyntaxError{400, "the request target is not a path"});
        const std::size_t end = target.find_first_of("/?", scheme);
        authority = target.substr(scheme, end == std::string_view::npos ? end : end - scheme);
        if (!is_valid_authority(authority)) {
            return std::unexpected(SyntaxError{400, "the authority of the request target is malformed"});
        }
        raw = end == std::string_view::npos ? std::string_view("/") : target.substr(end);
    }
    if (auto split = split_path(raw, head); !split) return std::unexpected(split.error());
    return authority;
}

}  // namespace tidegate::http
