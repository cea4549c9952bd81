#include "services/compliance/drift/listeners.h"

#include <algorithm>
#include <chrono>
#include <string>
#include <utility>

#include "http/sse.h"

namespace tidegate::compliance {
namespace {

// EventSource connects again by itself; a key that was revoked meanwhile is then asked for again.
constexpr Duration kLifeMax = std::chrono::minutes(30);

}  // namespace

Result<void> Listeners::check_room(const std::optional<std::string>& tenant) const {
    const Lock lock(mutex_);
    return check(tenant);
}

Result<void> Listeners::check(const std::optional<std::string>& tenant) const {
    if (closed_) return fail(ErrorCode::kUnavailable, "The server is ending.");
    if (listeners_.size() >= listeners_max_) {
        return fail(ErrorCode::kUnavailable,
                    "As many streams as drift.listeners_max allows are open; ask again later.");
    }
    if (!tenant || tenant->empty()) return {};
    const auto mine = std::ranges::count(listeners_, tenant, &Listener::tenant);
    if (std::cmp_less(mine, of_tenant_max_)) return {};
    return fail(ErrorCode::kResourceExhausted,
                "Your tenant has " + std::to_string(mine) +
                    " streams open, as many as one may have "
                    "(drift.tenant_share_percent of drift.listeners_max); end one first.");
}

void Listeners::add(std::shared_ptr<http::Stream> stream, std::optional<std::string> tenant, SteadyTime now) {
    const Lock lock(mutex_);
    if (!check(tenant)) {
        stream->finish();
        return;
    }
    listeners_.push_back({std::move(stream), std::move(tenant), now});
}

void Listeners::send(std::string_view tenant, std::string_view event) {
    const Lock lock(mutex_);
    std::erase_if(listeners_, [&](const Listener& listener) {
        if (listener.tenant && *listener.tenant != tenant) return false;
        return listener.stream->write(event) != http::Stream::Outcome::kAccepted;
    });
}

void Listeners::keep_alive(SteadyTime now) {
    std::string comment;
    http::append_comment(comment, "still here");
    const Lock lock(mutex_);
    std::erase_if(listeners_, [&](const Listener& listener) {
        if (now - listener.since < kLifeMax) return listener.stream->write(comment) != http::Stream::Outcome::kAccepted;
        listener.stream->finish();
        return true;
    });
}

void Listeners::close() {
    const Lock lock(mutex_);
    closed_ = true;
    for (const Listener& listener : listeners_) listener.stream->finish();
    listeners_.clear();
}

std::size_t Listeners::size() const {
    const Lock lock(mutex_);
    return listeners_.size();
}

}  // namespace tidegate::compliance
