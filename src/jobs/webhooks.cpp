#include "jobs/webhooks.h"

#include <fmt/core.h>

#include <utility>

#include "base/json.h"
#include "base/json_writer.h"

namespace tidegate::jobs {
namespace {

std::string pack(const Webhooks::Post& post) {
    std::string out;
    JsonWriter(out)
        .begin_object()
        .field("webhook", post.webhook)
        .field("event", post.event)
        .field("body", post.body)
        .end_object();
    return out;
}

std::optional<Webhooks::Post> unpack(const std::string& payload) {
    const auto document = json::parse(payload);
    if (!document) return std::nullopt;
    Webhooks::Post post;
    for (const auto& [name, text] : {std::pair<std::string_view, std::string*>("webhook", &post.webhook),
                                     {"event", &post.event},
                                     {"body", &post.body}}) {
        const auto member = document->root().find(name);
        if (!member || member->kind() != json::Kind::kString) return std::nullopt;
        *text = member->as_string();
    }
    return post;
}

std::string result_json(int status, std::uint32_t attempt) {
    std::string out;
    JsonWriter(out).begin_object().field("status", status).field("attempt", attempt).end_object();
    return out;
}

}  // namespace

Result<std::unique_ptr<Webhooks>> Webhooks::create(const JobSettings& settings, Jobs& jobs, const Clock& clock) {
    TG_TRY(auto poster, HttpPost::create(clock));
    std::unique_ptr<Webhooks> made(new Webhooks(jobs, clock, std::move(poster)));
    for (const WebhookOptions& options : settings.webhooks) TG_CHECK(made->add_place(options));
    KindOptions kind{.name = std::string(kKind), .threads = settings.webhook_threads};
    kind.work = [webhooks = made.get()](const Run& run) { return webhooks->run(run); };
    TG_CHECK(jobs.add_kind(std::move(kind)));
    return made;
}

Result<void> Webhooks::add_place(const WebhookOptions& options) {
    const auto wrong = [&](const std::string& what) {
        return fail(ErrorCode::kInvalidArgument, "webhooks." + options.name + ": " + what);
    };
    if (!options.secret.is_set()) return wrong("needs a secret: every post is signed");
    auto target = parse_webhook_url(options.url);
    if (!target) return wrong(target.error().message);
    const auto literal = http::numeric_address(target->origin.host);
    if (literal && is_private(*literal) && !options.allow_private) {
        return wrong("its url leads to a private address; allow_private would let it");
    }
    places_.emplace(options.name, Place{&options, *std::move(target)});
    return {};
}

std::vector<std::string> Webhooks::names() const {
    std::vector<std::string> names;
    for (const auto& [name, place] : places_) names.push_back(name);
    return names;
}

Result<std::string> Webhooks::send(Post post) {
    const auto place = places_.find(post.webhook);
    if (place == places_.end()) return fail(ErrorCode::kNotFound, "There is no webhook " + post.webhook + ".");
    Submission submission{.kind = std::string(kKind), .tenant = post.tenant, .actor = "system"};
    submission.title = post.event + " to " + post.webhook;
    submission.payload = pack(post);
    submission.once_key = std::move(post.once_key);
    submission.attempts_max = place->second.options->attempts_max;
    return jobs_.submit(std::move(submission));
}

Result<PostAnswer> Webhooks::deliver(const Place& place, const Parcel& parcel, const std::function<bool()>& gives_up) {
    const WebhookOptions& options = *place.options;
    TG_TRY(const http::Origin origin, resolve(place.target, options.allow_private, look_up_));
    http::ClientRequest request;
    request.method = "POST";
    request.target = place.target.target;
    request.headers.add("Host", place.target.host);
    request.headers.add("Content-Type", "application/json");
    request.headers.add("User-Agent", "tidegate");
    request.headers.add("X-Tidegate-Event", parcel.event);
    request.headers.add("X-Tidegate-Delivery", parcel.delivery);
    request.headers.add("X-Tidegate-Signature",
                        webhook_signature(options.secret.reveal(), clock_.unix_ms(), parcel.body));
    request.body = parcel.body;
    return poster_->post(origin, std::move(request), options.timeout, gives_up);
}

Result<void> Webhooks::post_now(const Post& post) {
    const auto place = places_.find(post.webhook);
    if (place == places_.end()) return fail(ErrorCode::kNotFound, "There is no webhook " + post.webhook + ".");
    const std::string& delivery = post.once_key.empty() ? post.event : post.once_key;
    TG_TRY(const PostAnswer answer, deliver(place->second, {post.event, delivery, post.body}, [] { return false; }));
    if (answer.status >= 200 && answer.status < 300) return {};
    return fail(ErrorCode::kUnavailable, fmt::format("it answered {}", answer.status));
}

Outcome Webhooks::run(const Run& run) {
    const auto post = unpack(run.job().payload);
    if (!post) return Outcome::failed("what was stored of it cannot be read");
    const auto place = places_.find(post->webhook);
    if (place == places_.end()) return Outcome::failed("the settings name no such webhook any more");
    const auto answer =
        deliver(place->second, {post->event, run.job().id, post->body}, [&run] { return run.is_cancelled(); });
    if (!answer && answer.error().code == ErrorCode::kCancelled) return Outcome::interrupted();
    if (!answer) return Outcome::retry(answer.error().message);
    if (answer->status >= 200 && answer->status < 300) {
        return Outcome::succeeded(result_json(answer->status, run.job().attempts));
    }
    const std::string why = fmt::format("it answered {}", answer->status);
    return answer->status == 410 ? Outcome::failed(why) : Outcome::retry(why, answer->retry_after);
}

}  // namespace tidegate::jobs
