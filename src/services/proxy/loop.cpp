#include "services/proxy/loop.h"

#include "services/proxy/fill.h"

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

cache::SharedTicket ProxyLoop::begin_fill() const noexcept {
    if (const cache::SecondLevel* level = second_level()) return level->begin_fill();
    return {.ticket = store.begin_fill()};
}

void ProxyLoop::stop() {
    while (!fills_.empty()) (*fills_.begin())->abandon();
}

void ProxyLoop::invalidate_target(std::string_view target) {
    invalidator.invalidate_tag(cache::tag_hash("target:" + std::string(target)));
}

void ProxyLoop::invalidate_group(std::string_view group) {
    invalidator.invalidate_tag(cache::tag_hash("group:" + std::string(group)));
}

}  // namespace tidegate::proxy
