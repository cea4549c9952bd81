// Reading: who reads the record, what of it they may see, and the record of that.
#pragma once

#include <initializer_list>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "audit/views/history.h"
#include "base/json.h"
#include "pipeline/context.h"
#include "pipeline/route.h"
#include "pipeline/schema.h"

namespace tidegate::compliance {

inline const std::vector<std::string> kReadScopes{"compliance:read", "compliance:audit"};

inline constexpr std::string_view kAudit = "compliance:audit";
inline constexpr std::string_view kOfficer = "compliance:officer";

/// Named among the scopes, as itself or by the family `compliance`; `*` is no name. An admin's key has every name; without a
/// caller (a server without identity, in tests alone) too.
bool is_named(const pipeline::Caller* caller, std::string_view scope);

/// What a caller may see or change.
struct Reach {
    bool all = false;
    std::string tenant;  // Unless all.
    bool sees(std::string_view other) const noexcept { return all || tenant == other; }
    std::optional<std::string> tenant_filter() const { return all ? std::nullopt : std::optional(tenant); }
};
/// All for a key without a tenant whose scopes name one of `for_all`; else its tenant's, or what has none.
Reach reach_of(const pipeline::Caller* caller, bool loopback_without_keys,
               std::initializer_list<std::string_view> for_all = {kAudit});

/// What holds on every route of the record: an unknown member or parameter is refused (what was misspelt would hold, reset or give
/// too much), and what is an officer's alone needs a key that names it.
void guard(pipeline::Route& route, bool loopback_without_keys);

/// The name of a service, an operation, a model.
pipeline::Schema name_schema();
/// The members of a filter, in a body or as query parameters.
std::vector<pipeline::Schema::Member> filter_members();
std::vector<pipeline::Parameter> filter_parameters();
/// The filter of a request, cut to the caller's reach. Nothing when the request was refused: an unknown member (a filter that
/// does not filter would give too much), another's tenant, an empty window.
enum class From : std::uint8_t { kBody, kQuery };
std::optional<audit::HistoryFilter> take_filter(pipeline::Context& context, const Reach& reach, From from);
/// The filter as JSON.
std::string to_json(const audit::HistoryFilter& filter);

/// The event that says who read what: `operation` is `access/query` and the like, `what` JSON.
audit::Decision access_event(pipeline::Context& context, std::string_view operation, std::string what);
/// Waits until it is durable. On a thread for waiting.
Result<void> record_access(pipeline::Context& context, audit::Decision event);

/// Of one record, as append_json(Decision) writes it.
pipeline::Schema record_schema();

}  // namespace tidegate::compliance
