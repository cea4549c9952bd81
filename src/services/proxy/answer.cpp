#include "services/proxy/answer.h"

#include <utility>

#include "base/assert.h"
#include "base/strings.h"
#include "pipeline/cache/rules/conditional.h"
#include "pipeline/problem.h"

namespace tidegate::proxy {
namespace {

namespace rules = cache::rules;

bool is_json(const http::Headers& fields) {
    const auto type = fields.get("Content-Type");
    return type && (type->starts_with("application/json") || type->find("+json") != std::string_view::npos);
}

bool is_event_stream(const http::Headers& fields) {
    const auto type = fields.get("Content-Type");
    return type && type->starts_with("text/event-stream");
}

void add_cache_lines(const Provenance& provenance, http::Headers& fields) {
    rules::add_cache_status(provenance.status, fields);
    fields.add("X-Cache", rules::to_string(provenance.word));
}

audit::Status status_of_answer(int status) noexcept {
    if (status < 400) return audit::Status::kSuccess;
    return status < 500 ? audit::Status::kRefused : audit::Status::kError;
}

}  // namespace

Answer::Answer(pipeline::ContextPtr context, ProxyRoutePtr route)
    : context_(std::move(context)), route_(std::move(route)) {}

bool Answer::records(const Provenance& provenance) const noexcept {
    if (route_->options.record == "all") return true;
    return route_->options.record == "misses" && provenance.state != audit::CacheState::kHit;
}

audit::Decision Answer::decision(int status, const Provenance& provenance, std::string_view body, bool whole) const {
    const http::RequestHead& head = context_->head();
    // The question: what was asked, in full where it was whole in memory.
    const std::string_view asked = context_->raw_body();
    const std::string line = head.method_text + " " + head.target;
    audit::Decision made = context_->make_decision(route_->options.family, route_->options.name,
                                                   asked.empty() ? std::string_view(line) : asked);
    made.model = route_->upstream->name();
    made.tokens_stated = false;  // What the upstream used, it does not tell.
    made.spend_points = context_->price(status_of_answer(status), provenance.state);
    made.cache = provenance.state;
    made.status = status_of_answer(status);
    if (made.status != audit::Status::kSuccess) made.error = "upstream_status: " + std::to_string(status);
    const bool keep = whole && body.size() <= route_->options.record_output_bytes_max && is_json(held_.headers) &&
                      json::parse(body).has_value();
    if (keep) {
        made.output = body;
    } else {
        JsonWriter writer(made.output);
        writer.begin_object().field("status", status).field("bytes", body_bytes_);
        if (whole) writer.field("sha256", to_hex(sha256(body)));
        writer.end_object();
    }
    if (!provenance.target.empty()) made.tags.push_back({"target", std::string(provenance.target)});
    made.tags.insert(made.tags.end(), tags_.begin(), tags_.end());
    return made;
}

void Answer::begin(int status, http::Headers fields, std::optional<std::uint64_t> length, bool has_body,
                   const Provenance& provenance) {
    begun_ = true;
    status_ = status;
    provenance_ = provenance;
    target_ = provenance.target;
    provenance_.target = target_;
    held_.status = status;
    held_.headers = std::move(fields);
    held_.has_date = held_.headers.get("Date").has_value();
    add_cache_lines(provenance_, held_.headers);
    if (!has_body) {
        held_.content_length = length;
        return;
    }
    const bool hold = length && *length <= kHeldBytesMax && !is_event_stream(held_.headers);
    if (hold) return held_.body.reserve(*length);
    http::Response head = std::exchange(held_, {});
    held_.headers = head.headers;  // For the Decision.
    head.content_length = length;
    stream_ = context_->send_stream(std::move(head));
}

bool Answer::write(std::string_view bytes, const std::function<void()>& room) {
    body_bytes_ += bytes.size();
    if (!stream_) {
        held_.body.append(bytes);
        return true;
    }
    if (backlog_.empty() && stream_->write(bytes) != http::Stream::Outcome::kFull) return true;
    backlog_.append(bytes);
    if (!std::exchange(waiting_, true)) {
        stream_->on_room([this, context = context_, room] {
            waiting_ = false;
            std::string rest = std::exchange(backlog_, {});
            if (!rest.empty() && stream_->write(rest) == http::Stream::Outcome::kFull) {
                body_bytes_ -= rest.size();
                write(rest, room);
                return;
            }
            if (ended_) return end_stream();
            room();
        });
    }
    return false;
}

void Answer::end() {
    ended_ = true;
    if (stream_) {
        if (!waiting_) end_stream();
        return;
    }
    send(std::move(held_), provenance_, held_.body);
}

void Answer::send(http::Response&& response, const Provenance& provenance, std::string_view body) {
    if (!records(provenance)) {
        const Points charged = context_->price(status_of_answer(response.status), provenance.state);
        return context_->send(std::move(response), charged);
    }
    std::vector<audit::Decision> decisions;
    body_bytes_ = body.size();
    decisions.push_back(decision(response.status, provenance, body, true));
    context_->send_recorded(std::move(decisions), std::move(response));
}

void Answer::end_stream() {
    if (!records(provenance_)) {
        stream_->finish();
        return;
    }
    std::vector<audit::Decision> decisions;
    decisions.push_back(decision(status_, provenance_, {}, false));
    context_->record(std::move(decisions), [context = context_, stream = stream_](Result<void> durable) {
        if (durable) return stream->finish();
        context->fail_stream({ErrorCode::kUnavailable, "the decision could not be recorded"});
    });
    stream_.reset();
}

void Answer::break_off(std::string_view why) {
    if (stream_) {
        context_->fail_stream({ErrorCode::kUnavailable, std::string(why)});
        stream_.reset();
        return;
    }
    refuse(502, "upstream_broke_off", why, {}, true);
}

void Answer::refuse(int status, std::string_view error, std::string_view detail, Duration retry_after, bool record) {
    http::Response response = pipeline::problem_response({.status = status,
                                                          .error = error,
                                                          .detail = detail,
                                                          .request_id = context_->request_id(),
                                                          .path = context_->head().path,
                                                          .errors = nullptr},
                                                         static_cast<int>(upstream::retry_after_seconds(retry_after)));
    if (!record || route_->options.record == "off") return context_->send(std::move(response));
    Provenance none;
    none.state = audit::CacheState::kBypass;
    audit::Decision made = decision(status, none, {}, false);
    made.output.clear();
    made.error = std::string(error) + ": " + std::string(detail);
    made.status = status == 504 ? audit::Status::kTimeout : audit::Status::kError;
    made.spend_points = {};
    std::vector<audit::Decision> decisions;
    decisions.push_back(std::move(made));
    context_->send_recorded(std::move(decisions), std::move(response));
}

void Answer::give(const cache::EntryPtr& entry, const http::RequestHead& head, UnixMillis now, Provenance provenance,
                  std::uint32_t age_s) {
    begun_ = true;
    http::Response response;
    const std::string_view body = entry->body();
    rules::Answer how;
    const bool reads = head.method == http::Method::kGet || head.method == http::Method::kHead;
    if (reads && rules::is_conditional(head.headers)) {
        const std::string etag = entry->etag();
        const rules::Representation stored{.status = entry->status(),
                                           .etag = etag,
                                           .last_modified = entry->field("Last-Modified"),
                                           .date_ms = entry->timing().date_ms,
                                           .body_bytes = body.size()};
        how = rules::answer_for(head.method, head.headers, stored, now);
    }
    response.status = entry->status();
    response.has_date = !entry->field("Date").empty();
    switch (how.kind) {
        case rules::Answer::Kind::kWhole:
            entry->give_to(response, head.method != http::Method::kHead);
            if (head.method == http::Method::kHead) response.content_length = body.size();
            break;
        case rules::Answer::Kind::kNotModified:
            response.status = 304;
            response.headers = rules::not_modified_fields(entry->headers());
            break;
        case rules::Answer::Kind::kPart:
            response.status = 206;
            response.headers = entry->headers();
            response.headers.set("Content-Range", rules::content_range(how, body.size()));
            response.body = body.substr(how.first, how.last - how.first + 1);
            break;
        case rules::Answer::Kind::kUnsatisfiable:
            response.status = 416;
            response.headers.add("Content-Range", rules::content_range(how, body.size()));
            response.has_date = false;
            break;
    }
    response.headers.add("Age", std::to_string(age_s));
    add_cache_lines(provenance, response.headers);
    if (records(provenance)) held_.headers.add("Content-Type", entry->field("Content-Type"));
    send(std::move(response), provenance, body);
}

}  // namespace tidegate::proxy
