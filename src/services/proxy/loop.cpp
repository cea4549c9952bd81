#include "services/proxy/loop.h"

namespace tidegate::proxy {

cache::rules::Times times_of(const cache::Entry& entry) {
    const cache::Timing timing = entry.timing();
    return {.response_ms = timing.response_ms,
            .date_ms = timing.date_ms,
            .initial_age_s = timing.initial_age_s,
            .lifetime_s = timing.lifetime_s,
            .stale_while_revalidate_s = timing.stale_while_revalidate_s,
            .stale_if_error_s = timing.stale_if_error_s};
}

void ProxyLoop::fill(const ProxyRoutePtr& route, FillQuestion question, cache::EntryPtr stored, FillClient& client,
                     FetchRequest request, std::shared_ptr<Fill>& begun) {
    begun = std::make_shared<Fill>(*this, route, std::move(question), std::move(stored), &client);
    // The client may hear of a failure before start() returns, and let go of the fill.
    const auto fill = begun;
    fill->start(std::move(request));
}

void ProxyLoop::refresh(const ProxyRoutePtr& route, FillQuestion question, cache::EntryPtr stored,
                        FetchRequest request) {
    std::make_shared<Fill>(*this, route, std::move(question), std::move(stored), nullptr)->start(std::move(request));
}

void ProxyLoop::invalidate_target(std::string_view target) {
    store.invalidate_tag(cache::tag_hash("target:" + std::string(target)));
}

void ProxyLoop::invalidate_group(std::string_view group) {
    store.invalidate_tag(cache::tag_hash("group:" + std::string(group)));
}

bool ProxyLoop::others_wait(const cache::Key&) const {
    return false;
}
void ProxyLoop::flight_done(const cache::Key&, const cache::EntryPtr&) {}
void ProxyLoop::flight_uncacheable(const cache::Key&, bool) {}
void ProxyLoop::flight_failed(const cache::Key&, const FetchFailure&) {}

}  // namespace tidegate::proxy
