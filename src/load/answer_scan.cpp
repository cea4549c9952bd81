#include "load/answer_scan.h"

#include <cstring>

#include "base/strings.h"

namespace tidegate::load {
namespace {

constexpr std::string_view kHeadEnd = "\r\n\r\n";

bool is_digit(char c) noexcept {
    return c >= '0' && c <= '9';
}

}  // namespace

void AnswerScan::reset() noexcept {
    head_.clear();
    left_ = 0;
    status_ = 0;
    phase_ = Phase::kHead;
    keep_alive_ = true;
    has_length_ = chunked_ = false;
}

AnswerScan::Status AnswerScan::feed(std::string_view bytes) {
    // More than one head comes where interim answers do.
    while (phase_ == Phase::kHead) {
        const Status status = feed_head(bytes);
        if (status != Status::kDone) return status;
    }
    switch (phase_) {
        case Phase::kLength:
            if (bytes.size() > left_) return Status::kError;
            left_ -= bytes.size();
            if (left_ == 0) phase_ = Phase::kDone;
            break;
        case Phase::kChunked: {
            http::DiscardSink sink(~std::uint64_t{0});
            std::size_t consumed = 0;
            const auto status = chunks_.decode(bytes, sink, consumed);
            if (status == http::ChunkedDecoder::Status::kNeedMore) return Status::kNeedMore;
            if (status != http::ChunkedDecoder::Status::kDone || consumed != bytes.size()) return Status::kError;
            phase_ = Phase::kDone;
            break;
        }
        case Phase::kUntilClose:
            return Status::kNeedMore;
        case Phase::kHead:
        case Phase::kDone:
            if (!bytes.empty()) return Status::kError;
            break;
    }
    return phase_ == Phase::kDone ? Status::kDone : Status::kNeedMore;
}

AnswerScan::Status AnswerScan::feed_head(std::string_view& bytes) {
    if (bytes.empty()) return Status::kNeedMore;
    if (head_.empty()) {
        const std::size_t end = bytes.find(kHeadEnd);
        if (end != std::string_view::npos) {
            if (!read_head(bytes.substr(0, end + 2))) return Status::kError;
            bytes.remove_prefix(end + kHeadEnd.size());
            return Status::kDone;
        }
        head_.assign(bytes);
        return head_.size() > kHeadBytesMax ? Status::kError : Status::kNeedMore;
    }
    const std::size_t before = head_.size();
    head_.append(bytes.substr(0, kHeadBytesMax));
    const std::size_t end = head_.find(kHeadEnd, before < 3 ? 0 : before - 3);
    if (end == std::string::npos) return head_.size() > kHeadBytesMax ? Status::kError : Status::kNeedMore;
    const std::string head = std::move(head_);
    head_.clear();
    if (!read_head(std::string_view(head).substr(0, end + 2))) return Status::kError;
    bytes.remove_prefix(end + kHeadEnd.size() - before);
    return Status::kDone;
}

/// `head` ends with the CR LF of its last line.
bool AnswerScan::read_head(std::string_view head) {
    // HTTP/1.1 200 OK
    if (head.size() < 14 || !head.starts_with("HTTP/1.") || !is_digit(head[7]) || head[8] != ' ') return false;
    if (!is_digit(head[9]) || !is_digit(head[10]) || !is_digit(head[11]) || is_digit(head[12])) return false;
    status_ = (head[9] - '0') * 100 + (head[10] - '0') * 10 + (head[11] - '0');
    keep_alive_ = head[7] != '0';
    has_length_ = chunked_ = false;
    std::size_t at = head.find('\n') + 1;
    while (at < head.size()) {
        const std::size_t end = head.find('\n', at);
        if (end == std::string_view::npos || head[end - 1] != '\r') return false;
        const char first = static_cast<char>(head[at] | 0x20);
        if ((first == 'c' || first == 't') && !read_field(head.substr(at, end - 1 - at))) return false;
        at = end + 1;
    }
    if (status_ < 100 || status_ > 599 || (chunked_ && has_length_)) return false;
    if (status_ < 200) {
        if (status_ == 101) return false;
        return true;  // The next head follows.
    }
    const bool bodiless = status_ == 204 || status_ == 304;
    if (chunked_ && !bodiless) {
        chunks_.reset();
        phase_ = Phase::kChunked;
    } else if (bodiless || (has_length_ && left_ == 0)) {
        phase_ = Phase::kDone;
    } else {
        phase_ = has_length_ ? Phase::kLength : Phase::kUntilClose;
    }
    return true;
}

bool AnswerScan::read_field(std::string_view line) {
    const std::size_t colon = line.find(':');
    if (colon == std::string_view::npos) return false;
    const std::string_view name = line.substr(0, colon);
    const std::string_view value = trim(line.substr(colon + 1));
    if (name.size() == 14 && iequals(name, "content-length")) {
        const auto length = parse_u64(value);
        if (!length || (has_length_ && *length != left_)) return false;
        left_ = *length;
        has_length_ = true;
    } else if (name.size() == 17 && iequals(name, "transfer-encoding")) {
        if (!iequals(value, "chunked")) return false;
        chunked_ = true;
    } else if (name.size() == 10 && iequals(name, "connection")) {
        if (iequals(value, "close")) keep_alive_ = false;
        if (iequals(value, "keep-alive")) keep_alive_ = true;
    }
    return true;
}

}  // namespace tidegate::load
