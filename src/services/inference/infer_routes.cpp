// POST /v2/models/{model}[/versions/{version}]/infer
#include <utility>

#include "base/strings.h"
#include "services/inference/errand.h"
#include "services/inference/infer_answer.h"

namespace tidegate::inference {
namespace {

using pipeline::ContextPtr;
using pipeline::required;
using pipeline::Schema;

/// An answer of so many bytes, a binary one of sixteen times as many, is written on the loop.
constexpr std::uint64_t kLoopWeightMax = std::uint64_t{16} * 1024;
constexpr std::size_t kDepthMax = 64;
constexpr std::string_view kHeaderLength = "Inference-Header-Content-Length";

void send_tensors(Errand& errand, model::InferAnswer& answer) {
    const auto& context = errand.context;
    InferText text = write_infer(errand.body, answer);
    std::vector<audit::Decision> decisions;
    decisions.push_back(errand.decide(answer));
    if (!text.binary) return context->reply_recorded(std::move(decisions), std::move(text.body));
    http::Response response;
    response.headers.add("Content-Type", "application/octet-stream");
    response.headers.add(kHeaderLength, std::to_string(text.json_bytes));
    response.body = std::move(text.body);
    context->reply_recorded(std::move(decisions), std::move(response));
}

void answer_infer(Errand& errand, model::InferAnswer& answer) {
    // The Decision has the body's hash, too.
    const bool small = errand.context->raw_body().size() <= kLoopBytesMax;
    if (small && weight_of(errand.body, answer) <= kLoopWeightMax) return send_tensors(errand, answer);
    // Of what was computed nothing is thrown away: a full pool means that it is written here.
    auto held = std::make_shared<model::InferAnswer>(std::move(answer));
    if (errand.parts.cpu.submit([self = errand.shared_from_this(), held] { send_tensors(*self, *held); })) return;
    send_tensors(errand, *held);
}

/// Nothing where the field is absent.
Result<std::optional<std::uint64_t>> json_bytes_of(const http::Headers& headers) {
    const auto field = headers.get(kHeaderLength);
    if (!field) return std::nullopt;
    const auto bytes = parse_u64(*field);
    if (!bytes) return fail(ErrorCode::kInvalidArgument, std::string(kHeaderLength) + " must be a number of bytes");
    return bytes;
}

Result<InferBody> read_body(const Errand& errand) {
    const http::Headers& headers = errand.context->head().headers;
    if (headers.get("Content-Encoding")) {
        return fail(ErrorCode::kUnsupportedMedia, "Compressed request bodies are not accepted.");
    }
    TG_TRY(const auto json_bytes, json_bytes_of(headers));
    const std::string_view body = errand.context->raw_body();
    if (json_bytes == std::uint64_t{0}) return read_raw(body, *errand.model);
    return read_infer(body, json_bytes, kDepthMax);
}

void read_and_submit_tensors(Errand& errand) {
    auto body = read_body(errand);
    if (!body) return errand.context->fail(body.error());
    errand.body = *std::move(body);
    errand.submit(answer_infer);
}

void infer(const ContextPtr& context, const InferenceParts& parts) {
    auto model = find_model(parts, context->path_parameter("model"), context->path_parameter("version"));
    if (!model) return context->fail(model.error());
    const auto errand = Errand::begin(parts, context, "infer/tensor");
    errand->model = *std::move(model);
    errand->run(context->raw_body().size() <= kLoopBytesMax, read_and_submit_tensors);
}

Schema tensor_schema() {
    return Schema::object({
        required("name", Schema::string()),
        required("datatype", Schema::string()),
        required("shape", Schema::array(Schema::integer())),
        pipeline::optional("data", Schema::array(Schema::any())),
        pipeline::optional("parameters", Schema::object({}).open()),
    });
}

}  // namespace

void register_infer_routes(std::vector<pipeline::Route>& routes, const InferenceParts& parts) {
    for (const bool versioned : {false, true}) {
        pipeline::Route route;
        route.method = http::Method::kPost;
        route.path = versioned ? "/v2/models/{model}/versions/{version}/infer" : "/v2/models/{model}/infer";
        route.operation = versioned ? "infer_version" : "infer";
        route.family = "inference";
        route.summary =
            "Tensors through a model: Open Inference Protocol v2, JSON or with the binary tensor extension.";
        route.path_parameters = {{.name = "model", .schema = Schema::string()}};
        if (versioned) route.path_parameters.push_back({.name = "version", .schema = Schema::string()});
        route.response = Schema::object({
            required("model_name", Schema::string()),
            required("model_version", Schema::string()),
            pipeline::optional("id", Schema::string()),
            required("outputs", Schema::array(tensor_schema())),
        });
        route.spend_points = Points::whole(1);
        route.scopes = {"inference:infer"};
        route.errors = pipeline::ErrorShape::kInference;
        route.body_bytes_max = parts.settings.body_bytes_max;
        route.raw_body = true;
        route.raw_type = "application/json";
        route.raw_example = R"({"inputs":[{"name":"x","shape":[1,4],"datatype":"FP32","data":[1,2,3,4]}]})";
        // Off unless cache.answers names it: only its owner knows whether a model always answers the same.
        route.keep = pipeline::KeptAnswer{.version_of = [parts](const pipeline::Context& context) {
            const auto model = find_model(parts, context.path_parameter("model"), context.path_parameter("version"));
            return model ? (*model)->full_version() : std::string();
        }};
        route.handler = [parts](const ContextPtr& context) { infer(context, parts); };
        routes.push_back(std::move(route));
    }
}

}  // namespace tidegate::inference
