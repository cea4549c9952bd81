// POST /api/v1/transcribe: a recording in, its transcript out, now or as a job.
#include <fmt/format.h>

#include "base/strings.h"
#include "pipeline/context.h"
#include "services/speech/answers.h"
#include "services/speech/measured.h"
#include "services/speech/request.h"

namespace tidegate::speech {
namespace {

using pipeline::ContextPtr;
using pipeline::FieldError;

/// What the fields of the form say.
struct FormWish {
    Wish wish;
    bool with_words = true;
    std::vector<FieldError> errors;
    std::vector<std::string> warnings;
};

/// `true` or `false`; absent: `otherwise`.
bool read_flag(const Uploaded& uploaded, const std::string& name, bool otherwise, FormWish& form) {
    const auto text = uploaded.field(name);
    if (!text) return otherwise;
    if (iequals(*text, "true") || *text == "1") return true;
    if (!iequals(*text, "false") && *text != "0") form.errors.push_back({name, "must be true or false", "not_allowed"});
    return false;
}

FormWish read_form(const Uploaded& uploaded, const Speech& speech) {
    FormWish form;
    if (const auto separation = uploaded.field("channel_separation"); separation && !iequals(*separation, "auto")) {
        if (iequals(*separation, "true") || iequals(*separation, "false")) {
            form.wish.separation = iequals(*separation, "true") ? Separation::kOn : Separation::kOff;
        } else {
            form.errors.push_back({"channel_separation", "must be true, false or auto", "not_allowed"});
        }
    }
    form.wish.summary = read_flag(uploaded, "enable_summarization", false, form);
    form.with_words = read_flag(uploaded, "timestamps", true, form);
    if (auto language = read_language(uploaded, speech)) {
        form.wish.language = *std::move(language);
    } else {
        form.errors.push_back({"language", language.error().message, "not_allowed"});
    }
    for (const auto& [name, values] : uploaded.fields) {
        if (name == "channel_separation" || name == "enable_summarization" || name == "timestamps" ||
            name == "language") {
            continue;
        }
        if (form.warnings.size() < pipeline::Findings::kWarningsMax) {
            form.warnings.push_back(name == "quality" ? "quality is not used: there is one way to recognise"
                                                      : name.substr(0, 64) + " is not a field of this route");
        }
    }
    return form;
}

void write_notes(JsonWriter& writer, const std::vector<std::string>& warnings) {
    if (warnings.empty()) return;
    writer.key("warnings").begin_array();
    for (const std::string& one : warnings) writer.value(std::string_view(one));
    writer.end_array();
}

bool wants_job(const pipeline::Context& context) {
    const auto prefer = context.head().headers.get("Prefer");
    return prefer && to_lower(*prefer).contains("respond-async");
}

http::Response json_response(std::string body, int status) {
    http::Response response;
    response.status = status;
    response.headers.add("Content-Type", "application/json");
    response.body = std::move(body);
    return response;
}

/// 202: kept, and on its way. The record says so, and carries the price.
void answer_accepted(const ContextPtr& context, Speech& speech, Uploaded uploaded, const FormWish& form) {
    audit::Decision decision = context->make_decision(kService, "accept/audio", {});
    decision.id = *parse_uuid(context->make_id());  // No input to keep, as in decide_transcript().
    decision.input_hash = uploaded.hash;
    decision.input_size = uploaded.bytes;
    // Who is to hear it; who did stands in the transcript's own record.
    decision.model = speech.model();
    decision.model_version = speech.model_version();
    const auto accepted = speech.accept(*context, std::move(uploaded), form.wish);
    if (!accepted) return context->fail(accepted.error());
    decision.tags.push_back({"session", accepted->session});
    JsonWriter(decision.output)
        .begin_object()
        .field("session_id", accepted->session)
        .field("status", "accepted")
        .end_object();
    std::string body;
    JsonWriter writer(body);
    writer.begin_object().field("session_id", accepted->session).field("job_id", accepted->job);
    writer.field("status", "accepted");
    writer.field("message", "The recording is kept and will be transcribed; ask for the session or the job.");
    write_notes(writer, form.warnings);
    writer.end_object();
    http::Response response = json_response(std::move(body), 202);
    response.headers.add("Location", "/api/v1/jobs/" + accepted->job);
    response.headers.add("Content-Location", "/api/v1/transcribe/" + accepted->session);
    std::vector<audit::Decision> one;
    one.push_back(std::move(decision));
    context->reply_recorded(std::move(one), std::move(response));
}

void answer_now(const ContextPtr& context, Speech& speech, const TicketPtr& ticket, Uploaded uploaded, FormWish form) {
    const Wish wish = form.wish;
    accept_and_wait(context, speech, ticket, std::move(uploaded), wish,
                    [&speech, form = std::move(form)](const ContextPtr& held, const Session& session) {
                        std::string summary;
                        if (form.wish.summary) {
                            auto made = speech.summarise_session(session);
                            if (!made) return held->fail(made.error());
                            summary = *std::move(made);
                        }
                        std::string body;
                        JsonWriter writer(body);
                        writer.begin_object();
                        write_session(writer, session, summary, form.with_words);
                        write_notes(writer, form.warnings);
                        writer.end_object();
                        give(held, speech, session, json_response(std::move(body), 200));
                    });
}

void take_recording(const ContextPtr& context, Speech& speech, const TicketPtr& ticket, Uploaded uploaded) {
    FormWish form = read_form(uploaded, speech);
    if (!form.errors.empty()) return context->fail(std::move(form.errors));
    const auto duration = speech.look_at(uploaded.file.path(), [&ticket] { return ticket->is_gone(); });
    if (!duration) return context->fail(duration.error());
    const double now_max = std::chrono::duration<double>(speech.settings().answer_now_max).count();
    // What does not say how long it is holds at least so many bytes a second: AMR's slowest.
    constexpr double kBytesASecond = 500;
    const double longest = duration->value_or(static_cast<double>(uploaded.bytes) / kBytesASecond);
    if (wants_job(*context) || longest > now_max) return answer_accepted(context, speech, std::move(uploaded), form);
    answer_now(context, speech, ticket, std::move(uploaded), std::move(form));
}

}  // namespace

void register_transcribe_routes(std::vector<pipeline::Route>& routes, Speech& speech) {
    pipeline::Route route =
        upload_route("/api/v1/transcribe", "transcribe", speech, "audio",
                     "--tidegate\r\nContent-Disposition: form-data; name=\"timestamps\"\r\n\r\ntrue\r\n");
    route.summary =
        "Who said what in a recording? A form with `audio` (or `file`) in any usual format, and `channel_separation`, "
        "`enable_summarization`, `timestamps`, `language`. 202 and a job with `Prefer: respond-async`, and for "
        "recordings "
        "longer than speech.answer_now_max_s.";
    route.response = session_schema();
    route.handler = [&speech](const ContextPtr& context) {
        begin_upload(context, speech, {"audio", "file"},
                     [&speech](const ContextPtr& held, const TicketPtr& ticket, Uploaded uploaded) {
                         take_recording(held, speech, ticket, std::move(uploaded));
                     });
    };
    routes.push_back(std::move(route));
}

}  // namespace tidegate::speech
