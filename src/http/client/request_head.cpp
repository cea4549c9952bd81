#include "http/client/request_head.h"

#include <algorithm>
#include <array>

#include "http/client/fields.h"
#include "http/client/origin.h"
#include "http/syntax.h"

namespace tidegate::http {
namespace {

std::unexpected<Error> refuse(const char* message) {
    return fail(ErrorCode::kInvalidArgument, message);
}

bool is_client_own(std::string_view name) noexcept {
    return is_connection_field(name) || (name.size() == 14 && iequals(name, "content-length")) ||
           (name.size() == 6 && iequals(name, "expect"));
}

/// A method whose request without a body says so with `Content-Length: 0` (RFC 9110, 8.6).
bool announces_empty_body(std::string_view method) noexcept {
    return method == "POST" || method == "PUT" || method == "PATCH";
}

Result<void> check(const ClientRequest& request) {
    if (!syntax::is_token(request.method) || request.method == "CONNECT") return refuse("the method cannot be sent");
    const bool path = request.target.starts_with('/') && syntax::all(request.target, syntax::kTargetChar);
    if (!path && request.target != "*") return refuse("the target is not a path of visible ASCII characters");
    if (request.upgrade.empty()) return {};
    if (!syntax::is_token(request.upgrade)) return refuse("the protocol to upgrade to is no token");
    if (request.streamed || !request.body.empty()) return refuse("an upgrade cannot have a body");
    return {};
}

void add_field(std::string& out, std::string_view name, std::string_view value) {
    out.append(name).append(": ").append(value).append("\r\n");
}

void add_framing(std::string& out, const ClientRequest& request) {
    if (!request.upgrade.empty()) {
        add_field(out, "Connection", "Upgrade");
        add_field(out, "Upgrade", request.upgrade);
    } else if (request.streamed && !request.content_length) {
        add_field(out, "Transfer-Encoding", "chunked");
    } else if (request.streamed) {
        add_field(out, "Content-Length", std::to_string(*request.content_length));
    } else if (!request.body.empty() || announces_empty_body(request.method)) {
        add_field(out, "Content-Length", std::to_string(request.body.size()));
    }
}

}  // namespace

bool is_idempotent(std::string_view method) noexcept {
    constexpr std::array<std::string_view, 6> kMethods = {"GET", "HEAD", "PUT", "DELETE", "OPTIONS", "TRACE"};
    return std::ranges::find(kMethods, method) != kMethods.end();
}

Result<std::string> write_request_head(const Origin& origin, const ClientRequest& request) {
    TG_CHECK(check(request));
    // The request line, framing and a Host of our own fit into what a usual head leaves of this.
    std::size_t bytes = request.method.size() + request.target.size() + 128;
    int hosts = 0;
    for (const auto& [name, value] : request.headers.fields()) {
        if (!syntax::is_token(name)) return refuse("a header name is no token");
        if (!request.headers.is_plain() && !value.empty() && !syntax::all(value, syntax::kValueChar)) {
            return refuse("a control character in a header value");
        }
        if (name.size() == 4 && iequals(name, "host")) ++hosts;
        bytes += name.size() + value.size() + 4;
    }
    if (hosts > 1) return refuse("two Host headers");
    std::string out;
    out.reserve(bytes);
    out.append(request.method).append(" ").append(request.target).append(" HTTP/1.1\r\n");
    if (hosts == 0) add_field(out, "Host", authority_of(origin));
    for (std::size_t i = 0; i < request.headers.size(); ++i) {
        if (!is_client_own(request.headers.field(i).first)) out.append(request.headers.line(i));
    }
    add_framing(out, request);
    out.append("\r\n");
    return out;
}

}  // namespace tidegate::http
