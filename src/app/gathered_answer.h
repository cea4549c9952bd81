// GatheredAnswer: one answer of a server to the command line, whole or its beginning.
//
// Threads     The loop's, which the caller turns until `done`.
#pragma once

#include <algorithm>
#include <cstddef>
#include <string>
#include <string_view>

#include "http/client/client.h"

namespace tidegate::app {

class GatheredAnswer final : public http::CallHandler {
  public:
    explicit GatheredAnswer(std::size_t body_max) : body_max_(body_max) {}

    void on_head(http::ResponseHead head) override { status = head.status; }
    bool on_body(std::string_view bytes) override {
        const std::size_t room = body_max_ - std::min(body_max_, body.size());
        is_cut = is_cut || bytes.size() > room;
        body.append(bytes.substr(0, room));
        return true;
    }
    void on_end() override { done = true; }
    void on_failure(const http::CallFailure& failure) override {
        error = failure.detail.empty() ? std::string(http::to_string(failure.kind)) : failure.detail;
        done = true;
    }

    int status = 0;
    std::string body;
    std::string error;    // Why there is no whole answer; empty: there is.
    bool is_cut = false;  // The body was longer than `body_max`.
    bool done = false;

  private:
    const std::size_t body_max_;
};

}  // namespace tidegate::app
