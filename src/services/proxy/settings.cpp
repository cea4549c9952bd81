#include "services/proxy/settings.h"

namespace tidegate::proxy {
namespace {

using std::chrono::hours;
using std::chrono::milliseconds;
using std::chrono::minutes;
using std::chrono::seconds;

void declare_cache(settings::Table& table, CacheOptions& c) {
    table.add("cache.mode", c.mode, "http")
        .choices({"off", "http", "fixed"})
        .doc("`http`: as RFC 9111 allows, no lifetime of our own; `fixed`: for cache.ttl_s, POST by its body too.");
    table.add("cache.ttl_s", c.ttl, seconds(0))
        .range(seconds(0), hours(24 * 365))
        .doc("With `fixed`: how long an answer stays fresh when the upstream does not say.");
    table.add("cache.stale_while_revalidate_s", c.stale_while_revalidate, seconds(0))
        .range(seconds(0), hours(24 * 30))
        .doc("After that, how long it is still given while one request fetches it anew.");
    table.add("cache.stale_if_error_s", c.stale_if_error, seconds(0))
        .range(seconds(0), hours(24 * 30))
        .doc("After that, how long it is still given when the upstream fails.");
    table.add("cache.shared", c.shared, false).doc("Tenants share answers; false keeps each tenant's apart.");
    table.add("cache.client_may_bypass", c.client_may_bypass, true)
        .doc("Obey a client's `Cache-Control: no-cache` and the like; false where asking anew is expensive.");
    table.add("cache.stale_when_gone", c.stale_when_gone, false)
        .doc("Give a stale answer when the upstream cannot be reached, where RFC 9111 allows it.");
    table.add("cache.heuristics", c.heuristics, false)
        .doc("A tenth of the time since Last-Modified counts as lifetime when the upstream does not say.");
    table.add("cache.strict_age", c.strict_age, false)
        .doc("An Age of the upstream that is not one number makes its answer stale; false ignores such an Age.");
    table.add("cache.share_set_cookie", c.share_set_cookie, false)
        .doc("Keep answers that set a cookie, and set it for everybody.");
    table.add("cache.store_post", c.store_post, false)
        .doc("A POST's answer that names its own target in Content-Location serves later GETs.");
    table.add("cache.select_language", c.select_language, false)
        .doc("Meet `Vary: Accept-Language` by the Content-Language that the client likes best.");
    table.add("cache.trust_any_304", c.trust_any_304, false)
        .doc("A 304 that names another strong tag than the one sent still confirms a lone kept answer.");
    table.add("cache.decimals", c.decimals, 0)
        .range(0, 15)
        .doc("With `fixed` and a JSON body: numbers that agree to so many decimals are one question; 0: exactly.");
    table.add("cache.credential_headers", c.credential_headers, {})
        .doc(
            "Request fields by which the upstream knows its callers, beside Authorization and Cookie: an answer to a "
            "request with "
            "one of them is kept as if it had Authorization.");
    table.add("cache.tags", c.tags, {}).doc("Words by which these answers can be dropped together.");
}

void declare_record(settings::Table& table, RouteOptions& r) {
    table.add("record", r.record, "all")
        .choices({"all", "misses", "off"})
        .doc("Which answers leave a Decision: all, those that the upstream made, or none.");
    table.add("answer_after", r.answer_after, "")
        .choices({"", "durable", "accepted"})
        .doc("When an answer may leave: see audit.answer_after; empty: as that says.");
    table.add("record_output_bytes_max", r.record_output_bytes_max, 4096)
        .range(0, 1U << 20U)
        .bytes()
        .doc("A JSON answer up to this size is kept in its Decision; a longer one by hash and size.");
}

}  // namespace

void declare_header_rule(settings::Table& table, HeaderRule& rule) {
    table.add("name", rule.name, "").doc("Name of the field.");
    table.add("value", rule.value, "").doc("What it is set to; empty removes it.");
}

void declare_route(settings::Table& table, RouteOptions& r) {
    table.add("name", r.name, "").doc("For metrics, limits and records; empty: made from the path.");
    table.add("path", r.path, "").required().doc("`/predict`, `/items/{id}`, or `/app/{rest...}` for all below.");
    table.add("methods", r.methods, {}).doc("Methods passed on; empty: every one.");
    table.add("upstream", r.upstream, "").required().doc("Which of `upstreams` answers.");
    table.add("strip_prefix", r.strip_prefix, "").doc("Taken off the path before it is passed on.");
    table.add("add_prefix", r.add_prefix, "").doc("Put before the path that is passed on.");
    table.add("family", r.family, "proxy").doc("The scope that a key needs, and the tag in documents.");
    table.add("access", r.access, "key")
        .choices({"key", "open"})
        .doc("`key`: as identity.required says; `open`: nobody is asked, Authorization is the upstream's.");
    table.add("cost", r.cost, "0").doc("Points that one answer costs, such as 1 or 0.1.");
    table.add("rate", r.rate, "").doc("So many requests of one caller, such as `100/1m`; empty: no limit of its own.");
    table.add("body_bytes_max", r.body_bytes_max, 10U << 20U)
        .range(0, 1ULL << 40U)
        .bytes()
        .doc("Longest request body; a longer one gets 413.");
    declare_record(table, r);
    table.add("priority", r.priority, "interactive")
        .choices({"interactive", "batch"})
        .doc("Who goes first when the upstream's queue is not empty.");
    table.add("deadline_s", r.deadline, seconds(60))
        .range(milliseconds(10), minutes(60))
        .doc("A request that cannot be answered in this time is refused early.");
    table.add("websocket", r.websocket, false).doc("Pass WebSocket connections through.");
    table.add("forward_host", r.forward_host, false).doc("Send the client's Host on; false sends the upstream's own.");
    table.add("via", r.via, "tidegate")
        .doc("Our name in Via, by which a loop is seen; give each installation of a chain its own.");
    table.add("query_drop", r.query_drop, {}).doc("Query parameters that are not passed on; `utm_*` drops by prefix.");
    table.list("request_headers", r.request_headers, declare_header_rule,
               "Fields set (or, with an empty value, removed) on the way to the upstream.");
    table.list("response_headers", r.response_headers, declare_header_rule, "Fields set (or removed) on the way back.");
    declare_cache(table, r.cache);
    upstream::declare_batch(table, r.batch);
}

}  // namespace tidegate::proxy
