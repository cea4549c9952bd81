#include "pipeline/identity/cors.h"

#include <algorithm>

#include "base/strings.h"

namespace tidegate::pipeline {
namespace {

std::unexpected<Error> bad_cors(std::string message) {
    return fail(ErrorCode::kInvalidArgument, std::move(message));
}

bool is_lower_or_digit(char c) noexcept {
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
}

/// RFC 9110, 5.6.2.
bool is_field_name(std::string_view text) noexcept {
    constexpr std::string_view kOthers = "!#$%&'*+-.^_`|~";
    return !text.empty() && std::ranges::all_of(text, [&](char c) {
        return is_lower_or_digit(c) || (c >= 'A' && c <= 'Z') || kOthers.find(c) != std::string_view::npos;
    });
}

/// As a browser writes it: `scheme://host[:port]`, lower case, without the port that the scheme implies.
Result<void> check_origin(const std::string& origin) {
    const std::string name = "cors.allowed_origins: `" + origin + "` ";
    const std::size_t mark = origin.find("://");
    if (mark == std::string::npos || mark == 0) return bad_cors(name + "is not of the form https://host[:port]");
    const std::string_view scheme = std::string_view(origin).substr(0, mark);
    const std::string_view host = std::string_view(origin).substr(mark + 3);
    const auto in_scheme = [](char c) { return is_lower_or_digit(c) || c == '+' || c == '-' || c == '.'; };
    const auto in_host = [](char c) {
        return is_lower_or_digit(c) || c == '-' || c == '.' || c == ':' || c == '[' || c == ']' || c == '_';
    };
    if (!std::ranges::all_of(scheme, in_scheme) || host.empty() || !std::ranges::all_of(host, in_host)) {
        return bad_cors(name + "must be lower case, without path, blank or slash at its end");
    }
    if ((scheme == "https" && host.ends_with(":443")) || (scheme == "http" && host.ends_with(":80"))) {
        return bad_cors(name + "must leave out the port that its scheme implies, as browsers do");
    }
    return {};
}

Result<std::string> join_names(const std::vector<std::string>& names, std::string_view setting) {
    std::string joined;
    for (const std::string& name : names) {
        if (!is_field_name(name)) return bad_cors(std::string(setting) + ": `" + name + "` is no name of a field");
        joined += (joined.empty() ? "" : ", ") + name;
    }
    return joined;
}

void add_vary(std::string_view names, http::Headers& response) {
    const auto present = response.get("Vary");
    if (!present) return response.add("Vary", names);
    if (*present == "*") return;
    response.set("Vary", std::string(*present) + ", " + std::string(names));
}

}  // namespace

Result<Cors> Cors::create(const CorsSettings& settings) {
    Cors cors;
    for (const std::string& origin : settings.allowed_origins) {
        if (origin == "*") {
            cors.any_ = true;
            continue;
        }
        TG_CHECK(check_origin(origin));
        cors.origins_.push_back(origin);
    }
    if (cors.any_ && settings.allow_credentials) {
        return bad_cors(
            "cors.allow_credentials together with the origin `*` would let every page act as its visitor; name the "
            "origins");
    }
    if (cors.any_) cors.origins_.clear();
    std::ranges::sort(cors.origins_);
    cors.credentials_ = settings.allow_credentials;
    TG_TRY(cors.allowed_headers_, join_names(settings.allowed_headers, "cors.allowed_headers"));
    TG_TRY(cors.exposed_headers_, join_names(settings.exposed_headers, "cors.exposed_headers"));
    cors.max_age_s_ = std::to_string(std::chrono::duration_cast<std::chrono::seconds>(settings.max_age).count());
    return cors;
}

bool Cors::allows(std::string_view origin) const noexcept {
    return any_ || std::binary_search(origins_.begin(), origins_.end(), origin);
}

void Cors::add_origin(std::string_view origin, http::Headers& response) const {
    response.set("Access-Control-Allow-Origin", any_ ? "*" : origin);
    if (credentials_) response.set("Access-Control-Allow-Credentials", "true");
}

std::optional<Cors::Preflight> Cors::preflight(http::Method method, const http::Headers& request,
                                               std::string_view methods) const {
    if (!is_open() || method != http::Method::kOptions) return std::nullopt;
    const auto origin = request.get("Origin");
    if (!origin || !request.get("Access-Control-Request-Method")) return std::nullopt;
    Preflight answer;
    answer.allowed = request.count("Origin") == 1 && allows(*origin);
    // The allowed lists are the same for everybody; browsers hold the request against them.
    if (!any_) answer.headers.add("Vary", "Origin");
    if (!answer.allowed) return answer;
    add_origin(*origin, answer.headers);
    answer.headers.add("Access-Control-Allow-Methods", methods);
    if (!allowed_headers_.empty()) answer.headers.add("Access-Control-Allow-Headers", allowed_headers_);
    answer.headers.add("Access-Control-Max-Age", max_age_s_);
    return answer;
}

void Cors::decorate(const http::Headers& request, http::Headers& response) const {
    if (!is_open()) return;
    if (!any_) add_vary("Origin", response);
    const auto origin = request.get("Origin");
    if (!origin || request.count("Origin") != 1 || !allows(*origin)) return;
    add_origin(*origin, response);
    if (!exposed_headers_.empty()) response.set("Access-Control-Expose-Headers", exposed_headers_);
}

}  // namespace tidegate::pipeline
