#include "app/trace_sender.h"

#include <algorithm>
#include <utility>

#include "base/ids.h"
#include "base/strings.h"
#include "pipeline/upstream/options.h"

namespace tidegate::app {
namespace {

using telemetry::Answer;

/// Gathers one answer.
class Export final : public http::CallHandler {
  public:
    explicit Export(std::function<void(Answer)> done) : done_(std::move(done)) {}

    void on_head(http::ResponseHead head) override {
        answer_.status = head.status;
        const auto seconds = parse_i64(trim(head.headers.get("Retry-After").value_or("")));
        // A date in its place is as good as nothing: the back-off stands.
        if (seconds && *seconds >= 0 && *seconds <= 3600) answer_.retry = std::chrono::seconds(*seconds);
    }
    bool on_body(std::string_view bytes) override {
        const std::size_t room = TraceSender::kAnswerBytesMax - answer_.body.size();
        answer_.body.append(bytes.substr(0, room));
        return true;
    }
    void on_end() override { end(); }
    void on_failure(const http::CallFailure& failure) override {
        // Of an answer that broke off, the status is not to be relied on: what it says may have been meant otherwise.
        answer_.status = 0;
        answer_.body = std::string(http::to_string(failure.kind)) + ": " + failure.detail;
        end();
    }

  private:
    void end() {
        if (const auto done = std::exchange(done_, nullptr)) done(std::move(answer_));
    }
    std::function<void(Answer)> done_;
    Answer answer_;
};

std::unexpected<Error> wrong_collector(const std::string& what) {
    return fail(ErrorCode::kInvalidArgument, what);
}

bool is_token(std::string_view name) {
    return !name.empty() && std::ranges::all_of(name, [](char c) {
        return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '_';
    });
}

Result<http::Headers> parse_headers(std::string_view text) {
    http::Headers headers;
    for (const std::string_view one : split(text, ',')) {
        if (trim(one).empty()) continue;
        const std::size_t equals = one.find('=');
        const std::string_view name = trim(one.substr(0, equals));
        const std::string_view value = equals == std::string_view::npos ? "" : trim(one.substr(equals + 1));
        const bool visible = std::ranges::all_of(value, [](char c) { return c >= ' ' && c <= '~'; });
        // No word of the value: it may be a key.
        if (!is_token(name) || value.empty() || !visible) {
            return wrong_collector("tracing.headers: it is a list of `name=value`, with commas between");
        }
        headers.add(name, value);
    }
    return headers;
}

}  // namespace

Result<CollectorPlace> collector_place(const telemetry::TracingSettings& settings) {
    constexpr std::string_view kPath = "/v1/traces";
    const std::string& url = settings.endpoint;
    const std::size_t scheme = url.find("://");
    const std::size_t path = scheme == std::string::npos ? scheme : url.find_first_of("/?#", scheme + 3);
    auto origin = http::parse_origin(std::string_view(url).substr(0, path));
    if (!origin) return wrong_collector("tracing.endpoint: " + origin.error().message);
    if (upstream::is_link_local(origin->host)) {
        return wrong_collector("tracing.endpoint: this is a link-local address, where clouds keep their metadata");
    }
    CollectorPlace place{
        .origin = *std::move(origin), .target = path == std::string::npos ? "" : url.substr(path), .headers = {}};
    while (place.target.ends_with('/')) place.target.pop_back();
    if (!place.target.ends_with(kPath)) place.target += kPath;
    if (std::ranges::any_of(place.target, [](char c) { return c <= ' ' || c > '~' || c == '#' || c == '?'; })) {
        return wrong_collector("tracing.endpoint: its path holds what no path of a collector may");
    }
    if (!settings.ca_file.empty() && !place.origin.tls) {
        return wrong_collector("tracing.ca_file is of use with an https:// tracing.endpoint only");
    }
    place.origin.ca_file = settings.ca_file;
    TG_TRY(place.headers, parse_headers(settings.headers.reveal()));
    return place;
}

void TraceSender::on_loop_start(pipeline::LoopParts& parts) {
    if (parts.index != 0) return;
    parts_ = &parts;
    const Lock lock(mutex_);
    mailbox_ = parts.loop.mailbox();
}

void TraceSender::on_loop_stop(pipeline::LoopParts& parts) {
    if (parts.index != 0) return;
    parts_ = nullptr;
    const Lock lock(mutex_);
    mailbox_.reset();
}

void TraceSender::send(std::string body, std::function<void(Answer)> done) {
    std::shared_ptr<runtime::Mailbox> mailbox;
    {
        const Lock lock(mutex_);
        mailbox = mailbox_;
    }
    const bool posted = mailbox && mailbox->post([this, body = std::move(body), done]() mutable {
        begin(std::move(body), std::move(done));
    });
    if (!posted) done({.status = 0, .retry = {}, .body = "no event loop runs"});
}

void TraceSender::begin(std::string body, std::function<void(Answer)> done) {
    if (parts_ == nullptr) return done({.status = 0, .retry = {}, .body = "the server is ending"});
    http::ClientRequest request;
    request.method = "POST";
    request.target = place_.target;
    request.headers = place_.headers;
    request.headers.set("Content-Type", "application/json");
    request.headers.set("User-Agent", "tidegate");
    request.body = std::move(body);
    const http::CallTimes times{.connect_max = std::min<Duration>(timeout_, std::chrono::seconds(5)),
                                .first_byte_max = timeout_,
                                .idle_max = timeout_,
                                .total_max = timeout_};
    parts_->client->start(place_.origin, std::move(request), times, std::make_shared<Export>(std::move(done)));
}

Result<Tracing> Tracing::create(const telemetry::TracingSettings& settings, std::string_view version,
                                const Clock& clock, Random& random) {
    Tracing tracing;
    if (!settings.is_on()) return tracing;
    TG_TRY(CollectorPlace place, collector_place(settings));
    tracing.sender = std::make_unique<TraceSender>(std::move(place), settings.timeout);
    telemetry::ExporterOptions options;
    options.resource = {.service_name = settings.service_name,
                        .service_version = std::string(version),
                        .instance_id = to_string(make_uuid7(clock, random))};
    options.sampler = {.ratio = settings.sample_ratio, .parent_based = settings.parent_based};
    options.queue_max = settings.queue_max;
    options.batch_max = settings.batch_max;
    options.interval = settings.interval;
    options.timeout = settings.timeout;
    tracing.exporter = std::make_unique<telemetry::Exporter>(
        std::move(options), clock, random,
        [sender = tracing.sender.get()](std::string body, std::function<void(Answer)> done) {
            sender->send(std::move(body), std::move(done));
        });
    return tracing;
}

}  // namespace tidegate::app
