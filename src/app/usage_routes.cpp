#include "app/usage_routes.h"

#include "pipeline/context.h"

namespace tidegate::app {
namespace {

using pipeline::ContextPtr;
using pipeline::required;
using pipeline::Route;
using pipeline::Schema;
using pipeline::spend::SpendPolicy;
using pipeline::spend::Usage;
using pipeline::spend::Zone;

Schema balance_schema() {
    return Schema::object({
        required("spent", Schema::number().doc("Points charged since the day began.")),
        required("reserved", Schema::number().doc("Points held by requests that have not ended.")),
        required("cap", Schema::number().nullable().doc("Most points a day; null: no cap.")),
        required("remaining", Schema::number().nullable().doc("cap - spent - reserved; null: no cap.")),
    });
}

Schema usage_schema() {
    const Schema time = Schema::string().format("date-time");
    return Schema::object({
        required("day", Schema::object({required("began", time), required("resets_at", time),
                                        required("time_zone", Schema::string())})
                            .doc("The calendar day of spend.time_zone.")),
        required("own", balance_schema().doc("Of the key, the token or the address that asks.")),
        required("tenant", balance_schema().nullable().doc("Of all keys of the caller's tenant; null: it has none.")),
        required("degraded", Schema::boolean().doc("Totals are this server's alone, as Redis cannot be asked.")),
    });
}

void reply_usage(const ContextPtr& context, const SpendPolicy& policy, const Zone& zone) {
    const pipeline::LoopParts* const loop = context->loop();
    if (loop == nullptr || loop->ledger == nullptr || context->caller() == nullptr) {
        return context->fail({ErrorCode::kUnavailable, "spend is not counted on this server"});
    }
    const auto& ledger = loop->ledger;
    const auto reply = [context, &zone, ledger](const Usage& usage) {
        std::string body;
        JsonWriter writer(body);
        append_json(writer, usage, zone, ledger->degraded());
        context->reply_json(std::move(body));
    };
    // Now, or on this loop when Redis has answered.
    if (const auto usage = ledger->usage(policy.payer(*context->caller()), context->clock().unix_ms(), reply))
        reply(*usage);
}

}  // namespace

void register_usage(std::vector<Route>& routes, const SpendPolicy& policy, const Zone& zone) {
    Route route;
    route.path = "/api/v1/usage";
    route.operation = "usage";
    route.family = "usage";
    route.summary = "What the caller and its tenant have spent today, and what is left.";
    route.response = usage_schema();
    route.handler = [&policy, &zone](const ContextPtr& context) { reply_usage(context, policy, zone); };
    routes.push_back(std::move(route));
}

}  // namespace tidegate::app
