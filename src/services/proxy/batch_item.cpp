#include "services/proxy/batch_item.h"

#include <algorithm>
#include <array>
#include <utility>

#include "base/strings.h"
#include "services/proxy/batch.h"

namespace tidegate::proxy {
namespace {

// Who asks and from where, conditions and wishes about one answer, and traces: of one request, so not of a merged call. With a
// star: all that begin so.
constexpr std::array<std::string_view, 27> kOfOneRequest{"accept-encoding",
                                                         "baggage",
                                                         "b3",
                                                         "cache-control",
                                                         "content-type",
                                                         "date",
                                                         "dnt",
                                                         "forwarded",
                                                         "if-*",
                                                         "origin",
                                                         "pragma",
                                                         "priority",
                                                         "range",
                                                         "referer",
                                                         "save-data",
                                                         "sec-*",
                                                         "sentry-trace",
                                                         "traceparent",
                                                         "tracestate",
                                                         "uber-trace-id",
                                                         "user-agent",
                                                         "x-amzn-trace-id",
                                                         "x-b3-*",
                                                         "x-cloud-trace-context",
                                                         "x-datadog-*",
                                                         "x-forwarded-for",
                                                         "x-request-id"};

bool fits(std::string_view pattern, std::string_view name) {
    if (pattern.ends_with('*')) return name.starts_with(pattern.substr(0, pattern.size() - 1));
    return pattern == name;
}

/// Those that a merged call is sent with; requests that differ in them do not share one.
http::Headers shared_fields(const http::Headers& fields, const ProxyRoute& route) {
    http::Headers kept;
    for (const auto& [name, value] : fields.fields()) {
        const std::string lower = to_lower(name);
        const auto is_it = [&lower](std::string_view pattern) { return fits(pattern, lower); };
        const bool set_here = std::ranges::any_of(route.options.request_headers,
                                                  [&](const HeaderRule& rule) { return iequals(rule.name, name); });
        if (!set_here && std::ranges::any_of(kOfOneRequest, is_it)) continue;
        const auto ignored = [&lower](const std::string& other) { return iequals(other, lower); };
        if (!set_here && std::ranges::any_of(route.options.batch.ignore_headers, ignored)) continue;
        kept.add(name, value);
    }
    return kept;
}

bool is_json_type(std::string_view content_type) {
    const std::string type = to_lower(trim(content_type.substr(0, content_type.find(';'))));
    return type == "application/json" || (type.starts_with("application/") && type.ends_with("+json"));
}

// Length first: no text can look like two.
void append_part(std::string& group, std::string_view part) {
    group.append(std::to_string(part.size())).append(":").append(part).append("\n");
}

std::string target_of(const ProxyRoute& route, const std::string& target) {
    const std::string& path = route.options.batch.target;
    if (path.empty()) return target;
    const std::size_t query = target.find('?');
    return query == std::string::npos ? path : path + target.substr(query);
}

FetchFailure not_taken(const Error& error) {
    const bool busy = error.code == ErrorCode::kUnavailable;
    FetchFailure failure{.status = 400,
                         .error = busy ? std::string_view("overloaded") : to_string(error.code),
                         .detail = error.message,
                         .retry_after = {},
                         .upstream_failed = false};
    if (busy) {
        failure.status = 503;
        failure.retry_after = std::chrono::seconds(1);
    } else if (error.code == ErrorCode::kTooLarge) {
        failure.status = 413;
    } else if (error.code == ErrorCode::kUnsupportedMedia) {
        failure.status = 415;
    } else if (error.code == ErrorCode::kDeadlineExceeded) {
        failure.status = 504;
        failure.error = "upstream_timeout";
        failure.upstream_failed = true;
    }
    return failure;
}

class BatchItem final : public Source, public std::enable_shared_from_this<BatchItem> {
  public:
    BatchItem(const FetchLoop& loop, const ProxyRoute& route, FetchRequest request, FetchSink& sink)
        : loop_(loop), route_(route), batching_(*route.batching), request_(std::move(request)), sink_(&sink) {}

    void start() override {
        const auto self = shared_from_this();
        auto item = make_item();
        if (!item) return fail_with(not_taken(item.error()));
        auto id = batching_.submit(*std::move(item), loop_.loop.now());
        if (!id) return fail_with(not_taken(id.error()));
        id_ = *id;
        request_ = {};
    }
    void resume() override {}
    void cancel() override {
        if (std::exchange(sink_, nullptr) != nullptr && id_ != 0) batching_.cancel(id_);
    }
    void let_go() noexcept override { sink_ = nullptr; }
    bool write(std::string_view) override { return true; }
    void finish_writing() override {}
    const std::string& target() const noexcept override { return target_; }

  private:
    using Item = upstream::MicroBatcher::Item;
    Result<Item> make_item();
    void told(const upstream::ItemAnswer& answer, const BatchOutcome* outcome);
    void deliver(int status, http::Headers fields, std::string_view body);
    void fail_with(const FetchFailure& failure) {
        if (FetchSink* sink = std::exchange(sink_, nullptr)) sink->on_failed(failure);
    }

    const FetchLoop& loop_;
    const ProxyRoute& route_;
    Batching& batching_;
    FetchRequest request_;
    FetchSink* sink_;
    upstream::MicroBatcher::ItemId id_ = 0;
    std::string target_;
};

Result<BatchItem::Item> BatchItem::make_item() {
    const http::Headers& fields = request_.call.headers;
    const auto type = fields.get("Content-Type");
    if ((type && !is_json_type(*type)) || fields.get("Content-Encoding")) {
        return fail(ErrorCode::kUnsupportedMedia, "this route takes application/json, not compressed");
    }
    TG_TRY(auto split, upstream::split_item(request_.call.body, route_.options.batch.format));
    auto question = std::make_shared<BatchQuestion>();
    question->target = target_of(route_, request_.call.target);
    question->headers = shared_fields(fields, route_);
    question->others = std::move(split.others);
    question->traceparent = fields.get("traceparent").value_or("");
    question->tracestate = fields.get("tracestate").value_or("");
    Item item;
    append_part(item.group, request_.tenant);
    append_part(item.group, question->target);
    append_part(item.group, question->others);
    for (const auto& [name, value] : question->headers.fields()) {
        append_part(item.group, to_lower(name));
        append_part(item.group, value);
    }
    item.json = split.item;
    item.count = split.count;
    item.deadline = request_.deadline;
    item.mailbox = loop_.loop.mailbox();
    item.attachment = std::move(question);
    item.told = [weak = weak_from_this()](const upstream::ItemAnswer& answer, const upstream::Attachment& note) {
        if (const auto self = weak.lock()) self->told(answer, static_cast<const BatchOutcome*>(note.get()));
    };
    return item;
}

void BatchItem::told(const upstream::ItemAnswer& answer, const BatchOutcome* outcome) {
    if (sink_ == nullptr) return;
    if (outcome == nullptr) return fail_with(not_taken(answer.error()));  // It was never asked about, or too late.
    target_ = outcome->target;
    sink_->on_batched(outcome->facts);
    http::Headers json = outcome->fields;
    json.set("Content-Type", "application/json");
    if (answer) return deliver(200, std::move(json), *answer);
    if (!outcome->failure.error.empty()) return fail_with(outcome->failure);
    if (outcome->status != 200) return deliver(outcome->status, outcome->fields, outcome->body);
    if (answer.error().code == ErrorCode::kFailedValidation) {
        return deliver(422, std::move(json), answer.error().message);
    }
    fail_with({.status = 502,
               .error = "upstream_results",
               .detail = "The answer to the merged call cannot be used: " + answer.error().message + "."});
}

void BatchItem::deliver(int status, http::Headers fields, std::string_view body) {
    http::ResponseHead head;
    head.status = status;
    head.headers = std::move(fields);
    head.content_length = body.size();
    head.has_body = true;
    sink_->on_answer(std::move(head));
    if (sink_ != nullptr) sink_->on_bytes(body);
    if (FetchSink* sink = std::exchange(sink_, nullptr)) sink->on_done();
}

}  // namespace

std::shared_ptr<Source> make_source(const FetchLoop& loop, const ProxyRoute& route, FetchRequest request,
                                    FetchSink& sink) {
    const bool merges = route.batching && request.call.method == "POST" && !request.call.streamed;
    if (merges && request.call.upgrade.empty()) {
        return std::make_shared<BatchItem>(loop, route, std::move(request), sink);
    }
    return std::make_shared<Fetch>(loop, *route.upstream, std::move(request), sink);
}

}  // namespace tidegate::proxy
