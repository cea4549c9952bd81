#include "http/client/origin_pool.h"

#include <algorithm>
#include <utility>

#include "base/assert.h"

namespace tidegate::http {

OriginPool::OriginPool(ClientCore& core, Origin origin) : core_(core), origin_(std::move(origin)) {}

OriginPool::~OriginPool() {
    for (const auto& call : std::exchange(waiting_, {})) {
        --core_.counts().calls_waiting;
        call->abandon();
    }
    core_.counts().connections_idle -= static_cast<std::int64_t>(idle_.size());
    for (const auto& connection : connections_) {
        --core_.counts().connections_open;
        connection->close();
        if (const auto call = connection->take_call()) call->abandon();
    }
}

void OriginPool::start(const std::shared_ptr<CallState>& call) {
    forgotten_ = false;
    if (!idle_.empty()) {
        UpstreamConnection& connection = *idle_.back();
        idle_.pop_back();
        --core_.counts().connections_idle;
        connection.assign(call);
        return;
    }
    const bool full = connections_.size() >= core_.options.connections_max;
    if (full && waiting_.size() >= attempts_.size() + core_.options.waiting_max) {
        call->fail_later({CallFailure::Kind::kPoolFull, CallFailure::Stage::kConnect,
                          "every connection to the upstream is taken and the queue for one is full", true});
        return;
    }
    call->wait_in(*this);
    waiting_.push_back(call);
    ++core_.counts().calls_waiting;
    fill();
}

void OriginPool::fill() {
    while (attempts_.size() < waiting_.size() && connections_.size() < core_.options.connections_max) {
        const auto& connection = connections_.emplace_back(std::make_shared<UpstreamConnection>(core_, *this));
        connection->index = connections_.size() - 1;
        ++core_.counts().connections_open;
        const auto& for_call = *std::next(waiting_.begin(), static_cast<std::ptrdiff_t>(attempts_.size()));
        attempts_.push_back(connection.get());
        connection->open(for_call->connect_deadline());
    }
}

void OriginPool::forget() {
    forgotten_ = true;
    for (UpstreamConnection* connection : std::vector(idle_)) retire_idle(*connection);
    core_.note_change();
}

void OriginPool::forget_call(CallState& call) noexcept {
    const auto found = std::ranges::find(waiting_, &call, &std::shared_ptr<CallState>::get);
    TG_ASSERT(found != waiting_.end());
    waiting_.erase(found);
    --core_.counts().calls_waiting;
    // The oldest attempt has the least chance: it was most likely opened for this very call.
    while (attempts_.size() > waiting_.size()) {
        UpstreamConnection& oldest = *attempts_.front();
        attempts_.erase(attempts_.begin());
        close_and_bury(oldest);
    }
}

std::shared_ptr<CallState> OriginPool::take_front() {
    auto call = std::move(waiting_.front());
    waiting_.pop_front();
    --core_.counts().calls_waiting;
    return call;
}

void OriginPool::attempt_ready(UpstreamConnection& connection) {
    std::erase(attempts_, &connection);
    ++core_.counts().connections_opened;
    release(connection);
}

void OriginPool::attempt_failed(UpstreamConnection& connection, CallFailure failure) {
    std::erase(attempts_, &connection);
    close_and_bury(connection);
    const auto call = waiting_.empty() ? nullptr : take_front();
    if (call) call->detach();
    fill();
    if (call) call->fail(std::move(failure));
}

void OriginPool::attempt_expired(UpstreamConnection& connection) {
    std::erase(attempts_, &connection);
    close_and_bury(connection);
    fill();
}

void OriginPool::release(UpstreamConnection& connection) {
    if (!waiting_.empty()) {
        const auto call = take_front();
        connection.assign(call);
        return;
    }
    idle_.push_back(&connection);
    ++core_.counts().connections_idle;
    connection.rest();
    if (forgotten_ || idle_.size() > core_.options.idle_connections_max) retire_idle(connection);
}

void OriginPool::retire(UpstreamConnection& connection) {
    close_and_bury(connection);
    fill();
}

void OriginPool::retire_idle(UpstreamConnection& connection) {
    std::erase(idle_, &connection);
    --core_.counts().connections_idle;
    ++core_.counts().connections_closed_idle;
    close_and_bury(connection);
}

void OriginPool::close_and_bury(UpstreamConnection& connection) noexcept {
    connection.close();
    --core_.counts().connections_open;
    const std::size_t index = connection.index;
    core_.bury(std::move(connections_[index]));
    if (index + 1 != connections_.size()) {
        connections_[index] = std::move(connections_.back());
        connections_[index]->index = index;
    }
    connections_.pop_back();
}

}  // namespace tidegate::http
