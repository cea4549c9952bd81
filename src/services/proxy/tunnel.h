// Tunnel: raw bytes both ways between a client and an upstream after 101 (WebSocket).
//
// Guarantee   Bytes pass in order, each side waits for the other; when one side ends the other hears it.
// Memory      What the two connections buffer, both bounded.
// Threads     The loop of the exchange.
#pragma once

#include <memory>

#include "http/exchange.h"
#include "pipeline/context.h"
#include "services/proxy/fetch.h"

namespace tidegate::proxy {

/// The client's side, heard on behalf of the fetch.
class ClientEnd final : public http::TunnelEnd {
  public:
    explicit ClientEnd(std::shared_ptr<Source> fetch) : fetch_(std::move(fetch)) {}
    bool on_bytes(std::string_view bytes) override { return fetch_->write(bytes); }
    void on_end() override { fetch_->finish_writing(); }
    void on_room() override { fetch_->resume(); }
    void on_closed(bool whole) override {
        (void)whole;
        fetch_->cancel();
    }

  private:
    std::shared_ptr<Source> fetch_;
};

}  // namespace tidegate::proxy
