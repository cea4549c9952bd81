#include "pipeline/body_pipe.h"

namespace tidegate::pipeline {

void BodyPipe::attach(const http::ExchangePtr& exchange, http::BodyReceiver& reader) {
    exchange_ = exchange;
    reader_ = &reader;
    switch (state_) {
        case State::kComing:
            return exchange->resume_body();
        case State::kEnded:
            return reader.on_body_end();
        case State::kFailed:
            return reader.on_body_failed(failure_status_, failure_detail_);
    }
}

void BodyPipe::resume() {
    if (const auto exchange = exchange_.lock(); exchange && state_ == State::kComing) exchange->resume_body();
}

bool BodyPipe::on_body(std::string_view bytes) {
    // A reader that has let go does not want the rest.
    return reader_ == nullptr || reader_->on_body(bytes);
}

void BodyPipe::on_body_end() {
    state_ = State::kEnded;
    if (reader_ != nullptr) reader_->on_body_end();
}

void BodyPipe::on_body_failed(int status, std::string_view detail) {
    state_ = State::kFailed;
    failure_status_ = status;
    failure_detail_ = detail;
    if (reader_ != nullptr) reader_->on_body_failed(status, detail);
}

}  // namespace tidegate::pipeline
