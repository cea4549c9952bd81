// POST /v1/audio/transcriptions and /v1/audio/translations: the contract of OpenAI's clients.
#include <fmt/format.h>
#include <zlib.h>

#include <algorithm>
#include <array>
#include <cmath>

#include "base/strings.h"
#include "pipeline/context.h"
#include "services/speech/answers.h"
#include "services/speech/measured.h"
#include "services/speech/request.h"
#include "services/speech/text/subtitles.h"

namespace tidegate::speech {
namespace {

using pipeline::ContextPtr;

enum class Format : std::uint8_t { kJson, kText, kSrt, kVerboseJson, kVtt };
constexpr std::array<std::string_view, 5> kFormats{"json", "text", "srt", "verbose_json", "vtt"};

struct OpenAiWish {
    Wish wish;
    Format format = Format::kJson;
    bool segments = true;
    bool words = false;
};

/// What is wrong with the form is 400 with them.
std::unexpected<Error> bad_field(std::string_view field, std::string_view what) {
    return fail(ErrorCode::kInvalidArgument, fmt::format("{}: {}", field, what));
}

Result<void> read_granularities(const Uploaded& uploaded, OpenAiWish& wish) {
    for (const char* const name : {"timestamp_granularities[]", "timestamp_granularities"}) {
        const auto found = uploaded.fields.find(name);
        if (found == uploaded.fields.end()) continue;
        if (wish.format != Format::kVerboseJson) return bad_field(name, "goes with response_format verbose_json alone");
        wish.segments = false;
        for (const std::string& one : found->second) {
            if (one != "word" && one != "segment") return bad_field(name, "must be word or segment");
            wish.words = wish.words || one == "word";
            wish.segments = wish.segments || one == "segment";
        }
    }
    return {};
}

/// A translation is into English. The embedded recogniser knows English alone: what is said to be English is its own translation, and
/// of anything else it would make up words.
Result<void> read_openai_language(const Uploaded& uploaded, const Speech& speech, Wish& wish) {
    if (wish.translate && !speech.has_upstream()) {
        const auto language = read_language(uploaded, speech);
        if (!language || *language != kEnglish) {
            return bad_field("language",
                             "must be given as en: the embedded recogniser translates nothing, it takes down English; "
                             "speech.engine: upstream asks a server that translates");
        }
    }
    auto language = read_language(uploaded, speech);
    if (!language) return bad_field("language", language.error().message);
    wish.language = *std::move(language);
    return {};
}

Result<OpenAiWish> read_openai_form(const Uploaded& uploaded, const Speech& speech, bool translate) {
    OpenAiWish wish;
    wish.wish.translate = translate;
    const std::vector<std::string>& names = speech.settings().model_names;
    const auto model = uploaded.field("model");
    if (!model) return bad_field("model", "is missing");
    if (*model != speech.model() && std::ranges::find(names, *model) == names.end()) {
        return fail(ErrorCode::kNotFound, fmt::format("model: there is no such model; there is {}.", speech.model()));
    }
    if (const auto format = uploaded.field("response_format")) {
        const auto found = std::ranges::find(kFormats, *format);
        if (found == kFormats.end())
            return bad_field("response_format", "must be json, text, srt, verbose_json or vtt");
        wish.format = static_cast<Format>(found - kFormats.begin());
    }
    TG_CHECK(read_openai_language(uploaded, speech, wish.wish));
    wish.wish.prompt = uploaded.field("prompt").value_or("");
    if (const auto text = uploaded.field("temperature")) {
        const auto temperature = parse_double(*text);
        if (!temperature || !(*temperature >= 0 && *temperature <= 1))
            return bad_field("temperature", "must be 0 to 1");
        wish.wish.temperature = temperature;
    }
    TG_CHECK(read_granularities(uploaded, wish));
    if (wish.words && translate) return bad_field("timestamp_granularities[]", "a translation has no times of words");
    return wish;
}

/// Characters for each that zlib leaves: what repeats itself is high.
double compression_ratio(const std::string& text) {
    uLongf size = compressBound(text.size());
    std::string packed(size, '\0');
    const int done = compress(reinterpret_cast<Bytef*>(packed.data()), &size,
                              reinterpret_cast<const Bytef*>(text.data()), text.size());
    return done == Z_OK && size > 0 ? static_cast<double>(text.size()) / static_cast<double>(size) : 0;
}

/// Nothing: the engine tells none.
std::optional<double> mean_log(const Segment& segment) {
    constexpr double kLeast = 1e-6;  // No word is surer to be wrong than that.
    if (!segment.confidence) return std::nullopt;
    double sum = 0;
    for (const Word& one : segment.words) {
        // An engine that tells it of segments alone.
        if (!one.confidence) return std::log(std::max(kLeast, *segment.confidence));
        sum += std::log(std::max(kLeast, *one.confidence));
    }
    if (segment.words.empty()) return std::log(std::max(kLeast, *segment.confidence));
    return sum / static_cast<double>(segment.words.size());
}

void write_usage(JsonWriter& writer, const Session& session) {
    writer.key("usage").begin_object().field("type", "duration");
    writer.field("seconds", static_cast<std::int64_t>(std::ceil(session.transcript.duration_s))).end_object();
}

std::string whole_text(const Session& session) {
    std::string text = to_text(session.transcript.segments, false);
    text.pop_back();
    return text;
}

std::string verbose_json(const Session& session, const OpenAiWish& wish) {
    const Transcript& t = session.transcript;
    std::string body;
    JsonWriter writer(body);
    writer.begin_object().field("task", session.task).key("language");
    t.language.empty() ? writer.null() : writer.value(t.language);
    writer.field("duration", t.duration_s).field("text", whole_text(session));
    if (wish.segments) {
        writer.key("segments").begin_array();
        std::int64_t id = 0;
        for (const Segment& one : t.segments) {
            writer.begin_object().field("id", id++).field("seek", static_cast<std::int64_t>(one.start * 100));
            writer.field("start", one.start).field("end", one.end).field("text", one.text);
            writer.key("tokens").begin_array().end_array().field("temperature", 0.0);
            writer.field("avg_logprob", mean_log(one)).field("compression_ratio", compression_ratio(one.text));
            // It judges no silence; where there is no voice nothing is asked.
            writer.key("no_speech_prob").null().end_object();
        }
        writer.end_array();
    }
    if (wish.words) {
        writer.key("words").begin_array();
        for (const Segment& one : t.segments) {
            for (const Word& word : one.words) {
                writer.begin_object().field("word", word.text).field("start", word.start).field("end", word.end);
                writer.end_object();
            }
        }
        writer.end_array();
    }
    write_usage(writer, session);
    writer.end_object();
    return body;
}

http::Response openai_response(const Session& session, const OpenAiWish& wish) {
    http::Response response;
    const std::vector<Segment>& segments = session.transcript.segments;
    std::string_view type = "text/plain; charset=utf-8";
    switch (wish.format) {
        case Format::kText:
            response.body = to_text(segments, false);
            break;
        case Format::kSrt:
            response.body = to_srt(segments, false);
            break;
        case Format::kVtt:
            response.body = to_vtt(segments, false);
            type = "text/vtt; charset=utf-8";
            break;
        case Format::kVerboseJson:
            response.body = verbose_json(session, wish);
            type = "application/json";
            break;
        case Format::kJson: {
            JsonWriter writer(response.body);
            writer.begin_object().field("text", whole_text(session));
            write_usage(writer, session);
            writer.end_object();
            type = "application/json";
            break;
        }
    }
    response.headers.add("Content-Type", type);
    name_engine(response, session);  // Whatever name was asked for.
    return response;
}

void take_openai(const ContextPtr& context, Speech& speech, const TicketPtr& ticket, Uploaded uploaded,
                 bool translate) {
    const auto wish = read_openai_form(uploaded, speech, translate);
    if (!wish) return context->fail(wish.error());
    if (const auto duration = speech.look_at(uploaded.file.path(), [&ticket] { return ticket->is_gone(); }); !duration)
        return context->fail(duration.error());
    accept_and_wait(context, speech, ticket, std::move(uploaded), wish->wish,
                    [&speech, wish = *wish](const ContextPtr& held, const Session& session) {
                        give(held, speech, session, openai_response(session, wish));
                    });
}

pipeline::Route openai_route(std::string path, std::string operation, Speech& speech, std::string_view more_fields,
                             bool translate) {
    using pipeline::required;
    using pipeline::Schema;
    pipeline::Route route =
        upload_route(std::move(path), std::move(operation), speech, "file",
                     fmt::format("--tidegate\r\nContent-Disposition: form-data; name=\"model\"\r\n\r\n{}\r\n{}",
                                 kRecogniser, more_fields));
    route.errors = pipeline::ErrorShape::kOpenAi;
    route.response =
        Schema::object({required("text", Schema::string()), required("usage", Schema::object({}).open())}).open();
    route.handler = [&speech, translate](const ContextPtr& context) {
        begin_upload(context, speech, {"file"},
                     [&speech, translate](const ContextPtr& held, const TicketPtr& ticket, Uploaded uploaded) {
                         take_openai(held, speech, ticket, std::move(uploaded), translate);
                     });
    };
    return route;
}

}  // namespace

void register_openai_routes(std::vector<pipeline::Route>& routes, Speech& speech) {
    pipeline::Route transcription = openai_route("/v1/audio/transcriptions", "openai_transcription", speech, "", false);
    transcription.summary =
        "OpenAI's transcription: a form with `file`, `model`, and `response_format` json, text, srt, verbose_json or "
        "vtt, `timestamp_granularities[]`. `language`, `prompt` and `temperature` go to an upstream engine; the "
        "embedded one "
        "takes en alone, and the others change nothing. `stream` changes nothing. X-Engine and X-Fallback say who "
        "answered.";
    routes.push_back(std::move(transcription));
    pipeline::Route translation =
        openai_route("/v1/audio/translations", "openai_translation", speech,
                     "--tidegate\r\nContent-Disposition: form-data; name=\"language\"\r\n\r\nen\r\n", true);
    translation.summary =
        "OpenAI's translation, into English: as the transcription. The embedded recogniser translates nothing: it "
        "takes down "
        "what the form says is English (`language` en) and refuses the rest; speech.engine: upstream passes it on.";
    routes.push_back(std::move(translation));
}

}  // namespace tidegate::speech
