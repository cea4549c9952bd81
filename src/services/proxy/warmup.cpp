#include "services/proxy/warmup.h"

#include <algorithm>

#include "pipeline/cache/rules/vary.h"
#include "services/proxy/fill.h"

namespace tidegate::proxy {
namespace {

namespace rules = cache::rules;

/// What is kept of it, to be validated; null: nothing that fits.
cache::EntryPtr kept_for(const cache::ResponseStore& store, const cache::Key& key, const http::Headers& fields,
                         const ProxyRoute& route) {
    for (cache::EntryPtr& variant : store.variants(key)) {
        if (rules::variant_fits({.names = variant->vary(), .selecting = variant->selecting(), .content_language = {}},
                                fields, route.policy)) {
            return std::move(variant);
        }
    }
    return {};
}

}  // namespace

/// One question under way: the client of its fill, which wants nothing of the answer but its end.
class Warmup::Item final : public FillClient {
  public:
    Item(Warmup& owner, cache::Key key) : owner_(owner), key_(std::move(key)) {}

    void start(const std::shared_ptr<Fill>& fill, FetchRequest request) {
        fill_ = fill;
        fill->start(std::move(request));
    }
    void leave() {
        if (const auto fill = std::exchange(fill_, nullptr)) fill->leave();
    }
    const cache::Key& key() const noexcept { return key_; }

  private:
    void on_interim(int, const http::Headers&) override {}
    void on_answer(http::ResponseHead) override {}
    bool on_bytes(std::string_view) override { return true; }
    void on_done() override { end(true); }
    void on_failed(const FetchFailure&) override { end(false); }
    void on_tunnel(http::ResponseHead) override { end(false); }
    void on_entry(const cache::EntryPtr&, Provenance) override { end(true); }
    void end(bool answered) {
        fill_.reset();
        owner_.item_ended(*this, answered);
    }

    Warmup& owner_;
    const cache::Key key_;
    std::shared_ptr<Fill> fill_;
};

Warmup::Warmup(ProxyLoop& loop, const std::vector<ProxyRoutePtr>& routes, std::vector<cache::HotKey> keys,
               WarmupCounts& counts, Done done)
    : loop_(loop), routes_(routes), keys_(std::move(keys)), counts_(counts), done_(std::move(done)) {
    report_.keys = keys_.size();
}

Warmup::~Warmup() = default;

void Warmup::start(Duration deadline) {
    auto& event_loop = loop_.fetch_loop.loop;
    event_loop.timers().schedule(*this, event_loop.now() + deadline);
    go_on();
}

void Warmup::on_timer() {
    finish();
}

void Warmup::drop() {
    done_ = nullptr;
    finish();
}

void Warmup::go_on() {
    // An item may end before its start returns.
    if (going_on_ || ended_) return;
    going_on_ = true;
    while (next_ < keys_.size() && items_.size() < kAtOnce) begin(keys_[next_++]);
    going_on_ = false;
    if (next_ == keys_.size() && items_.empty()) finish();
}

bool Warmup::is_fresh(const cache::Key& key) const {
    const UnixMillis now = loop_.clock.unix_ms();
    return std::ranges::any_of(loop_.store.variants(key), [now](const auto& entry) { return entry->fresh(now); });
}

void Warmup::begin(const cache::HotKey& hot) {
    const auto replay = unpack_replay(hot.replay);
    const auto route = !replay ? routes_.end() : std::ranges::find_if(routes_, [&](const ProxyRoutePtr& candidate) {
        return candidate->options.name == replay->route && candidate->caches();
    });
    if (route == routes_.end()) {
        ++report_.failed;
        return;
    }
    auto request = request_of(*replay, **route);
    if (!request) {
        ++report_.failed;
        return;
    }
    const auto method = replay->method == "POST" ? http::Method::kPost : http::Method::kGet;
    http::Headers fields;
    fields.add("Host", replay->host);
    if (!replay->content_type.empty()) fields.add("Content-Type", replay->content_type);
    const cache::Key key(key_text(**route, {.method = method,
                                            .method_text = replay->method,
                                            .host = replay->host,
                                            .target = replay->target,
                                            .tenant = std::string_view(),
                                            .body = replay->body,
                                            .kind = body_kind(fields)}));
    if (is_fresh(key)) {
        ++report_.fresh;
        return;
    }
    auto& event_loop = loop_.fetch_loop.loop;
    auto leader = loop_.flights.lead(key, event_loop.now());
    if (!leader) {
        ++report_.busy;
        return;
    }
    ++report_.asked;
    request->deadline = event_loop.now() + (*route)->options.deadline;
    // A POST that is kept by its body is to the rules what a GET is.
    FillQuestion question{.key = key,
                          .target = replay->target,
                          .facts = rules::read_request(http::Method::kGet, fields, false),
                          .client_fields = fields,
                          .flight_vary = {},
                          .ask_others = true};
    const auto item = std::make_shared<Item>(*this, key);
    items_.insert(item);
    item->start(std::make_shared<Fill>(loop_, *route, std::move(question), kept_for(loop_.store, key, fields, **route),
                                       std::move(leader), item.get()),
                *std::move(request));
}

void Warmup::item_ended(Item& item, bool answered) {
    const auto self = shared_from_this();
    if (!answered) {
        ++report_.failed;
    } else {
        ++(is_fresh(item.key()) ? report_.stored : report_.not_kept);
    }
    std::erase_if(items_, [&](const auto& held) { return held.get() == &item; });
    go_on();
}

void Warmup::finish() {
    if (std::exchange(ended_, true)) return;
    loop_.fetch_loop.loop.timers().cancel(*this);
    report_.unfinished = items_.size() + (keys_.size() - next_);
    for (const auto& item : std::exchange(items_, {})) item->leave();
    const auto add = [](WarmupCounts::Count& count, std::uint64_t by) {
        count.fetch_add(by, std::memory_order_relaxed);
    };
    add(counts_.fresh, report_.fresh);
    add(counts_.busy, report_.busy);
    add(counts_.stored, report_.stored);
    add(counts_.not_kept, report_.not_kept);
    add(counts_.failed, report_.failed);
    add(counts_.unfinished, report_.unfinished);
    if (Done done = std::exchange(done_, nullptr)) done(report_);
}

void declare_metrics(observe::Registry& registry, const WarmupCounts& counts) {
    registry.callback(
        {.name = "tidegate_cache_warmup_keys_total",
         .help =
             "Keys of warm-ups: fresh already, being fetched by a client (busy), asked again and stored, answered but "
             "not to be kept, failed, unfinished when the time was over.",
         .labels = {"outcome"},
         .when_it_rises = "failed, unfinished: upstreams are slow or away when the cache is warmed."},
        observe::MetricType::kCounter, [&counts](observe::Samples& out) {
            const auto add = [&](std::string_view outcome, const WarmupCounts::Count& count) {
                out.add({outcome}, static_cast<double>(count.load(std::memory_order_relaxed)));
            };
            add("fresh", counts.fresh);
            add("busy", counts.busy);
            add("stored", counts.stored);
            add("not_kept", counts.not_kept);
            add("failed", counts.failed);
            add("unfinished", counts.unfinished);
        });
}

}  // namespace tidegate::proxy
