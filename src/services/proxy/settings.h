// The routes that lead to other services: one element of the list `routes` in the settings.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "pipeline/upstream/settings.h"
#include "settings/table.h"

namespace tidegate::proxy {

/// Set or, with an empty value, remove a field on its way.
struct HeaderRule {
    std::string name;
    std::string value;
};

struct CacheOptions {
    std::string mode = "http";
    Duration ttl{};
    Duration stale_while_revalidate{};
    Duration stale_if_error{};
    bool shared = false;
    bool client_may_bypass = true;
    bool stale_when_gone = false;
    bool heuristics = false;
    bool strict_age = false;
    bool share_set_cookie = false;
    bool store_post = false;
    bool select_language = false;
    bool trust_any_304 = false;
    std::uint32_t decimals = 0;
    std::vector<std::string> credential_headers;
    std::vector<std::string> tags;
};

struct RouteOptions {
    std::string name;
    std::string path;
    std::vector<std::string> methods;
    std::string upstream;
    std::string strip_prefix;
    std::string add_prefix;
    std::string family;
    std::string access;
    std::string cost;
    std::string rate;
    std::uint64_t body_bytes_max = 0;
    std::string record;
    std::string answer_after;
    std::uint64_t record_output_bytes_max = 0;
    std::string priority;
    Duration deadline{};
    bool websocket = false;
    bool forward_host = false;
    std::string via;
    std::vector<HeaderRule> request_headers;
    std::vector<HeaderRule> response_headers;
    std::vector<std::string> query_drop;
    CacheOptions cache;
    upstream::BatchSettings batch;
};

void declare_header_rule(settings::Table& table, HeaderRule& rule);
void declare_route(settings::Table& table, RouteOptions& route);

}  // namespace tidegate::proxy
