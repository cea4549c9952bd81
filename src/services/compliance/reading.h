// Reading: who reads the record, what of it they may see, and the record of that.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "audit/views/history.h"
#include "base/json.h"
#include "pipeline/context.h"
#include "pipeline/schema.h"

namespace tidegate::compliance {

inline const std::vector<std::string> kReadScopes{"compliance:read", "compliance:audit"};

/// What a caller may see.
struct Reach {
    bool all = false;
    std::string tenant;  // Unless all.
    std::optional<std::string> tenant_filter() const { return all ? std::nullopt : std::optional(tenant); }
};
Reach reach_of(const pipeline::Caller* caller, bool loopback_without_keys);

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
