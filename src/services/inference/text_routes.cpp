// POST /embed, /predict, /rerank, /tokenize and GET /info: as text-embeddings-inference has them
#include <algorithm>
#include <numeric>
#include <utility>

#include "base/json_writer.h"
#include "services/inference/embedding.h"
#include "services/inference/errand.h"
#include "services/inference/infer_answer.h"
#include "services/inference/text_job.h"

namespace tidegate::inference {
namespace {

using model::Task;
using pipeline::ContextPtr;
using pipeline::optional;
using pipeline::required;
using pipeline::Route;
using pipeline::Schema;

constexpr std::uint64_t kTextsBytesMax = std::uint64_t{16} * 1024 * 1024;
/// Some 70 bytes are written for a token, which may be one byte of the request.
constexpr std::uint64_t kTokenizeBytesMax = std::uint64_t{1024} * 1024;

bool flag(json::Value asked, std::string_view name, bool otherwise) {
    const auto value = asked.find(name);
    return value && value->kind() == json::Kind::kBool ? value->as_bool() : otherwise;
}

/// The model may be named, as these routes' own server cannot: it has only one.
std::string model_of(json::Value asked) {
    const auto name = asked.find("model");
    return name && name->kind() == json::Kind::kString ? std::string(name->as_string()) : std::string();
}

void reply_with(pipeline::Context& context, audit::Decision decision, std::string body) {
    std::vector<audit::Decision> decisions;
    decisions.push_back(std::move(decision));
    context.reply_recorded(std::move(decisions), std::move(body));
}

// ---- Vectors.

void embed_route(const ContextPtr& context, const InferenceParts& parts) {
    const json::Value asked = context->body();
    const auto items = read_texts(*asked.find("inputs"), "inputs", parts.settings.texts_max);
    if (!items) return context->fail(items.error());
    EmbedAsk ask;
    ask.operation = "embed/text";
    ask.model = model_of(asked);
    ask.encode.truncate = flag(asked, "truncate", false);
    ask.normalize = flag(asked, "normalize", true);
    if (const auto dimensions = asked.find("dimensions"); dimensions && dimensions->is_integer()) {
        ask.dimensions = static_cast<std::size_t>(dimensions->as_unsigned());
    }
    embed(parts, context, *items, ask, [context](Embedded& embedded) {
        std::string body = "[";
        for (const std::vector<float>& row : embedded.rows) {
            if (body.size() > 1) body.push_back(',');
            body += floats_text(row);
        }
        body.push_back(']');
        reply_with(*context, decide(*context, "embed/text", embedded), std::move(body));
    });
}

// ---- Classes.

std::string label_of(const TextModel& model, std::size_t index) {
    const auto& labels = model.config().labels;
    return index < labels.size() ? labels[index] : "LABEL_" + std::to_string(index);
}

/// Places of the scores, the best first.
std::vector<std::uint32_t> by_score(const std::vector<float>& scores) {
    std::vector<std::uint32_t> order(scores.size());
    std::iota(order.begin(), order.end(), 0U);
    std::ranges::sort(order, {}, [&](std::uint32_t at) { return std::pair(-scores[at], at); });
    return order;
}

void write_classes(JsonWriter& writer, const TextModel& model, const std::vector<float>& row) {
    writer.begin_array();
    for (const std::uint32_t at : by_score(row)) {
        writer.begin_object().key("score").raw(float_text(row[at]));
        writer.field("label", label_of(model, at)).end_object();
    }
    writer.end_array();
}

void send_classes(TextJob& job, bool single) {
    std::string body;
    JsonWriter writer(body);
    if (!single) writer.begin_array();
    for (const std::vector<float>& row : job.rows()) write_classes(writer, job.text_model, row);
    if (!single) writer.end_array();
    std::string summary;
    JsonWriter out(summary);
    out.begin_object().field("texts", job.rows().size());
    // What a single one was taken for is its class.
    std::string band;
    std::optional<double> confidence;
    if (single && !job.rows().front().empty()) {
        const std::uint32_t best = by_score(job.rows().front()).front();
        band = label_of(job.text_model, best);
        confidence = static_cast<double>(job.rows().front()[best]);
        out.field("label", band).key("score").raw(float_text(job.rows().front()[best]));
    }
    out.end_object();
    audit::Decision decision = job.decide(std::move(summary));
    if (band.size() <= 200) decision.band = std::move(band);
    if (confidence && *confidence >= 0 && *confidence <= 1) decision.confidence = confidence;
    reply_with(*job.context, std::move(decision), std::move(body));
}

void predict_route(const ContextPtr& context, const InferenceParts& parts) {
    const json::Value asked = context->body();
    const auto items = read_sequences(*asked.find("inputs"), "inputs", parts.settings.texts_max);
    if (!items) return context->fail(items.error());
    auto found = parts.texts.find(model_of(asked), Task::kClassification);
    if (!found) return context->fail(found.error());
    const bool raw = flag(asked, "raw_scores", false);
    const auto job = std::make_shared<TextJob>(parts, context, "predict/text", *std::move(found), scores, raw);
    if (!job->read(*items, {.truncate = flag(asked, "truncate", false)})) return;
    job->start([single = items->single](TextJob* done) { send_classes(*done, single); });
}

// ---- Ranks.

void send_ranks(TextJob& job, bool return_text) {
    std::vector<float> all;
    for (const std::vector<float>& row : job.rows()) {
        // One score a pair; of several classes the last is "belongs together", as the models of the field have it.
        if (row.empty()) return job.context->fail({ErrorCode::kInternal, "the model gave no score"});
        all.push_back(row.back());
    }
    std::vector<std::string_view> texts;
    if (return_text) {
        job.context->body().find("texts")->each([&](json::Value text) { texts.push_back(text.as_string()); });
    }
    std::string body;
    JsonWriter writer(body);
    writer.begin_array();
    const std::vector<std::uint32_t> order = by_score(all);
    for (const std::uint32_t at : order) {
        writer.begin_object().field("index", at).key("score").raw(float_text(all[at]));
        if (return_text) writer.field("text", texts[at]);
        writer.end_object();
    }
    writer.end_array();
    std::string summary;
    JsonWriter out(summary);
    out.begin_object().field("texts", all.size()).field("best", order.front());
    out.key("score").raw(float_text(all[order.front()])).end_object();
    reply_with(*job.context, job.decide(std::move(summary)), std::move(body));
}

void rerank_route(const ContextPtr& context, const InferenceParts& parts) {
    const json::Value asked = context->body();
    auto found = parts.texts.find(model_of(asked), Task::kRerank);
    if (!found) return context->fail(found.error());
    TextItems items;
    const std::string_view query = asked.find("query")->as_string();
    asked.find("texts")->each([&](json::Value text) {
        TextItem item;
        item.text = query;
        item.second = text.as_string();
        items.items.push_back(std::move(item));
    });
    const bool raw = flag(asked, "raw_scores", false);
    const auto job = std::make_shared<TextJob>(parts, context, "rerank/text", *std::move(found), scores, raw);
    if (!job->read(items, {.truncate = flag(asked, "truncate", false)})) return;
    job->start([return_text = flag(asked, "return_text", false)](TextJob* done) { send_ranks(*done, return_text); });
}

// ---- Tokens, and what there is.

void tokenize_route(const ContextPtr& context, const InferenceParts& parts) {
    const json::Value asked = context->body();
    const auto items = read_texts(*asked.find("inputs"), "inputs", parts.settings.texts_max);
    if (!items) return context->fail(items.error());
    Result<TextModel> found = fail(ErrorCode::kNotFound, "there is no text model");
    for (const Task task : {Task::kEmbedding, Task::kClassification, Task::kRerank}) {
        found = parts.texts.find(model_of(asked), task);
        if (found || found.error().code != ErrorCode::kNotFound) break;
    }
    if (!found) return context->fail(found.error());
    std::string body;
    JsonWriter writer(body);
    writer.begin_array();
    for (const TextItem& item : items->items) {
        if (item.is_tokens)
            return context->fail({ErrorCode::kInvalidArgument, "`inputs` must be a text or a list of texts"});
        model::Encoding encoding;
        const model::EncodeOptions options{.add_special_tokens = flag(asked, "add_special_tokens", true),
                                           .truncate = false};
        if (auto read = found->tokenizer->encode(item.text, encoding, options); !read)
            return context->fail(read.error());
        writer.begin_array();
        for (std::size_t i = 0; i < encoding.size(); ++i) {
            const bool special = encoding.special_mask[i] != 0;
            writer.begin_object().field("id", encoding.ids[i]).field("text", found->tokenizer->token(encoding.ids[i]));
            writer.field("special", special);
            if (special) {
                writer.key("start").null().key("stop").null();
            } else {
                writer.field("start", encoding.char_offsets[i].begin).field("stop", encoding.char_offsets[i].end);
            }
            writer.end_object();
        }
        writer.end_array();
    }
    writer.end_array();
    context->reply_json(std::move(body));
}

void info_route(const ContextPtr& context, const InferenceParts& parts) {
    for (const Task task : {Task::kEmbedding, Task::kClassification, Task::kRerank}) {
        const auto found = parts.texts.find("", task);
        if (!found) continue;
        std::string body;
        JsonWriter writer(body);
        writer.begin_object().field("model_id", found->model->name()).field("model_sha", found->model->sha256());
        writer.field("model_dtype", to_string(found->model->outputs().front().type)).key("model_type").begin_object();
        if (task == Task::kEmbedding) {
            writer.key("embedding").begin_object().field("pooling", to_string(found->config().pooling)).end_object();
        } else {
            writer.key(task == Task::kRerank ? "reranker" : "classifier").begin_object();
            writer.key("id2label").begin_object();
            for (std::size_t i = 0; i < found->config().labels.size(); ++i) {
                writer.field(std::to_string(i), found->config().labels[i]);
            }
            writer.end_object().end_object();
        }
        writer.end_object().field("max_input_length", found->tokens_max());
        writer.field("max_client_batch_size", parts.settings.texts_max);
        writer.field("max_batch_requests", found->model->config().max_batch_size);
        writer.field("version", parts.version).end_object();
        return context->reply_json(std::move(body));
    }
    std::string body;
    JsonWriter writer(body);
    const std::string version = built_in_version();
    writer.begin_object().field("model_id", built_in_name()).field("model_sha", version.substr(version.find('@') + 1));
    writer.field("model_dtype", "FP32").key("model_type").begin_object();
    writer.key("embedding").begin_object().field("pooling", "none").end_object().end_object();
    writer.key("max_input_length").null().field("max_client_batch_size", parts.settings.texts_max);
    writer.field("version", parts.version).end_object();
    context->reply_json(std::move(body));
}

// ---- The table.

Route text_route(std::string path, std::string operation, std::string summary, const InferenceParts& parts) {
    Route route;
    route.method = http::Method::kPost;
    route.path = std::move(path);
    route.operation = std::move(operation);
    route.family = "inference";
    route.summary = std::move(summary);
    route.work = pipeline::Work::kCpu;
    route.spend_points = Points::whole(1);
    route.scopes = {"inference:infer"};
    route.errors = pipeline::ErrorShape::kTextEmbeddings;
    route.body_bytes_max = std::min(kTextsBytesMax, parts.settings.body_bytes_max);
    return route;
}

using Handle = void (*)(const ContextPtr&, const InferenceParts&);

void add(std::vector<Route>& routes, Route route, const InferenceParts& parts, Handle handle) {
    route.handler = [parts, handle](const ContextPtr& context) { handle(context, parts); };
    routes.push_back(std::move(route));
}

/// What every one of these takes.
std::vector<Schema::Member> members(std::vector<Schema::Member> own) {
    own.push_back(optional("truncate", Schema::boolean().nullable().doc("Cut what is too long; else it is refused.")));
    own.push_back(optional("model", Schema::string().size(1, 200).doc("Ours: which model, where there are several.")));
    return own;
}

}  // namespace

void register_text_routes(std::vector<Route>& routes, const InferenceParts& parts) {
    const Schema scored = Schema::array(Schema::object({required("score", Schema::number())}).open());

    Route embeds = text_route("/embed", "embed", "Vectors of texts.", parts);
    embeds.request = Schema::object(members({
        required("inputs", Schema::any().doc("A text, texts, or token ids.")),
        optional("normalize", Schema::boolean()),
        optional("dimensions", Schema::integer().range(1, 1'000'000).nullable()),
    }));
    embeds.keep = pipeline::KeptAnswer{.version_of = [&texts = parts.texts](const pipeline::Context& context) {
        return embedding_version(texts, model_of(context.body()));
    }};
    embeds.response = Schema::array(Schema::array(Schema::number()));
    embeds.example = R"({"inputs":["The tide comes in."]})";
    add(routes, std::move(embeds), parts, embed_route);

    Route predicts = text_route("/predict", "predict_text", "Classes of texts.", parts);
    predicts.request = Schema::object(members({
        required("inputs", Schema::any().doc("A text, a pair, or lists of one or two texts.")),
        optional("raw_scores", Schema::boolean()),
    }));
    predicts.response = Schema::array(Schema::any());
    predicts.example = R"({"inputs":"The tide comes in."})";
    add(routes, std::move(predicts), parts, predict_route);

    Route ranks = text_route("/rerank", "rerank", "Which texts answer a query, the best first.", parts);
    ranks.request = Schema::object(members({
        required("query", Schema::string()),
        required("texts", Schema::array(Schema::string()).size(1, parts.settings.texts_max)),
        optional("raw_scores", Schema::boolean()),
        optional("return_text", Schema::boolean()),
    }));
    ranks.response = scored;
    ranks.example = R"({"query":"tide","texts":["The tide comes in.","A tree."]})";
    add(routes, std::move(ranks), parts, rerank_route);

    Route tokens = text_route("/tokenize", "tokenize", "Texts as tokens of a model.", parts);
    tokens.request = Schema::object({
        required("inputs", Schema::any().doc("A text or texts.")),
        optional("add_special_tokens", Schema::boolean()),
        optional("model", Schema::string().size(1, 200)),
    });
    tokens.spend_points = {};
    tokens.body_bytes_max = std::min(kTokenizeBytesMax, parts.settings.body_bytes_max);
    tokens.response = Schema::array(Schema::array(Schema::object({required("id", Schema::integer())}).open()));
    tokens.example = R"({"inputs":"The tide comes in."})";
    add(routes, std::move(tokens), parts, tokenize_route);

    Route info = text_route("/info", "text_info", "The text model that answers where none is named.", parts);
    info.method = http::Method::kGet;
    info.body_bytes_max = 0;
    info.spend_points = {};
    info.scopes = {"inference:read", "inference:infer"};
    info.response = Schema::object({required("model_id", Schema::string())}).open();
    add(routes, std::move(info), parts, info_route);
}

}  // namespace tidegate::inference
