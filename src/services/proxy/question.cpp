#include "services/proxy/question.h"

#include <array>

#include "base/canonical_json.h"
#include "base/strings.h"
#include "pipeline/cache/rules/forwarding.h"
#include "pipeline/cache/rules/target_key.h"

namespace tidegate::proxy {
namespace {

/// The body as the cache asks by it: canonical when it is JSON, else its bytes.
std::string body_key(std::string_view body, unsigned decimals) {
    if (const auto document = json::parse(body)) {
        // As rounded as it is: answers in Redis may have been asked for with other decimals.
        std::string text = decimals == 0 ? "json " : "json~" + std::to_string(decimals) + " ";
        json::append_canonical(text, document->root(), decimals);
        return text;
    }
    return "raw " + std::string(body);
}

}  // namespace

std::string key_text(const ProxyRoute& route, const Question& question) {
    const std::string_view scheme = route.upstream->pool.target(0).origin.tls ? "https" : "http";
    std::string text =
        cache::rules::key_text(question.method, question.method_text, scheme, question.host, question.target);
    text.append("\nroute ").append(route.options.name).append(" ").append(route.shape);
    if (!route.options.cache.shared && question.tenant) text.append("\ntenant ").append(*question.tenant);
    if (question.method != http::Method::kPost) return text;
    // The same bytes under another type are another question: whoever sends them so must not answer for the others.
    if (!question.kind.empty()) text.append("\nkind ").append(question.kind);
    text += "\n" + body_key(question.body, route.options.cache.decimals);
    return text;
}

std::string body_kind(const http::Headers& fields) {
    std::string kind;
    for (const auto& [name, value] : fields.fields()) {
        const bool type = iequals(name, "Content-Type");
        if (!type && !iequals(name, "Content-Encoding")) continue;
        kind.append(type ? "type " : "coding ").append(to_lower(trim(value))).append(";");
    }
    if (kind == "type application/json;" || kind == "type application/json; charset=utf-8;") return {};
    return kind.empty() ? "none" : kind;
}

std::string pack_replay(const Replay& replay) {
    std::string text;
    for (const std::string* line :
         {&replay.method, &replay.route, &replay.host, &replay.target, &replay.content_type}) {
        text.append(*line).push_back('\n');
    }
    return text + replay.body;
}

std::optional<Replay> unpack_replay(std::string_view text) {
    Replay replay;
    for (std::string* line : {&replay.method, &replay.route, &replay.host, &replay.target, &replay.content_type}) {
        const std::size_t end = text.find('\n');
        if (end == std::string_view::npos) return std::nullopt;
        *line = text.substr(0, end);
        text.remove_prefix(end + 1);
    }
    replay.body = text;
    return replay;
}

Result<FetchRequest> request_of(const Replay& replay, const ProxyRoute& route) {
    http::RequestHead head;
    head.method_text = replay.method;
    head.method = replay.method == "POST" ? http::Method::kPost : http::Method::kGet;
    head.target = replay.target;
    head.peer_address = "127.0.0.1";
    head.headers.add("Host", replay.host);
    if (!replay.content_type.empty()) head.headers.add("Content-Type", replay.content_type);
    auto fields = cache::rules::forward_request_headers(head, route.forward);
    if (!fields) return fail(ErrorCode::kInvalidArgument, std::string(fields.error().detail));
    FetchRequest request;
    request.call.method = replay.method;
    request.call.target = replay.target;
    request.call.headers = *std::move(fields);
    for (const HeaderRule& rule : route.options.request_headers) {
        request.call.headers.remove(rule.name);
        if (!rule.value.empty()) request.call.headers.add(rule.name, rule.value);
    }
    request.call.body = replay.body;
    request.idempotent = upstream::is_idempotent(replay.method);
    request.priority = upstream::Priority::kBatch;
    return request;
}

}  // namespace tidegate::proxy
