// GET /v2..., of the server and its models: health, metadata, config, statistics
#include <array>
#include <utility>

#include "base/json_writer.h"
#include "pipeline/context.h"
#include "services/inference/errand.h"

namespace tidegate::inference {
namespace {

using model::ModelPtr;
using pipeline::ContextPtr;
using pipeline::required;
using pipeline::Route;
using pipeline::Schema;

/// What of the protocol and of Triton's extensions is offered.
constexpr std::array<std::string_view, 7> kExtensions{"classification",      "model_repository",   "schedule_policy",
                                                      "model_configuration", "binary_tensor_data", "parameters",
                                                      "statistics"};

using Handle = void (*)(const ContextPtr&, const InferenceParts&);

/// An empty answer, as Triton gives it: clients look at the status alone.
void reply_empty(const ContextPtr& context) {
    http::Response response;
    response.headers.add("Content-Type", "text/plain");
    context->reply(std::move(response));
}

void live(const ContextPtr& context, const InferenceParts&) {
    reply_empty(context);
}

void ready(const ContextPtr& context, const InferenceParts& parts) {
    if (!parts.ready()) return context->fail({ErrorCode::kUnavailable, "the server cannot answer now; see /health"});
    if (parts.repository != nullptr && !parts.repository->all_ready()) {
        return context->fail({ErrorCode::kUnavailable, "a model that should serve does not; see /v2/repository/index"});
    }
    reply_empty(context);
}

void server_metadata(const ContextPtr& context, const InferenceParts& parts) {
    std::string body;
    JsonWriter writer(body);
    writer.begin_object().field("name", "tidegate").field("version", parts.version).key("extensions").begin_array();
    for (const std::string_view name : kExtensions) writer.value(name);
    writer.end_array().end_object();
    context->reply_json(std::move(body));
}

/// Of the path; answers where there is none.
ModelPtr asked_model(const ContextPtr& context, const InferenceParts& parts) {
    auto model = find_model(parts, context->path_parameter("model"), context->path_parameter("version"));
    if (model) return *std::move(model);
    context->fail(model.error());
    return nullptr;
}

void model_ready(const ContextPtr& context, const InferenceParts& parts) {
    if (asked_model(context, parts)) reply_empty(context);
}

void write_tensors(JsonWriter& writer, std::string_view key, const std::vector<model::TensorInfo>& tensors) {
    writer.key(key).begin_array();
    for (const model::TensorInfo& tensor : tensors) {
        writer.begin_object().field("name", tensor.name).field("datatype", to_string(tensor.type));
        writer.key("shape").raw(tensor.shape.text()).end_object();
    }
    writer.end_array();
}

void model_metadata(const ContextPtr& context, const InferenceParts& parts) {
    const ModelPtr model = asked_model(context, parts);
    if (!model) return;
    std::string body;
    JsonWriter writer(body);
    writer.begin_object().field("name", model->name()).key("versions").begin_array();
    for (const ModelPtr& one : parts.repository->ready()) {
        if (one->name() == model->name()) writer.value(std::string_view(one->version()));
    }
    writer.end_array().field("platform", "onnxruntime_onnx");
    write_tensors(writer, "inputs", model->inputs());
    write_tensors(writer, "outputs", model->outputs());
    writer.end_object();
    context->reply_json(std::move(body));
}

void model_config(const ContextPtr& context, const InferenceParts& parts) {
    if (const ModelPtr model = asked_model(context, parts)) context->reply_json(to_triton_json(model->config()));
}

void write_count(JsonWriter& writer, std::string_view key, const model::Count& count) {
    writer.key(key).begin_object().field("count", count.count).field("ns", count.ns).end_object();
}

void write_statistics(JsonWriter& writer, const model::Model& model) {
    const model::ModelStatistics stats = model.statistics();
    writer.begin_object().field("name", model.name()).field("version", model.version());
    writer.field("last_inference", stats.last_inference).field("inference_count", stats.inference_count);
    writer.field("execution_count", stats.execution_count);
    writer.key("inference_stats").begin_object();
    write_count(writer, "success", stats.success);
    write_count(writer, "fail", stats.fail);
    write_count(writer, "queue", stats.queue);
    write_count(writer, "compute_input", stats.compute_input);
    write_count(writer, "compute_infer", stats.compute_infer);
    write_count(writer, "compute_output", stats.compute_output);
    write_count(writer, "cache_hit", {});  // Answers of models are not kept (docs/serve-your-model.md).
    write_count(writer, "cache_miss", {});
    writer.end_object().key("batch_stats").begin_array();
    for (const auto& batch : stats.batches) {
        writer.begin_object().field("batch_size", batch.batch_size);
        write_count(writer, "compute_input", batch.compute_input);
        write_count(writer, "compute_infer", batch.compute_infer);
        write_count(writer, "compute_output", batch.compute_output);
        writer.end_object();
    }
    writer.end_array();
    writer.key("memory_usage").begin_array();
    // What is counted is the machine's memory; of the GPU's the runtime tells nothing.
    writer.begin_object().field("type", "CPU").field("id", 0);
    writer.field("byte_size", model.memory_bytes()).end_object().end_array();
    // Ours: why batches were as large as they were, and what waits now.
    writer.key("cuts").begin_object().field("full", stats.cut_full).field("time", stats.cut_time);
    writer.field("idle", stats.cut_idle).end_object();
    writer.field("waiting_rows", stats.waiting_rows).end_object();
}

void reply_statistics(const ContextPtr& context, const std::vector<ModelPtr>& models) {
    std::string body;
    JsonWriter writer(body);
    writer.begin_object().key("model_stats").begin_array();
    for (const ModelPtr& model : models) write_statistics(writer, *model);
    writer.end_array().end_object();
    context->reply_json(std::move(body));
}

void model_statistics(const ContextPtr& context, const InferenceParts& parts) {
    if (ModelPtr model = asked_model(context, parts)) reply_statistics(context, {std::move(model)});
}

void all_statistics(const ContextPtr& context, const InferenceParts& parts) {
    reply_statistics(context, parts.repository != nullptr ? parts.repository->ready() : std::vector<ModelPtr>{});
}

// ---- The table.

Schema count_schema() {
    return Schema::object({required("count", Schema::integer()), required("ns", Schema::integer())});
}

Schema statistics_schema() {
    return Schema::object({required(
        "model_stats", Schema::array(Schema::object({
                           required("name", Schema::string()),
                           required("version", Schema::string()),
                           required("last_inference", Schema::integer().doc("Milliseconds since 1970; 0: none yet.")),
                           required("inference_count", Schema::integer().doc("Rows.")),
                           required("execution_count", Schema::integer().doc("Passes of the model.")),
                           required("inference_stats", Schema::object({required("success", count_schema()),
                                                                       required("fail", count_schema()),
                                                                       required("queue", count_schema())})
                                                           .open()),
                           required("batch_stats", Schema::array(Schema::object({}).open())),
                           required("memory_usage", Schema::array(Schema::object({}).open())),
                           required("cuts", Schema::object({}).open().doc("Why batches were cut.")),
                           required("waiting_rows", Schema::integer()),
                       })))});
}

Schema metadata_schema() {
    const Schema tensors = Schema::array(Schema::object({
        required("name", Schema::string()),
        required("datatype", Schema::string()),
        required("shape", Schema::array(Schema::integer()).doc("-1: each request chooses.")),
    }));
    return Schema::object({
        required("name", Schema::string()),
        required("versions", Schema::array(Schema::string())),
        required("platform", Schema::string()),
        required("inputs", tensors),
        required("outputs", tensors),
    });
}

struct Line {
    std::string_view path;
    std::string_view operation;
    std::string_view summary;
    Handle handle;
    Schema response;
    bool empty = false;  // The status is the answer.
};

Route route_of(const Line& line, const InferenceParts& parts, bool versioned) {
    Route route;
    route.method = http::Method::kGet;
    route.path = line.path;
    route.operation = std::string(line.operation) + (versioned ? "_version" : "");
    route.family = "inference";
    route.summary = line.summary;
    route.response = line.response;
    if (line.empty) route.response_type = "text/plain";
    route.scopes = {"inference:read", "inference:infer"};
    route.errors = pipeline::ErrorShape::kInference;
    route.handler = [parts, handle = line.handle](const ContextPtr& context) { handle(context, parts); };
    return route;
}

}  // namespace

void register_model_routes(std::vector<Route>& routes, const InferenceParts& parts) {
    const Schema metadata = Schema::object({
        required("name", Schema::string()),
        required("version", Schema::string()),
        required("extensions", Schema::array(Schema::string())),
    });
    const Line server[] = {
        {"/v2/health/live", "inference_live", "Is the process alive?", live, Schema::any(), true},
        {"/v2/health/ready", "inference_ready", "Does every model serve that should? 503 when not.", ready,
         Schema::any(), true},
        {"/v2", "inference_server", "Name, version and extensions of this server.", server_metadata, metadata},
        {"/v2/", "inference_server_slash", "As /v2.", server_metadata, metadata},
        {"/v2/models/stats", "models_statistics", "Statistics of all models that serve.", all_statistics,
         statistics_schema()},
    };
    for (const Line& line : server) {
        Route route = route_of(line, parts, false);
        if (line.empty) route.access = pipeline::Access::kOpen;
        routes.push_back(std::move(route));
    }
    const Line of_model[] = {
        {"", "model_metadata", "Inputs, outputs and versions of a model.", model_metadata, metadata_schema()},
        {"/ready", "model_ready", "Does this model serve?", model_ready, Schema::any(), true},
        {"/config", "model_config", "The model's config in Triton's words.", model_config,
         Schema::object({required("name", Schema::string())}).open()},
        {"/stats", "model_statistics", "What the model did: counts, times, batch sizes, why batches were cut.",
         model_statistics, statistics_schema()},
    };
    for (const Line& line : of_model) {
        for (const bool versioned : {false, true}) {
            Route route = route_of(line, parts, versioned);
            route.path =
                (versioned ? "/v2/models/{model}/versions/{version}" : "/v2/models/{model}") + std::string(line.path);
            route.path_parameters = {{.name = "model", .schema = Schema::string()}};
            if (versioned) route.path_parameters.push_back({.name = "version", .schema = Schema::string()});
            routes.push_back(std::move(route));
        }
    }
}

}  // namespace tidegate::inference
