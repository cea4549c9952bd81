#include "http/client/answer_reader.h"

#include <algorithm>
#include <utility>

#include "base/strings.h"

namespace tidegate::http {

void AnswerReader::reset(bool to_head, std::string_view upgrade) {
    parser_.reset(to_head);
    chunks_.reset();
    asked_upgrade_.assign(upgrade);
    error_ = {};
    left_ = 0;
    phase_ = Phase::kHead;
    interims_ = 0;
    to_head_ = to_head;
    until_close_ = paused_ = stopped_ = false;
}

AnswerReader::Status AnswerReader::fail(std::string_view error) noexcept {
    error_ = error;
    return Status::kError;
}

AnswerReader::Status AnswerReader::read(std::string_view input, std::size_t& consumed, AnswerSink& sink) {
    consumed = 0;
    sink_ = &sink;
    while (!stopped_ && phase_ == Phase::kHead) {
        const auto status = parser_.parse(input.substr(consumed));
        if (status == ResponseParser::Status::kError) return fail(parser_.error());
        if (status == ResponseParser::Status::kNeedMore) return Status::kNeedMore;
        consumed += parser_.consumed();
        if (!take_head(sink)) return Status::kError;
    }
    if (stopped_) return Status::kPaused;
    if (phase_ == Phase::kEnd) return Status::kEnd;
    if (paused_) return Status::kPaused;
    std::size_t used = 0;
    const std::string_view body = input.substr(consumed);
    const Status status = phase_ == Phase::kChunked ? read_chunked(body, used) : read_body(body, used);
    consumed += used;
    return stopped_ ? Status::kPaused : status;
}

bool AnswerReader::take_interim(AnswerSink& sink) {
    if (++interims_ > kInterimMax) {
        fail("too many interim answers");
        return false;
    }
    ResponseHead head = std::move(parser_.head());
    parser_.reset(to_head_);
    if (head.status != 100) sink.on_interim(head.status, head.headers);
    return true;
}

bool AnswerReader::take_head(AnswerSink& sink) {
    const int status = parser_.head().status;
    if (status == 101) {
        if (asked_upgrade_.empty() || !iequals(parser_.upgrade(), asked_upgrade_)) {
            fail("a change of protocol that was not asked for");
            return false;
        }
        phase_ = Phase::kTunnel;
        until_close_ = true;
        sink.on_tunnel(std::move(parser_.head()));
        return true;
    }
    if (status < 200) return take_interim(sink);
    switch (parser_.framing()) {
        case ResponseParser::Framing::kNone:
            phase_ = Phase::kEnd;
            break;
        case ResponseParser::Framing::kLength:
            phase_ = Phase::kLength;
            left_ = parser_.head().content_length.value_or(0);
            break;
        case ResponseParser::Framing::kChunked:
            phase_ = Phase::kChunked;
            break;
        case ResponseParser::Framing::kUntilClose:
            phase_ = Phase::kUntilClose;
            until_close_ = true;
            break;
    }
    sink.on_head(std::move(parser_.head()));
    return true;
}

/// The decoder's way to the sink: refuses what comes after a pause, so that decoding stops there.
bool AnswerReader::append(std::string_view bytes) {
    if (paused_ || stopped_) return false;
    paused_ = !sink_->on_body(bytes);
    return true;
}

AnswerReader::Status AnswerReader::read_chunked(std::string_view input, std::size_t& consumed) {
    switch (chunks_.decode(input, *this, consumed)) {
        case ChunkedDecoder::Status::kNeedMore:
            return paused_ ? Status::kPaused : Status::kNeedMore;
        case ChunkedDecoder::Status::kSinkFull:
            return Status::kPaused;
        case ChunkedDecoder::Status::kError:
            return fail(chunks_.error().detail);
        case ChunkedDecoder::Status::kDone:
            phase_ = Phase::kEnd;
            return Status::kEnd;
    }
    std::unreachable();
}

AnswerReader::Status AnswerReader::read_body(std::string_view input, std::size_t& consumed) {
    const bool counted = phase_ == Phase::kLength;
    const std::string_view piece = counted && left_ < input.size() ? input.substr(0, left_) : input;
    if (piece.empty()) return Status::kNeedMore;
    paused_ = !sink_->on_body(piece);
    consumed = piece.size();
    if (counted) {
        left_ -= piece.size();
        if (left_ == 0) phase_ = Phase::kEnd;
    }
    if (phase_ == Phase::kEnd) return Status::kEnd;
    return paused_ ? Status::kPaused : Status::kNeedMore;
}

AnswerReader::Status AnswerReader::end_of_input() noexcept {
    if (phase_ == Phase::kTunnel || phase_ == Phase::kUntilClose) {
        phase_ = Phase::kEnd;
        return Status::kEnd;
    }
    return fail(phase_ == Phase::kHead ? "the connection ended before the answer's head did"
                                       : "the connection ended before the answer's body did");
}

}  // namespace tidegate::http
