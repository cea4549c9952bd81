// GET /v1/models, GET /v1/models/{model}, POST /v1/embeddings: as OpenAI has them
#include <algorithm>
#include <bit>
#include <utility>

#include "audit/proof/base64.h"
#include "base/json_writer.h"
#include "services/inference/embedding.h"
#include "services/inference/errand.h"

namespace tidegate::inference {
namespace {

using model::ModelPtr;
using pipeline::ContextPtr;
using pipeline::optional;
using pipeline::required;
using pipeline::Route;
using pipeline::Schema;

constexpr std::string_view kOperation = "embeddings/text";
/// 2048 texts of 8 KB.
constexpr std::uint64_t kEmbeddingsBytesMax = std::uint64_t{16} * 1024 * 1024;

void write_model(JsonWriter& writer, std::string_view id, UnixMillis loaded_at) {
    writer.begin_object().field("id", id).field("object", "model");
    writer.field("created", loaded_at / 1000).field("owned_by", "tidegate").end_object();
}

/// A model once, whatever versions of it serve.
std::vector<ModelPtr> models_of(const InferenceParts& parts) {
    std::vector<ModelPtr> models;
    if (parts.repository == nullptr) return models;
    for (ModelPtr& one : parts.repository->ready()) {
        if (models.empty() || models.back()->name() != one->name()) models.push_back(std::move(one));
    }
    return models;
}

void list_models(const ContextPtr& context, const InferenceParts& parts) {
    std::string body;
    JsonWriter writer(body);
    writer.begin_object().field("object", "list").key("data").begin_array();
    for (const ModelPtr& model : models_of(parts)) write_model(writer, model->name(), model->loaded_at());
    write_model(writer, built_in_name(), 0);
    writer.end_array().end_object();
    context->reply_json(std::move(body));
}

void show_model(const ContextPtr& context, const InferenceParts& parts) {
    std::string body;
    JsonWriter writer(body);
    if (context->path_parameter("model") == built_in_name()) {
        write_model(writer, built_in_name(), 0);
        return context->reply_json(std::move(body));
    }
    const auto model = find_model(parts, context->path_parameter("model"));
    if (!model) return context->fail(model.error());
    write_model(writer, (*model)->name(), (*model)->loaded_at());
    context->reply_json(std::move(body));
}

/// Little-endian float32, as OpenAI's clients read it.
std::string base64_of(std::span<const float> vector) {
    static_assert(std::endian::native == std::endian::little);
    return audit::proof::encode_base64({reinterpret_cast<const char*>(vector.data()), vector.size_bytes()});
}

void send_embeddings(pipeline::Context& context, const Embedded& embedded, bool base64) {
    std::string body;
    body.reserve(256 + embedded.rows.size() * (64 + embedded.rows.front().size() * (base64 ? 6 : 12)));
    JsonWriter writer(body);
    writer.begin_object().field("object", "list").key("data").begin_array();
    for (std::size_t i = 0; i < embedded.rows.size(); ++i) {
        writer.begin_object().field("object", "embedding").field("index", i).key("embedding");
        if (base64) {
            writer.value(std::string_view(base64_of(embedded.rows[i])));
        } else {
            writer.raw(floats_text(embedded.rows[i]));
        }
        writer.end_object();
    }
    writer.end_array().field("model", embedded.model);
    writer.key("usage").begin_object().field("prompt_tokens", embedded.tokens);
    writer.field("total_tokens", embedded.tokens).end_object().end_object();
    std::vector<audit::Decision> decisions;
    decisions.push_back(decide(context, kOperation, embedded));
    context.reply_recorded(std::move(decisions), std::move(body));
}

void embeddings(const ContextPtr& context, const InferenceParts& parts) {
    const json::Value asked = context->body();
    const auto items = read_texts(*asked.find("input"), "input", parts.settings.texts_max);
    if (!items) return context->fail(items.error());
    const auto format = asked.find("encoding_format");
    const bool base64 = format && format->kind() == json::Kind::kString && format->as_string() == "base64";
    EmbedAsk ask;
    ask.operation = kOperation;
    ask.model = asked.find("model")->as_string();
    if (const auto dimensions = asked.find("dimensions"); dimensions && dimensions->is_integer()) {
        ask.dimensions = static_cast<std::size_t>(dimensions->as_unsigned());
    }
    embed(parts, context, *items, ask,
          [context, base64](Embedded& embedded) { send_embeddings(*context, embedded, base64); });
}

Route route_of(http::Method method, std::string path, std::string operation, std::string summary) {
    Route route;
    route.method = method;
    route.path = std::move(path);
    route.operation = std::move(operation);
    route.family = "inference";
    route.summary = std::move(summary);
    route.scopes = {"inference:read", "inference:infer"};
    route.errors = pipeline::ErrorShape::kOpenAi;
    return route;
}

Schema model_schema() {
    return Schema::object({
        required("id", Schema::string()),
        required("object", Schema::string().one_of({"model"})),
        required("created",
                 Schema::integer().doc("When it was loaded, in seconds since 1970; 0: it is part of the program.")),
        required("owned_by", Schema::string()),
    });
}

Schema embeddings_schema() {
    return Schema::object({
        required("object", Schema::string().one_of({"list"})),
        required("data", Schema::array(Schema::object({
                             required("object", Schema::string()),
                             required("index", Schema::integer()),
                             required("embedding", Schema::any().doc("Numbers, or base64 of little-endian float32.")),
                         }))),
        required("model", Schema::string()),
        required("usage", Schema::object({
                              required("prompt_tokens", Schema::integer().doc("Of the model's own tokenizer.")),
                              required("total_tokens", Schema::integer()),
                          })),
    });
}

}  // namespace

void register_openai_routes(std::vector<Route>& routes, const InferenceParts& parts) {
    Route list = route_of(http::Method::kGet, "/v1/models", "openai_models", "The models that serve.");
    list.response = Schema::object({
        required("object", Schema::string().one_of({"list"})),
        required("data", Schema::array(model_schema())),
    });
    list.handler = [parts](const ContextPtr& context) { list_models(context, parts); };
    routes.push_back(std::move(list));

    Route show = route_of(http::Method::kGet, "/v1/models/{model}", "openai_model", "One model.");
    show.path_parameters = {{.name = "model", .schema = Schema::string()}};
    show.response = model_schema();
    show.handler = [parts](const ContextPtr& context) { show_model(context, parts); };
    routes.push_back(std::move(show));

    Route route = route_of(http::Method::kPost, "/v1/embeddings", "openai_embeddings",
                           "Vectors of texts, as OpenAI's API has them.");
    route.work = pipeline::Work::kCpu;
    route.scopes = {"inference:infer"};
    route.request = Schema::object({
        required("model", Schema::string().size(1, 200)),
        required("input", Schema::any().doc("A text, texts, token ids, or lists of token ids.")),
        optional("encoding_format", Schema::string().one_of({"float", "base64"}).nullable()),
        optional("dimensions", Schema::integer().range(1, 1'000'000).nullable()),
        optional("user", Schema::string().nullable()),
    });
    route.keep = pipeline::KeptAnswer{.version_of = [&texts = parts.texts](const pipeline::Context& context) {
        return embedding_version(texts, context.body().find("model")->as_string());  // The schema has seen it.
    }};
    route.response = embeddings_schema();
    route.spend_points = Points::whole(1);
    route.body_bytes_max = std::min(kEmbeddingsBytesMax, parts.settings.body_bytes_max);
    route.example = R"({"model":"tidegate-hash-embed-1","input":["The tide comes in."]})";
    route.handler = [parts](const ContextPtr& context) { embeddings(context, parts); };
    routes.push_back(std::move(route));
}

}  // namespace tidegate::inference
