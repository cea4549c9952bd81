// Fuzzes the rules of the HTTP cache over texts of header fields: whatever they say, nothing is read beyond its end, what restricts
// is never overlooked, and what one function writes the other reads back.
#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "base/assert.h"
#include "http/message.h"
#include "http/syntax.h"
#include "pipeline/cache/rules/cache_status.h"
#include "pipeline/cache/rules/conditional.h"
#include "pipeline/cache/rules/forwarding.h"
#include "pipeline/cache/rules/http_date.h"
#include "pipeline/cache/rules/invalidation.h"
#include "pipeline/cache/rules/reuse.h"
#include "pipeline/cache/rules/storable.h"
#include "pipeline/cache/rules/structured_field.h"
#include "pipeline/cache/rules/target_key.h"
#include "pipeline/cache/rules/validation.h"
#include "pipeline/cache/rules/vary.h"

namespace tidegate::cache::rules {
namespace {

constexpr UnixMillis kNow = 1'772'366'400'000;

/// Lines `name:value`, as the parser of the http room would let them through.
http::Headers read_lines(std::string_view text) {
    http::Headers out;
    while (!text.empty() && out.fields().size() < 40) {
        const std::size_t end = std::min(text.find('\n'), text.size());
        const std::string_view line = text.substr(0, end);
        text.remove_prefix(std::min(end + 1, text.size()));
        const std::size_t colon = line.find(':');
        if (colon == std::string_view::npos || !http::syntax::is_token(line.substr(0, colon))) continue;
        const std::string_view value = http::syntax::trim_blank(line.substr(colon + 1));
        if (value.empty() || http::syntax::all(value, http::syntax::kValueChar)) out.add(line.substr(0, colon), value);
    }
    return out;
}

RoutePolicy policy_of(std::uint8_t bits) {
    RoutePolicy policy;
    policy.heuristics = (bits & 1U) != 0;
    policy.strict_age = (bits & 2U) != 0;
    policy.stale_when_gone = (bits & 4U) != 0;
    policy.share_set_cookie = (bits & 8U) != 0;
    policy.select_language = (bits & 16U) != 0;
    policy.trust_any_304 = (bits & 32U) != 0;
    policy.store_unfresh = (bits & 64U) != 0;
    if ((bits & 128U) != 0) policy.wishes = ClientWishes::all();
    return policy;
}

void check_store_and_reuse(const http::Headers& request, const http::Headers& response, const RoutePolicy& policy) {
    const RequestFacts facts = read_request(http::Method::kGet, request, false);
    const StoreDecision kept = storable({facts, "/a/b?c", kNow - 50, kNow}, {200, response}, policy);
    // Whatever else stands there, these win.
    http::Headers secret = response;
    secret.add("Cache-Control", "no-store");
    secret.remove("CDN-Cache-Control");
    secret.remove("Tidegate-Cache-Control");
    const bool understood = read_cache_control(secret).must_understand;
    TG_ASSERT(understood || !storable({facts, "/", kNow, kNow}, {200, secret}, policy).store());
    if (!kept.store()) return;
    TG_ASSERT(!read_vary(response).star);
    std::uint32_t age = 0;
    for (const UnixMillis after : {UnixMillis{0}, UnixMillis{999}, UnixMillis{1000}, UnixMillis{86'400'000}}) {
        const ReuseDecision d = reuse(facts, kept.times, kept.flags, policy, kNow + after);
        TG_ASSERT(d.age_s >= age);
        age = d.age_s;
        const bool never_stale = (kept.flags & (kMustRevalidate | kNoCache)) != 0;
        const bool sent_stale = d.use == Use::kStale || d.use == Use::kStaleRevalidate;
        TG_ASSERT(!never_stale || !sent_stale);
        TG_ASSERT(d.use != Use::kFresh || is_fresh(kept.times, kNow + after));
    }
    const http::Headers fields = stored_fields(response, kept);
    for (const auto& [name, value] : fields.fields()) TG_ASSERT(name != "Connection" && name != "Age");
    std::string selecting;
    const VaryNames names = read_vary(fields);
    selecting_text(names.names, request, policy, selecting);
    TG_ASSERT(variant_fits({names.names, selecting, ""}, request, policy));
    const http::Headers merged = updated_by_304(fields, request, policy);
    TG_ASSERT(merged.count("Content-Length") == 0);
}

void check_conditions(const http::Headers& request, const http::Headers& response) {
    const std::string etag(response.get("etag").value_or(""));
    const std::string modified(response.get("last-modified").value_or(""));
    const Answer a = answer_for(http::Method::kGet, request, {200, etag, modified, kNow, 11}, kNow);
    TG_ASSERT(a.kind != Answer::Kind::kPart || (a.first <= a.last && a.last < 11));
    const std::array<Candidate, 1> stored{Candidate{etag, modified, kNow}};
    http::Headers validation;
    add_validators(stored, 0, validation);
    // Asked with what we hold, we would say ourselves that it has not changed.
    if (!validation.fields().empty()) {
        TG_ASSERT(answer_for(http::Method::kGet, validation, {200, etag, modified, kNow, 11}, kNow).kind ==
                  Answer::Kind::kNotModified);
    }
    effect_of_head(200, response, etag, modified, 11);
}

void check_texts(std::string_view text) {
    if (const auto time = parse_http_date(text, kNow)) {
        TG_ASSERT(*time % 1000 == 0);
    }
    if (const auto list = sf::parse_list(text)) {
        const auto written = sf::serialize(*list);
        TG_ASSERT(written && sf::parse_list(*written) == list);
    }
    if (const auto dictionary = sf::parse_dictionary(text)) {
        const auto written = sf::serialize(*dictionary);
        TG_ASSERT(written && sf::parse_dictionary(*written) == dictionary);
    }
    const std::array<OriginName, 1> origins{OriginName{"http", "a"}};
    const std::string target = same_origin_target(text, "/a/b?c", origins);
    TG_ASSERT(target.empty() || target.front() == '/');
    if (check_target(text, {})) {
        const std::string_view path = text.substr(0, text.find('?'));
        TG_ASSERT(path.find("/../") == std::string_view::npos && !path.ends_with("/.."));
        TG_ASSERT(filter_query(text, {{"x*"}}).size() <= text.size());
    }
    std::string status;
    append_cache_status({.hit = true, .key = text, .detail = text}, status);
    TG_ASSERT(sf::parse_list(status).has_value());
}

void check_forwarding(const http::Headers& request) {
    http::RequestHead head;
    head.method = http::Method::kGet;
    head.method_text = "GET";
    head.headers = request;
    head.peer_address = "192.0.2.1";
    const auto out = forward_request_headers(head, {.upstream_authority = "o"});
    if (!out) return;
    TG_ASSERT(out->count("Host") == 1 && out->count("X-Forwarded-For") == 1);
    TG_ASSERT(out->get("X-Forwarded-For") == "192.0.2.1");
    for (const std::string_view name : {"Connection", "Transfer-Encoding", "Content-Length", "Upgrade", "TE"}) {
        TG_ASSERT(out->count(name) == 0);
    }
    TG_ASSERT(is_loop(*out, "tidegate"));
}

}  // namespace
}  // namespace tidegate::cache::rules

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    using namespace tidegate::cache::rules;
    if (size < 2) return 0;
    const RoutePolicy policy = policy_of(data[0]);
    const std::string_view text(reinterpret_cast<const char*>(data) + 1, size - 1);
    const std::size_t middle = std::min(text.find('\0'), text.size());
    const tidegate::http::Headers request = read_lines(text.substr(0, middle));
    const tidegate::http::Headers response = read_lines(text.substr(middle));
    check_store_and_reuse(request, response, policy);
    check_conditions(request, response);
    check_forwarding(request);
    check_texts(text);
    return 0;
}
