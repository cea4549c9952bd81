#include "services/proxy/batch_call.h"

#include <algorithm>
#include <array>
#include <utility>

#include "base/ids.h"
#include "base/strings.h"

namespace tidegate::proxy {
namespace {

/// A 4xx that speaks of what was sent: asked alone, the items that are well get their answers. The others say "later".
bool speaks_of_items(int status) noexcept {
    return status >= 400 && status < 500 && status != 408 && status != 425 && status != 429;
}

/// What holds for each part of an answer as for the whole. Everything else may be about another's part.
http::Headers fields_for_each(const http::Headers& fields) {
    // All fields of a name: `private` may stand in the second. Without Vary and Age a cache would give too much.
    static constexpr std::array<std::string_view, 9> kNames{
        "Date", "Cache-Control", "Expires",           "Content-Language",      "Vary",
        "Age",  "Cache-Groups",  "CDN-Cache-Control", "Tidegate-Cache-Control"};
    http::Headers kept;
    for (const auto& [name, value] : fields.fields()) {
        const auto is_it = [&](std::string_view other) { return iequals(other, name); };
        if (std::ranges::any_of(kNames, is_it)) kept.add(name, value);
    }
    return kept;
}

bool is_coded(const http::Headers& fields) {
    const auto coding = fields.get("Content-Encoding");
    return coding && !iequals(*coding, "identity");
}

FetchFailure failure_of_status(const http::ResponseHead& head) {
    FetchFailure failure{.status = 502,
                         .error = "upstream_status",
                         .detail = "The upstream answered the merged call with " + std::to_string(head.status) + "."};
    if (head.status == 429 || head.status == 503) {
        failure.status = 503;
        const auto seconds = parse_u64(head.headers.get("Retry-After").value_or(""));
        // A date, and more than a day, is taken as: in a second, then we shall see.
        failure.retry_after = std::chrono::seconds(seconds && *seconds <= 86400 ? *seconds : 1);
    }
    return failure;
}

}  // namespace

BatchCall::BatchCall(const FetchLoop& loop, Batching& owner, upstream::Batch batch, upstream::BatchDone done,
                     Ended ended)
    : loop_(loop), owner_(owner), batch_(std::move(batch)), done_(std::move(done)), ended_(std::move(ended)) {
    outcome_.facts.id = to_string(make_uuid7(owner.clock_, loop.random));
    outcome_.facts.requests = static_cast<std::uint32_t>(batch_.items.size());
    outcome_.facts.cut_at = batch_.cut_at;
}

FetchRequest BatchCall::make_request() const {
    const auto& question = *static_cast<const BatchQuestion*>(batch_.first.get());
    FetchRequest request;
    request.call.method = "POST";
    request.call.target = question.target;
    request.call.headers = question.headers;
    request.call.headers.set("Content-Type", "application/json");
    // What comes is taken apart, so it comes plain.
    request.call.headers.set("Accept-Encoding", "identity");
    request.call.headers.set("X-Request-Id", outcome_.facts.id);
    request.call.headers.set("traceparent", question.traceparent);
    if (!question.tracestate.empty()) request.call.headers.set("tracestate", question.tracestate);
    request.call.body = upstream::merge_items(batch_.items, question.others, owner_.settings.format);
    request.priority = owner_.priority_;
    request.deadline = batch_.deadline;
    return request;
}

void BatchCall::start() {
    fetch_ = std::make_shared<Fetch>(loop_, owner_.upstream_, make_request(), *this);
    const auto fetch = fetch_;
    fetch->start();
}

void BatchCall::drop() {
    if (fetch_) std::exchange(fetch_, nullptr)->cancel();
    done_.reset();
}

void BatchCall::on_answer(http::ResponseHead head) {
    outcome_.target = fetch_ ? fetch_->target() : std::string();
    head_ = std::move(head);
    body_.reserve(std::min(head_.content_length.value_or(0), kAnswerBytesMax));
}

bool BatchCall::on_bytes(std::string_view bytes) {
    if (body_.size() + bytes.size() <= kAnswerBytesMax) {
        body_.append(bytes);
        return true;
    }
    if (fetch_) std::exchange(fetch_, nullptr)->cancel();
    fail_all({.status = 502,
              .error = "upstream_results",
              .detail = "The upstream's answer to the merged call is too long."});
    return true;
}

void BatchCall::on_done() {
    outcome_.fields = fields_for_each(head_.headers);
    if (head_.status != 200) return refused();
    if (is_coded(head_.headers)) {
        return fail_all({.status = 502,
                         .error = "upstream_results",
                         .detail = "The upstream's answer to the merged call is compressed, unasked."});
    }
    settle(upstream::split_results(body_, batch_.counts, owner_.settings.format));
}

/// An answer that is no list of results.
void BatchCall::refused() {
    const bool of_items = speaks_of_items(head_.status);
    if (of_items && batch_.items.size() == 1) {
        outcome_.status = head_.status;
        outcome_.fields = std::move(head_.headers);
        outcome_.body = std::move(body_);
        return settle(fail(ErrorCode::kUnavailable, "the upstream refused the item"));
    }
    if (of_items && owner_.settings.isolate) {
        const auto self = shared_from_this();
        fetch_.reset();
        auto done = std::exchange(done_, std::nullopt);
        if (done) done->isolate(std::move(batch_.items), loop_.loop.now());
        return ended_(self);
    }
    fail_all(failure_of_status(head_));
}

void BatchCall::on_failed(const FetchFailure& failure) {
    // Perhaps within start(), within the cut of this batch: the next one is not to be cut in there.
    loop_.loop.mailbox()->post([self = shared_from_this(), failure] { self->fail_all(failure); });
}

void BatchCall::on_tunnel(http::ResponseHead) {
    on_failed({.status = 502, .error = "upstream_protocol", .detail = "The upstream switched protocols unasked."});
}

void BatchCall::fail_all(FetchFailure failure) {
    outcome_.failure = std::move(failure);
    settle(fail(ErrorCode::kUnavailable, outcome_.failure.detail));
}

void BatchCall::settle(upstream::BatchAnswer answer) {
    const auto self = shared_from_this();
    fetch_.reset();
    auto done = std::exchange(done_, std::nullopt);
    if (!done) return;  // Dropped.
    (*done)(std::move(answer), loop_.loop.now(), std::make_shared<const BatchOutcome>(std::move(outcome_)));
    ended_(self);
}

}  // namespace tidegate::proxy
