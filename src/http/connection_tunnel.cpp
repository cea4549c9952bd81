// After a 101: raw bytes both ways, each way ending by itself, each way waiting for its slower side.
#include <utility>

#include "http/connection.h"

namespace tidegate::http {
namespace {

constexpr int kStatusSwitching = 101;

}  // namespace

void Connection::begin_tunnel(ServerExchange& exchange) {
    // may_parse() has kept everything behind the request unread. Anything else is a tunnel in the middle of a body.
    if (receiving_ || pipeline_.size() != 1 || phase_ != Phase::kHead || parts_) return cut();
    HeadOptions options;
    options.upgrade = true;
    context_.writer.write_head(out_.begin_text(), exchange.answer(), options);
    out_.end_text();
    exchange.drop_answer();
    tunnel_ = exchange.tunnel();
    tunnel_->attach(*this);
    phase_ = Phase::kTunnel;
    phase_since_ = context_.now;
    stream_bytes_ = 0;
    exchange.on_gone(nullptr);
    context_.counters.tunnels.fetch_add(1, std::memory_order_relaxed);
    context_.counters.tunnels_open.fetch_add(1, std::memory_order_relaxed);
    pump_tunnel();
}

void Connection::on_tunnel_ready() {
    want_turn();
}

std::size_t Connection::step_tunnel(std::string_view input) {
    if (tunnel_->paused()) return 0;
    phase_since_ = context_.now;
    const auto held = tunnel_;
    held->give(input);
    return input.size();
}

void Connection::pump_tunnel() {
    if (tunnel_->cut_wanted()) return cut();
    std::string bytes = tunnel_->take();
    stream_bytes_ += bytes.size();
    out_.append(std::move(bytes));
}

void Connection::settle_tunnel() {
    tunnel_->note_sent();
    if (!tunnel_->finished() || !out_.empty() || again_) return;
    if (!std::exchange(tunnel_shut_, true)) transport_->shutdown_write();
    if (!input_ended_) return;
    close_tunnel(true);
    cut();
}

/// Says to both who wait that it is over.
void Connection::close_tunnel(bool whole) {
    const auto tunnel = std::exchange(tunnel_, nullptr);
    tunnel->close(whole);
    context_.counters.tunnels_open.fetch_sub(1, std::memory_order_relaxed);
    const auto exchange = pipeline_.front();
    pipeline_.clear();
    exchange->detach();
    exchange->report_sent({kStatusSwitching, stream_bytes_, whole});
}

}  // namespace tidegate::http
