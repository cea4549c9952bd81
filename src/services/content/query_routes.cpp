// POST /query/rag and GET /query/search: what the tenant's texts say, with the places where they say it.
#include <algorithm>
#include <set>

#include "base/utf8.h"
#include "services/content/content_json.h"
#include "services/content/replies.h"
#include "services/content/search/answer.h"

namespace tidegate::content {
namespace {

using pipeline::ContextPtr;
using pipeline::optional;
using pipeline::required;
using pipeline::Schema;

constexpr std::uint64_t kQuestionBytesMax = 64 * 1024;
constexpr std::size_t kQuestionMax = 10'000;  // Characters.
constexpr std::size_t kResultsMax = 100;
constexpr std::size_t kHighlightsMax = 50;
constexpr std::string_view kModel = "content_search";

/// A question with its answer, if one was asked for.
struct Asked {
    SearchAsk ask;
    bool answers = false;
    std::string_view operation;
};

/// `before`: characters before `text`.
void write_span(JsonWriter& writer, std::string_view text, Span place, std::size_t before) {
    const std::size_t start = before + characters_before(text, place.begin);
    writer.field("start", start).field("end", start + utf8::length(place.of(text)));
}

void write_hit(JsonWriter& writer, const Hit& hit, const std::set<std::string_view>& stems) {
    const Content& content = hit.content;
    const std::string_view passage = hit.passage.of(content.body);
    writer.begin_object().field("content_id", content.id).field("score", hit.score);
    writer.key("distance");
    hit.cosine ? writer.value(1 - *hit.cosine) : writer.null();
    writer.field("document", passage).key("passage").begin_object();
    write_span(writer, content.body, hit.passage, hit.characters_before);
    writer.end_object().key("metadata").begin_object().field("title", content.title);
    const auto text = [&](std::string_view name, const std::string& of) {
        if (!of.empty()) writer.field(name, of);
    };
    text("platform", content.platform);
    text("author", content.author);
    text("source_url", content.source_url);
    text("published_at", content.published_at);
    if (!content.metadata.empty()) writer.key("extra").raw(content.metadata);
    writer.end_object().key("highlights").begin_array();
    std::size_t count = 0, characters = 0;
    std::uint32_t counted = 0;  // Bytes that `characters` are of.
    for (const Word& word : words_of(passage)) {
        if (word.stop || !stems.contains(word.stem)) continue;
        characters += utf8::length(Span{counted, word.place.begin}.of(passage));
        const std::size_t end = characters + utf8::length(word.place.of(passage));
        writer.begin_object().field("start", characters).field("end", end).end_object();
        characters = end;
        counted = word.place.end;
        if (++count == kHighlightsMax) break;
    }
    writer.end_array().end_object();
}

void write_answer(JsonWriter& writer, const SearchResult& found, const Answer& answer) {
    writer.key("answer");
    if (answer.citations.empty()) {
        writer.null().field("reason", answer.reason);
    } else {
        writer.begin_object().field("text", answer.text).field("method", "extractive").key("citations").begin_array();
        for (const Citation& one : answer.citations) {
            const Content& content = found.hits[one.hit].content;
            writer.begin_object().field("content_id", content.id).field("title", content.title);
            write_span(writer, content.body, one.place, found.hits[one.hit].characters_before);
            writer.field("text", one.place.of(content.body));
            writer.field("answer_start", characters_before(answer.text, one.in_answer.begin));
            writer.field("answer_end", characters_before(answer.text, one.in_answer.end)).end_object();
        }
        writer.end_array().end_object().key("reason").null();
    }
    writer.field("support", answer.support);
}

audit::Decision decide(const ContextPtr& context, const Asked& asked, const SearchResult& found, const Answer& answer) {
    audit::Decision decision = context->make_decision(kService, asked.operation, asked.ask.question);
    decision.model = kModel;
    decision.model_version = found.version;
    if (asked.answers) decision.band = answer.citations.empty() ? "not_in_sources" : "answered";
    JsonWriter kept(decision.output);
    kept.begin_object().field("mode", to_string(found.mode)).field("meaning", found.meaning);
    kept.key("content_ids").begin_array();
    for (std::size_t i = 0; i < std::min<std::size_t>(found.hits.size(), 10); ++i)
        kept.value(std::string_view(found.hits[i].content.id));
    kept.end_array();
    if (asked.answers) {
        kept.field("support", answer.support).key("cited").begin_array();
        for (const Citation& one : answer.citations) kept.value(std::string_view(found.hits[one.hit].content.id));
        kept.end_array();
    }
    kept.end_object();
    return decision;
}

void answer_question(const ContextPtr& context, ContentService& service, const Asked& asked) {
    const std::string tenant = actor_of(*context).tenant;
    const auto found = service.library().search(tenant, asked.ask);
    if (!found) return context->fail(found.error());
    context->end_stage("search");
    const std::vector<std::string> stems = telling_stems(found->question);
    Answer answer;
    if (asked.answers) {
        const auto rarity = service.library().rarity(tenant, stems);
        if (!rarity) return context->fail(rarity.error());
        answer = answer_from(*found, stems, *rarity);
        (answer.citations.empty() ? service.counts().not_in_sources : service.counts().answered).add();
        context->end_stage("answer");
    } else {
        service.counts().searches.add();
    }
    audit::Decision decision = decide(context, asked, *found, answer);
    std::string body;
    JsonWriter writer(body);
    writer.begin_object().field("decision_id", to_string(decision.id)).field("query", asked.ask.question);
    writer.field("mode", to_string(found->mode)).key("meaning");
    found->meaning.empty() ? writer.null() : writer.value(std::string_view(found->meaning));
    writer.key("results").begin_array();
    const std::set<std::string_view> wanted(stems.begin(), stems.end());
    for (const Hit& hit : found->hits) write_hit(writer, hit, wanted);
    writer.end_array().field("count", found->hits.size());
    if (asked.answers) write_answer(writer, *found, answer);
    writer.field("model_version", found->version).key("warnings").begin_array();
    for (const std::string& warning : context->warnings()) writer.value(std::string_view(warning));
    if (!found->note.empty()) writer.value(std::string_view(found->note));
    if (found->mode != asked.ask.mode && found->note.empty())
        writer.value("There is no space of meanings yet: the search went by words.");
    writer.end_array().end_object();
    std::vector<audit::Decision> decisions;
    decisions.push_back(std::move(decision));
    context->reply_recorded(std::move(decisions), std::move(body));
}

void answer_rag(const ContextPtr& context, ContentService& service) {
    const json::Value body = context->body();
    Asked asked{.ask = {.question = text_of(body, "prompt")}, .answers = true, .operation = "query/rag"};
    const std::string other = text_of(body, "query");
    if (asked.ask.question.empty() == other.empty()) {
        return context->fail({{"prompt", "or its other name query must be there, one of the two", "missing"}});
    }
    if (asked.ask.question.empty()) asked.ask.question = other;
    if (const auto count = body.find("n_results")) asked.ask.limit = static_cast<std::size_t>(count->as_int());
    if (const auto generate = body.find("generate")) asked.answers = generate->as_bool();
    asked.ask.filter = {.platform = text_of(body, "platform_filter"), .author = text_of(body, "author_filter")};
    asked.ask.mode = search_mode_of(text_of(body, "mode")).value_or(SearchMode::kHybrid);
    answer_question(context, service, asked);
}

void answer_search(const ContextPtr& context, ContentService& service) {
    Asked asked{.ask = {.question = context->query("q").value_or("")}, .answers = false, .operation = "query/search"};
    if (const auto count = context->query_int("n_results")) asked.ask.limit = static_cast<std::size_t>(*count);
    asked.ask.filter = {.platform = context->query("platform_filter").value_or(""),
                        .author = context->query("author_filter").value_or("")};
    asked.ask.mode = search_mode_of(context->query("mode").value_or("")).value_or(SearchMode::kHybrid);
    answer_question(context, service, asked);
}

Schema place_schema(std::string doc) {
    return Schema::object({required("start", Schema::integer()), required("end", Schema::integer())})
        .doc(std::move(doc));
}

Schema found_schema(bool answers) {
    const Schema number = Schema::integer();
    std::vector<Schema::Member> members{
        required("decision_id", Schema::string().format("uuid")),
        required("query", Schema::string()),
        required("mode", Schema::string().one_of({"hybrid", "dense", "lexical"}).doc("What the search came to.")),
        required("meaning",
                 Schema::string().nullable().doc("Whose vectors: latent_semantic (learnt from the texts) or the "
                                                 "model of content.vectors_model; null: words alone.")),
        required("results",
                 Schema::array(Schema::object(
                     {required("content_id", Schema::string()),
                      required("score", Schema::number().doc("0 to 1, within one question.")),
                      required("distance",
                               Schema::number().nullable().doc("1 less the cosine; null: found by words alone.")),
                      required("document", Schema::string().doc("The passage that was found.")),
                      required("passage", place_schema("Its place in the body, in characters.")),
                      required("metadata", Schema::object({}).open()),
                      required("highlights", Schema::array(place_schema("A word of the question in `document`.")))}))),
        required("count", number)};
    if (answers) {
        members.push_back(optional(
            "answer",
            Schema::object(
                {required("text", Schema::string()), required("method", Schema::string()),
                 required("citations",
                          Schema::array(Schema::object(
                              {required("content_id", Schema::string()), required("title", Schema::string()),
                               required("start", number), required("end", number), required("text", Schema::string()),
                               required("answer_start", number), required("answer_end", number)})))})
                .nullable()
                .doc("Sentences of the sources, each with its place; null for `reason`.")));
        members.push_back(optional("reason", Schema::string().nullable()));
        members.push_back(optional(
            "support", Schema::number().range(0, 1).doc("Share of the question that the best sentence holds.")));
    }
    members.push_back(required("model_version", Schema::string()));
    members.push_back(required("warnings", Schema::array(Schema::string())));
    return Schema::object(std::move(members));
}

pipeline::KeptAnswer kept_for(ContentService& service) {
    return {.ttl = service.settings().query_ttl,
            .tags = {std::string(kTag)},
            .version = std::string(kSearchVersion),
            .version_of = [&service](const pipeline::Context& context) {
                return service.library().version_of(actor_of(context).tenant);
            }};
}

}  // namespace

void register_query_routes(std::vector<pipeline::Route>& routes, ContentService& service) {
    const Schema mode =
        Schema::string().one_of({"hybrid", "dense", "lexical"}).doc("By words and meaning (default), meaning, words.");
    const Schema count = Schema::integer().range(1, kResultsMax).doc("10 by default.");
    const Schema question = Schema::string().size(1, kQuestionMax);
    const Schema filter = Schema::string().size(1, 200);
    pipeline::Route rag;
    rag.method = http::Method::kPost;
    rag.path = "/query/rag";
    rag.operation = "query_rag";
    rag.family = std::string(kService);
    rag.summary =
        "Answers a question in sentences of the tenant's texts, with their places, or says that they do not hold it.";
    rag.work = pipeline::Work::kBlocking;
    rag.request = Schema::object(
        {optional("prompt", question.doc("The question.")), optional("query", question.doc("Another name of prompt.")),
         optional("n_results", count), optional("platform_filter", filter.nullable()),
         optional("author_filter", filter.nullable()), optional("mode", mode),
         optional("generate", Schema::boolean().doc("False: results alone. True by default."))});
    rag.response = found_schema(true);
    rag.spend_points = Points::whole(1);
    rag.keep = kept_for(service);
    rag.scopes = {"content:read"};
    rag.body_bytes_max = kQuestionBytesMax;
    rag.example = R"({"prompt":"What does a tide gate keep out?","n_results":5})";
    rag.handler = [&service](const ContextPtr& context) { answer_rag(context, service); };
    routes.push_back(std::move(rag));
    pipeline::Route search;
    search.method = http::Method::kGet;
    search.path = "/query/search";
    search.operation = "query_search";
    search.family = std::string(kService);
    search.summary = "Finds the tenant's texts by words and meaning.";
    search.work = pipeline::Work::kBlocking;
    search.query = {{.name = "q", .schema = question, .required = true},
                    {.name = "n_results", .schema = count},
                    {.name = "platform_filter", .schema = filter},
                    {.name = "author_filter", .schema = filter},
                    {.name = "mode", .schema = mode}};
    search.response = found_schema(false);
    search.spend_points = Points::whole(1);
    search.keep = kept_for(service);
    search.scopes = {"content:read"};
    search.example = "q=tide+gate&n_results=5";
    search.handler = [&service](const ContextPtr& context) { answer_search(context, service); };
    routes.push_back(std::move(search));
}

}  // namespace tidegate::content
