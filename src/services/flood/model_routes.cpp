// /api/v1/models: what answers, since when, how often, and the basins behind it.
#include <fmt/core.h>

#include <array>

#include "pipeline/context.h"
#include "services/flood/flood.h"

namespace tidegate::flood {
namespace {

using pipeline::ContextPtr;
using pipeline::required;
using pipeline::Route;
using pipeline::Schema;

constexpr std::array<std::string_view, 2> kModels{kRiskModel, kAnomalyModel};

void write_model(JsonWriter& writer, Flood& flood, std::string_view name) {
    const bool anomaly = name == kAnomalyModel;
    const ModelUse& use = flood.use_of(anomaly);
    const auto answers = use.answers.load(std::memory_order_relaxed);
    const auto failures = use.failures.load(std::memory_order_relaxed);
    const auto all = static_cast<double>(answers + failures);
    writer.field("model_name", name).field("status", "ready");
    writer.field("version", anomaly ? kAnomalyVersion : kRiskVersion);
    writer.field("last_loaded", format_rfc3339(flood.loaded_ms()));
    writer.field("predictions_count", answers).field("failures_count", failures);
    writer.key("avg_inference_time_ms");
    all > 0 ? writer.value(static_cast<double>(use.spent_ns.load(std::memory_order_relaxed)) / all / 1e6)
            : writer.null();
    writer.key("error_rate");
    all > 0 ? writer.value(static_cast<double>(failures) / all) : writer.null();
}

void answer_models(const ContextPtr& context, Flood& flood) {
    std::string body;
    JsonWriter writer(body);
    writer.begin_object().key("models").begin_array();
    for (const std::string_view name : kModels) {
        writer.begin_object();
        write_model(writer, flood, name);
        writer.end_object();
    }
    writer.end_array().field("basins", flood.basins()->all().size()).field("devices", flood.devices()).end_object();
    context->reply_json(std::move(body));
}

/// False and answered: there is no such model.
bool is_ours(const ContextPtr& context) {
    const std::string_view name = context->path_parameter("name");
    for (const std::string_view model : kModels) {
        if (model == name) return true;
    }
    context->fail({ErrorCode::kNotFound, "There is no flood model of that name."});
    return false;
}

void answer_stats(const ContextPtr& context, Flood& flood) {
    if (!is_ours(context)) return;
    std::string body;
    JsonWriter writer(body);
    writer.begin_object();
    write_model(writer, flood, context->path_parameter("name"));
    writer.end_object();
    context->reply_json(std::move(body));
}

void write_basin(JsonWriter& writer, const Basin& basin) {
    writer.begin_object().field("id", basin.id).field("version", basin.version);
    writer.field("area_km2", basin.area_km2).field("latitude", basin.latitude).field("longitude", basin.longitude);
    writer.field("step_hours", basin.step_hours).field("data_end", format_rfc3339(basin.state_time));
    writer.field("nse_simulated", basin.fit.nse_simulated).field("nse_corrected", basin.fit.nse_corrected);
    writer.field("fitted_steps", basin.fit.rows).field("years", basin.thresholds.years);
    writer.field("response_steps", basin.response_steps).key("return_levels_m3s").begin_array();
    for (const double level : basin.thresholds.levels) writer.value(basin.discharge(level));
    writer.end_array().end_object();
}

void answer_metadata(const ContextPtr& context, Flood& flood) {
    if (!is_ours(context)) return;
    const bool anomaly = context->path_parameter("name") == kAnomalyModel;
    std::string body;
    JsonWriter writer(body);
    writer.begin_object();
    write_model(writer, flood, context->path_parameter("name"));
    if (anomaly) {
        writer.field("threshold", flood.settings().anomaly_threshold);
        writer.field("pattern_threshold", flood.settings().pattern_threshold).field("devices", flood.devices());
        writer.field("pattern_fields", flood.patterns());
    } else {
        writer.key("basins").begin_array();
        for (const auto& one : flood.basins()->all()) write_basin(writer, one->basin);
        writer.end_array();
    }
    writer.end_object();
    context->reply_json(std::move(body));
}

void answer_reload(const ContextPtr& context, Flood& flood, bool named) {
    if (named && !is_ours(context)) return;
    const auto count = flood.reload();
    if (!count) return context->fail(count.error());
    std::string body;
    JsonWriter writer(body);
    writer.begin_object().field("message", fmt::format("{} basins are loaded.", *count)).field("basins", *count);
    writer.end_object();
    context->reply_json(std::move(body));
}

std::vector<Schema::Member> model_members() {
    return {required("model_name", Schema::string()),
            required("status", Schema::string()),
            required("version", Schema::string()),
            required("last_loaded", Schema::string().format("date-time")),
            required("predictions_count",
                     Schema::integer().doc("Since the start; answers of the cache are not made anew.")),
            required("failures_count", Schema::integer()),
            required("avg_inference_time_ms", Schema::number().nullable()),
            required("error_rate", Schema::number().nullable())};
}

Route reading(std::string path, std::string operation, std::string summary) {
    Route route{.method = http::Method::kGet,
                .path = std::move(path),
                .operation = std::move(operation),
                .family = "flood",
                .summary = std::move(summary),
                .work = pipeline::Work::kCpu};  // Devices are counted under the lock of those who read sensors.
    route.scopes = {"flood:read"};
    return route;
}

Route reloading(std::string path, std::string operation, Flood& flood, bool named) {
    Route route{.method = http::Method::kPost,
                .path = std::move(path),
                .operation = std::move(operation),
                .family = "flood",
                .summary = "Reads the stored basins again, and drops the answers that were made from the former ones.",
                .work = pipeline::Work::kBlocking};
    route.response = Schema::object({required("message", Schema::string()), required("basins", Schema::integer())});
    route.scopes = {"flood:manage"};
    route.handler = [&flood, named](const ContextPtr& context) { answer_reload(context, flood, named); };
    return route;
}

}  // namespace

void register_model_routes(std::vector<Route>& routes, Flood& flood) {
    const Schema list = Schema::object({required("models", Schema::array(Schema::object(model_members()))),
                                        required("basins", Schema::integer()), required("devices", Schema::integer())});
    for (const auto& [path, operation] :
         {std::pair{"/api/v1/models", "flood_models"}, std::pair{"/api/v1/models/status", "flood_models_status"},
          std::pair{"/api/v1/models/health", "flood_models_health"}}) {
        Route route = reading(path, operation, "The flood models: state, version, how often and how long.");
        route.response = list;
        route.handler = [&flood](const ContextPtr& context) { answer_models(context, flood); };
        routes.push_back(std::move(route));
    }
    const pipeline::Parameter name{.name = "name",
                                   .schema = Schema::string().size(1, 64).doc("risk_scorer or anomaly_detector."),
                                   .required = true};
    Route metadata = reading("/api/v1/models/{name}/metadata", "flood_model_metadata",
                             "A model and what it was made from: the basins with their fit and their floods.");
    metadata.path_parameters = {name};
    metadata.response = Schema::object(model_members()).open();
    metadata.handler = [&flood](const ContextPtr& context) { answer_metadata(context, flood); };
    routes.push_back(std::move(metadata));
    Route stats =
        reading("/api/v1/models/{name}/stats", "flood_model_stats", "How often a model answered, and how long.");
    stats.path_parameters = {name};
    stats.response = Schema::object(model_members());
    stats.handler = [&flood](const ContextPtr& context) { answer_stats(context, flood); };
    routes.push_back(std::move(stats));
    routes.push_back(reloading("/api/v1/models/reload", "flood_reload", flood, false));
    Route one = reloading("/api/v1/models/{name}/reload", "flood_model_reload", flood, true);
    one.path_parameters = {name};
    routes.push_back(std::move(one));
}

void Flood::declare_metrics(observe::Registry& registry) const {
    registry.callback({.name = "tidegate_flood_basins", .help = "Basins that are loaded."}, observe::MetricType::kGauge,
                      [this](observe::Samples& out) { out.add({}, static_cast<double>(basins()->all().size())); });
    registry.callback({.name = "tidegate_flood_devices", .help = "Devices whose state is kept."},
                      observe::MetricType::kGauge,
                      [this](observe::Samples& out) { out.add({}, static_cast<double>(devices())); });
    registry.callback(
        {.name = "tidegate_flood_pattern_fields", .help = "Fields of no known kind, whose past is kept to judge them."},
        observe::MetricType::kGauge, [this](observe::Samples& out) { out.add({}, static_cast<double>(patterns())); });
    registry.callback({.name = "tidegate_flood_answers_total",
                       .help = "Answers of a flood model, and what it could not answer.",
                       .labels = {"model", "outcome"}},
                      observe::MetricType::kCounter, [this](observe::Samples& out) {
                          const auto add = [&](std::string_view name, const ModelUse& use) {
                              out.add({name, "answered"}, static_cast<double>(use.answers.load()));
                              out.add({name, "failed"}, static_cast<double>(use.failures.load()));
                          };
                          add(kRiskModel, risk_use_);
                          add(kAnomalyModel, anomaly_use_);
                      });
    registry.callback({.name = "tidegate_flood_device_saves_total",
                       .help = "States of devices that were stored, and turns in which the store refused.",
                       .labels = {"outcome"},
                       .when_it_rises = "failed: the disk or the database; readings since then are lost at a kill."},
                      observe::MetricType::kCounter, [this](observe::Samples& out) {
                          out.add({"stored"}, static_cast<double>(saved_.value()));
                          out.add({"failed"}, static_cast<double>(save_failures_.value()));
                      });
}

}  // namespace tidegate::flood
