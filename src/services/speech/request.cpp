#include "services/speech/request.h"

#include <algorithm>
#include <array>

#include "base/strings.h"
#include "pipeline/context.h"
#include "services/speech/answers.h"

namespace tidegate::speech {
namespace {

constexpr std::string_view kExampleType = "multipart/form-data; boundary=tidegate";

/// A tenth of a second of AMR: the one format whose bytes can all be written down.
std::string example_recording() {
    std::string out = "#!AMR\n";
    for (int frame = 0; frame < 5; ++frame) out += "<" + std::string(31, 'a');
    return out;
}

}  // namespace

Ticket::Ticket(Speech& speech, const pipeline::ContextPtr& /*context*/) : speech_(speech) {}

void Ticket::watch(const pipeline::ContextPtr& context) {
    const auto exchange = context->exchange();
    std::weak_ptr<http::Exchange> weak = exchange;
    exchange->on_gone([self = shared_from_this(), weak] {
        const auto still = weak.lock();
        // One that has only said all it has to say still waits for its answer.
        if (still && !still->unreachable()) return;
        std::optional<Accepted> accepted;
        {
            const Lock lock(self->mutex_);
            self->gone_ = true;
            accepted = self->accepted_;
        }
        if (accepted) self->cancel(*accepted);
    });
}

void Ticket::hold(const Accepted& accepted) {
    {
        const Lock lock(mutex_);
        accepted_ = accepted;
        if (!gone_) return;
    }
    cancel(accepted);
}

bool Ticket::is_gone() {
    const Lock lock(mutex_);
    return gone_;
}

void Ticket::cancel(const Accepted& accepted) {
    // On a thread that may wait for the disk; refused, the job goes on and its session can be asked for.
    static_cast<void>(speech_.house().blocking.submit([&speech = speech_, accepted] {
        speech.forget_waiter(accepted.session);
        static_cast<void>(speech.house().jobs.cancel(accepted.job));
    }));
}

void begin_upload(const pipeline::ContextPtr& context, Speech& speech, std::vector<std::string> file_fields,
                  TakeUpload take) {
    if (std::string missing = speech.missing(); !missing.empty()) {
        return context->fail({ErrorCode::kUnavailable, std::move(missing)});
    }
    const auto ticket = std::make_shared<Ticket>(speech, context);
    ticket->watch(context);
    auto done = [ticket, take = std::move(take)](const pipeline::ContextPtr& held, Result<Uploaded> uploaded) {
        if (!uploaded) return refuse_form(held, uploaded.error());
        held->end_stage("upload");
        take(held, ticket, *std::move(uploaded));
    };
    std::string tenant = context->caller() ? context->caller()->tenant : std::string();
    std::make_shared<Upload>(speech.house().blocking, speech.upload_rules(std::move(file_fields), std::move(tenant)),
                             context, std::move(done))
        ->start();
}

void accept_and_wait(const pipeline::ContextPtr& context, Speech& speech, const TicketPtr& ticket, Uploaded uploaded,
                     const Wish& wish, std::function<void(const pipeline::ContextPtr&, const Session&)> answer) {
    const std::string tenant = context->caller() ? context->caller()->tenant : std::string();
    // The worker may be done before accept() returns; from its call on the context is the waiter's.
    auto when_done = [context, &speech, tenant, answer = std::move(answer)](const std::string& id,
                                                                            const std::optional<Error>& why) {
        const auto session = speech.store().find(id, tenant);
        if (!session && session.error().code == ErrorCode::kNotFound) {
            return context->fail({ErrorCode::kConflict, "The recording was deleted before it was transcribed."});
        }
        if (!session) return context->fail(session.error());
        if (why && (session->state == "accepted" || session->state == "cancelled")) return context->fail(*why);
        context->end_stage("transcribe");
        if (session->state != "completed") return context->fail(error_of(*session));
        answer(context, *session);
    };
    const auto accepted = speech.accept(*context, std::move(uploaded), wish, std::move(when_done));
    if (!accepted) return context->fail(accepted.error());
    ticket->hold(*accepted);
}

Result<std::string> read_language(const Uploaded& uploaded, const Speech& speech) {
    const auto said = uploaded.field("language");
    if (!said || iequals(*said, "auto")) return std::string();
    constexpr std::array<std::string_view, 4> kNamesOfEnglish{"en", "en-us", "en_us", "english"};
    for (const std::string_view one : kNamesOfEnglish) {
        if (iequals(*said, one)) return std::string(kEnglish);
    }
    if (!speech.has_upstream()) {
        return fail(ErrorCode::kFailedValidation,
                    "must be en: the model knows English alone (speech.engine: upstream may know others)");
    }
    // ISO 639-1 and 639-3; what the engine does not know it refuses itself.
    const auto is_letter = [](char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); };
    if ((said->size() == 2 || said->size() == 3) && std::ranges::all_of(*said, is_letter)) return to_lower(*said);
    return fail(ErrorCode::kFailedValidation, "must be a code of two or three letters (ISO 639)");
}

pipeline::Route upload_route(std::string path, std::string operation, const Speech& speech, std::string_view file_field,
                             std::string_view more_fields) {
    pipeline::Route route;
    route.method = http::Method::kPost;
    route.path = std::move(path);
    route.operation = std::move(operation);
    route.family = "speech";
    route.work = pipeline::Work::kInline;
    route.raw_body = true;
    route.streams_body = [](const http::RequestHead&) { return true; };
    route.body_bytes_max = speech.settings().upload_bytes_max;
    route.spend_points = Points::whole(4);
    route.scopes = {"speech:transcribe"};
    route.raw_type = kExampleType;
    route.raw_example = std::string(more_fields) + "--tidegate\r\nContent-Disposition: form-data; name=\"" +
                        std::string(file_field) + "\"; filename=\"note.amr\"\r\nContent-Type: audio/amr\r\n\r\n" +
                        example_recording() + "\r\n--tidegate--\r\n";
    return route;
}

}  // namespace tidegate::speech
