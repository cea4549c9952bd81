// POST /v2/repository/...: the index, loading and unloading
#include <utility>

#include "base/json_writer.h"
#include "pipeline/context.h"
#include "services/inference/errand.h"

namespace tidegate::inference {
namespace {

using pipeline::ContextPtr;
using pipeline::optional;
using pipeline::required;
using pipeline::Route;
using pipeline::Schema;

/// Triton's own bound on a config given with a load.
constexpr std::uint64_t kLoadBytesMax = std::uint64_t{2} * 1024 * 1024;
constexpr std::uint64_t kIndexBytesMax = 4096;

/// Real clients send no body at all.
Result<bool> asks_ready_only(std::string_view body) {
    if (body.empty()) return false;
    TG_TRY(const json::Document document, json::parse(body));
    if (document.root().kind() != json::Kind::kObject) {
        return fail(ErrorCode::kInvalidArgument, "the request must be a JSON object");
    }
    const auto wanted = document.root().find("ready");
    if (!wanted) return false;
    if (wanted->kind() == json::Kind::kBool) return wanted->as_bool();
    return fail(ErrorCode::kInvalidArgument, "`ready` must be true or false");
}

void reply_index(const ContextPtr& context, const InferenceParts& parts) {
    const auto ready_only = asks_ready_only(context->raw_body());
    if (!ready_only) return context->fail(ready_only.error());
    std::string body;
    JsonWriter writer(body);
    writer.begin_array();
    const auto index = parts.repository != nullptr ? parts.repository->index() : std::vector<model::ModelStatus>{};
    for (const model::ModelStatus& one : index) {
        if (*ready_only && one.state != model::ModelState::kReady) continue;
        writer.begin_object().field("name", one.name);
        if (!one.version.empty()) writer.field("version", one.version);
        writer.field("state", to_string(one.state)).field("reason", one.reason);
        if (!one.sha256.empty()) writer.field("sha256", one.sha256);
        writer.end_object();
    }
    writer.end_array();
    context->reply_json(std::move(body));
}

/// The config of a load; whatever else stands there would be ignored, so it is refused.
Result<model::LoadOverride> read_override(json::Value body) {
    model::LoadOverride made;
    const auto parameters = body.find("parameters");
    if (!parameters || parameters->kind() == json::Kind::kNull) return made;
    std::string refused;
    parameters->each_member([&](std::string_view name, json::Value value) {
        if (name == "config" && value.kind() == json::Kind::kString) {
            made.config_json = value.as_string();
        } else if (refused.empty()) {
            refused = name.substr(0, 64);
        }
    });
    if (refused.empty()) return made;
    if (refused == "config") return fail(ErrorCode::kInvalidArgument, "the parameter `config` must be JSON as a text");
    if (refused.starts_with("file:")) {
        return fail(
            ErrorCode::kInvalidArgument,
            "the parameter `" + refused + "`: files are not taken from requests; put the model into its folder");
    }
    return fail(ErrorCode::kInvalidArgument, "the parameter `" + refused + "` is not known; `config` is");
}

/// Triton's answer is empty.
void reply_done(const ContextPtr& context) {
    context->reply_json("{}");
}

void load(const ContextPtr& context, const InferenceParts& parts) {
    if (parts.repository == nullptr) return context->fail(find_model(parts, "").error());
    const auto changes = read_override(context->body());
    if (!changes) return context->fail(changes.error());
    const auto done = parts.repository->load(std::string(context->path_parameter("model")), *changes);
    done ? reply_done(context) : context->fail(done.error());
}

void unload(const ContextPtr& context, const InferenceParts& parts) {
    if (parts.repository == nullptr) return context->fail(find_model(parts, "").error());
    const auto done = parts.repository->unload(std::string(context->path_parameter("model")));
    done ? reply_done(context) : context->fail(done.error());
}

}  // namespace

void register_repository_routes(std::vector<Route>& routes, const InferenceParts& parts) {
    Route index;
    index.method = http::Method::kPost;
    index.path = "/v2/repository/index";
    index.operation = "repository_index";
    index.family = "inference";
    index.work = pipeline::Work::kBlocking;  // In mode explicit the folder is read.
    index.summary = "Every model that lies in the folder, its versions, whether they serve and why not.";
    index.body_bytes_max = kIndexBytesMax;
    index.raw_body = true;
    index.raw_type = "application/json";
    index.raw_example = R"({"ready":false})";
    index.response = Schema::array(Schema::object({
        required("name", Schema::string()),
        optional("version", Schema::string()),
        required("state", Schema::string().one_of({"LOADING", "READY", "UNLOADING", "UNAVAILABLE"})),
        required("reason", Schema::string()),
        optional("sha256", Schema::string().doc("Of the file that serves.")),
    }));
    index.scopes = {"inference:read", "inference:infer", "inference:manage"};
    index.errors = pipeline::ErrorShape::kInference;
    index.handler = [parts](const ContextPtr& context) { reply_index(context, parts); };
    routes.push_back(std::move(index));

    for (const bool loads : {true, false}) {
        Route route;
        route.method = http::Method::kPost;
        route.path = loads ? "/v2/repository/models/{model}/load" : "/v2/repository/models/{model}/unload";
        route.operation = loads ? "load_model" : "unload_model";
        route.family = "inference";
        route.summary = loads ? "Reads a model's folder anew and swaps it in; a failure keeps the old one."
                              : "Takes a model away; what is in work is finished.";
        route.work = pipeline::Work::kBlocking;
        route.path_parameters = {{.name = "model", .schema = Schema::string()}};
        route.request = Schema::object({optional("parameters", Schema::object({}).open().nullable())});
        route.body_bytes_max = kLoadBytesMax;
        route.example = "{}";
        route.response = Schema::object({});
        route.scopes = {"inference:manage"};
        route.errors = pipeline::ErrorShape::kInference;
        route.handler = loads ? pipeline::Handler([parts](const ContextPtr& context) { load(context, parts); })
                              : pipeline::Handler([parts](const ContextPtr& context) { unload(context, parts); });
        routes.push_back(std::move(route));
    }
}

}  // namespace tidegate::inference
