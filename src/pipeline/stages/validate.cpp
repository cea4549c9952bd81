// Stage "validate": the parameters and the JSON body against what the route declares.
//
// Position    On the thread of the handler, before it; on the loop for a small question whose answer may be kept.
// Guarantee   A handler sees only what its schema allows; every fault is named, all of them in one answer (400, 422).
// Memory      The parsed document, bounded by the body and pipeline.json_depth_max.
// Threads     Whichever the route names.
#include <algorithm>
#include <utility>

#include "pipeline/dispatcher.h"

namespace tidegate::pipeline {

Step Stages::validate(Dispatcher& dispatcher, Context& context) {
    if (std::exchange(context.validated_, true)) return Step::kNext;
    if (!context.parse_parameters() || !context.parse_body(dispatcher.settings_.json_depth_max)) return Step::kAnswered;
    if (context.route_->route.request) context.end_stage("validate");
    if (context.findings_.errors.empty()) return Step::kNext;
    context.fail(std::move(context.findings_.errors));
    return Step::kAnswered;
}

bool Context::parse_body(std::uint32_t depth_max) {
    const auto& schema = route_->route.request;
    if (!schema) return true;
    auto document = json::parse(exchange_.body(), {.depth_max = depth_max});
    if (!document) {
        fail(document.error());
        return false;
    }
    document_ = *std::move(document);
    schema->validate(document_->root(), "", findings_);
    return true;
}

bool Context::parse_parameters() {
    const Route& route = route_->route;
    if (route.raw_body) return true;  // The query is the upstream's.
    for (const Parameter& parameter : route.path_parameters) {
        parameter.schema.validate_text(path_parameter(parameter.name), parameter.name, findings_);
    }
    if (head().query.empty() && route.query.empty()) return true;
    auto pairs = http::parse_query(head().query);
    if (!pairs) {
        fail({ErrorCode::kInvalidArgument, "The query string holds a broken % escape."});
        return false;
    }
    for (const auto& [name, value] : *pairs) {
        const auto declared = std::ranges::find(route.query, name, &Parameter::name);
        if (declared != route.query.end()) {
            declared->schema.validate_text(value, name, findings_);
        } else if (findings_.warnings.size() < Findings::kWarningsMax) {
            findings_.warnings.push_back("unknown query parameter ignored: " + name.substr(0, 64));
        }
    }
    query_values_ = *std::move(pairs);
    for (const Parameter& parameter : route.query) {
        if (parameter.required && !query(parameter.name)) {
            findings_.errors.push_back({parameter.name, "is required", "missing"});
        }
    }
    return true;
}

}  // namespace tidegate::pipeline
