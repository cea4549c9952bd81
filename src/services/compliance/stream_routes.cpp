// GET /api/compliance/stream: new decisions as server-sent events, from now on or from where a client was cut off.
#include <algorithm>

#include "base/strings.h"
#include "http/sse.h"
#include "services/compliance/query_routes.h"
#include "services/compliance/reading.h"

namespace tidegate::compliance {
namespace {

using pipeline::ContextPtr;
using pipeline::Schema;

constexpr std::size_t kTurnBytes = 64 * 1024;
constexpr std::size_t kTurnItems = 256;
// What is behind is read in spans of the log; a span without a match doubles the next, up to 16 chunks of columns.
constexpr std::uint64_t kSpanMin = 4096;
constexpr std::uint64_t kSpanMax = 1U << 22U;

void append_decision(std::string& out, std::uint64_t leaf, const audit::Decision& decision) {
    const std::string data = audit::to_json(decision);
    const std::string id = std::to_string(leaf);
    http::append_event(out, {.name = "decision", .data = data, .id = id});
}

/// `count`: nothing where nobody can say any more which of them the filter meant.
void append_missed(std::string& out, std::optional<std::uint64_t> count, std::string_view reason) {
    std::string data;
    JsonWriter writer(data);
    writer.begin_object().key("count");
    count ? writer.value(*count) : writer.null();
    writer.field("reason", reason).end_object();
    http::append_event(out, {.name = "missed", .data = data});
}

/// First what lies behind the client, from the log; then what comes, from the feed.
class DecisionSource final : public EventSource {
  public:
    /// `next`: the first leaf that the client has not seen.
    DecisionSource(const QueryParts& parts, audit::HistoryFilter filter, std::optional<std::uint64_t> next)
        : history_(parts.history),
          filter_(std::move(filter)),
          subscription_(parts.feed.subscribe(filter_, [pump = &parts.pump] { pump->wake(); })),
          next_(std::min(next.value_or(subscription_->begin()), subscription_->begin())) {}

    Result<bool> write(std::string& out, SteadyTime) override {
        if (next_ < subscription_->begin()) return write_behind(out);
        const auto taken = subscription_->take(kTurnItems);
        for (const audit::LiveItem& item : taken.items) append_decision(out, item.leaf, *item.decision);
        if (taken.missed > 0) append_missed(out, taken.missed, "slow");
        return taken.items.size() == kTurnItems;
    }

  private:
    Result<bool> write_behind(std::string& out) {
        const std::uint64_t first = history_.first_leaf();
        if (next_ < first) {
            append_missed(out, std::nullopt, "retention");
            next_ = first;
        }
        const std::uint64_t to = std::min({subscription_->begin(), next_ + span_, history_.end_leaf()});
        bool any = false;
        bool full = false;
        const audit::Walk walk{.order = audit::Order::kOldestFirst, .from = next_, .to = to};
        TG_CHECK(history_.for_each(filter_, walk, [&](std::uint64_t leaf, const audit::Decision& decision) {
            append_decision(out, leaf, decision);
            any = true;
            next_ = leaf + 1;
            full = out.size() >= kTurnBytes;
            return !full;
        }));
        span_ = any ? kSpanMin : std::min(span_ * 2, kSpanMax);
        if (!full) next_ = std::max(next_, to);
        return true;
    }

    const audit::LogHistory& history_;
    const audit::HistoryFilter filter_;
    const std::shared_ptr<audit::LiveFeed::Subscription> subscription_;
    std::uint64_t next_;
    std::uint64_t span_ = kSpanMin;
};

/// The leaf after the last that the client has seen; nothing was said. An error: it is none of ours.
Result<std::optional<std::uint64_t>> resume_from(const pipeline::Context& context, const QueryParts& parts) {
    std::optional<std::string> text = context.query("last_event_id");
    if (const auto header = context.head().headers.get("Last-Event-ID")) text = std::string(*header);
    if (!text || text->empty()) return std::nullopt;
    const auto leaf = parse_u64(*text);
    if (!leaf || *leaf >= parts.history.end_leaf()) {
        return fail(ErrorCode::kInvalidArgument, "Last-Event-ID is none that this stream has given.");
    }
    return *leaf + 1;
}

void answer_record_stream(const ContextPtr& context, const QueryParts& parts) {
    const Reach reach = reach_of(context->caller().get(), parts.loopback_without_keys);
    const auto filter = take_filter(*context, reach, From::kQuery);
    if (!filter) return;
    const auto next = resume_from(*context, parts);
    if (!next) return context->fail(next.error());
    auto place = parts.pump.take_place(reach);
    if (!place) return context->fail(place.error());
    // Before the event that tells of it: nothing between now and then is missed.
    auto source = std::make_unique<DecisionSource>(parts, *filter, *next);
    if (const auto noted = record_access(*context, access_event(*context, "access/stream", to_json(*filter))); !noted) {
        return context->fail({ErrorCode::kUnavailable, "The stream could not be recorded, so it is not given."});
    }
    parts.pump.add(*std::move(place), context, std::move(source));
}

}  // namespace

void register_stream_routes(std::vector<pipeline::Route>& routes, const QueryParts& parts) {
    std::vector<pipeline::Parameter> query = filter_parameters();
    query.push_back({.name = "last_event_id",
                     .schema = Schema::string().size(1, 20).doc("As the field Last-Event-ID, which comes first.")});
    routes.push_back({
        .method = http::Method::kGet,
        .path = "/api/compliance/stream",
        .operation = "compliance_stream",
        .family = "compliance",
        .summary = "New decisions as server-sent events `decision`; `missed` says how many a slow reader was not "
                   "given. With Last-Event-ID it goes on after that one.",
        .work = pipeline::Work::kBlocking,
        .query = query,
        .response = Schema::string().doc("Events; the data of `decision` is a record as the query gives it."),
        .response_type = "text/event-stream",
        .scopes = kReadScopes,
        .handler = [parts](const ContextPtr& context) { answer_record_stream(context, parts); },
    });
}

}  // namespace tidegate::compliance
