// AnswerScan: finds the end of an HTTP/1.x answer and its status, and keeps nothing of it.
//
// Guarantee   Any splitting of the input gives the same outcome. What cannot be framed (no status line, a bad length, both a length and
//             chunks, bytes behind the end) is an error, never a guess. Fields that do not frame are not judged: what a client should
//             refuse is the business of http/client, whose parser costs ten times as much.
// Memory      The head, while it comes in pieces; of a body nothing.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "http/body_sink.h"
#include "http/chunked_decoder.h"

namespace tidegate::load {

class AnswerScan {
  public:
    enum class Status : std::uint8_t { kNeedMore, kDone, kError };

    static constexpr std::size_t kHeadBytesMax = 64 * 1024;

    void reset() noexcept;
    /// Bytes as they come. kDone: the answer is whole and nothing came behind it.
    Status feed(std::string_view bytes);
    /// The other side has finished sending: kDone where that ends the answer.
    Status end_of_input() const noexcept { return phase_ == Phase::kUntilClose ? Status::kDone : Status::kError; }

    /// After the head.
    int status() const noexcept { return status_; }
    bool keep_alive() const noexcept { return keep_alive_ && phase_ != Phase::kUntilClose; }
    /// Something of the answer has come.
    bool started() const noexcept { return phase_ != Phase::kHead || !head_.empty(); }

  private:
    enum class Phase : std::uint8_t { kHead, kLength, kChunked, kUntilClose, kDone };

    Status feed_head(std::string_view& bytes);
    bool read_head(std::string_view head);
    bool read_field(std::string_view line);

    std::string head_;
    std::uint64_t left_ = 0;
    http::ChunkedDecoder chunks_;
    int status_ = 0;
    Phase phase_ = Phase::kHead;
    bool keep_alive_ = true;
    bool has_length_ = false;
    bool chunked_ = false;
};

}  // namespace tidegate::load
