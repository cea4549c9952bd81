// BodyPipe: a request body on its way from the client to a handler that reads it as it comes.
//
// Position    Made with the plan for the body, before the handler runs; the handler attaches a reader when it is ready.
// Guarantee   Nothing is read from the client before a reader is there. The reader hears every byte in order, then exactly one
//             of end and failure, also when that happened before it was attached.
// Memory      None: at most the one piece that the reader is handed.
// Threads     The loop of the exchange.
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "http/exchange.h"

namespace tidegate::pipeline {

class BodyPipe final : public http::BodyReceiver {
  public:
    /// `reader` must outlive the pipe or call detach(); its on_body() returning false pauses the client until resume().
    void attach(const http::ExchangePtr& exchange, http::BodyReceiver& reader);
    void detach() noexcept { reader_ = nullptr; }
    void resume();
    /// The whole body has been handed over.
    bool ended() const noexcept { return state_ == State::kEnded; }

    bool on_body(std::string_view bytes) override;
    void on_body_end() override;
    void on_body_failed(int status, std::string_view detail) override;

  private:
    enum class State : std::uint8_t { kComing, kEnded, kFailed };
    std::weak_ptr<http::Exchange> exchange_;
    http::BodyReceiver* reader_ = nullptr;
    State state_ = State::kComing;
    int failure_status_ = 0;
    std::string failure_detail_;
};

}  // namespace tidegate::pipeline
