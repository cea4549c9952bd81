// AnswerReader: the bytes of one answer, from its interim heads to the end of its body, as events.
//
// Position    Between a connection, which owns the socket, and the call. Knows neither: the fuzzer drives it alone.
// Guarantee   Any splitting of the input gives the same events. kEnd only after the whole body. 101 only where an upgrade was
//             asked for, and to that protocol; then every byte is a byte of the tunnel.
// Memory      The head it builds; of a body nothing.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "http/body_sink.h"
#include "http/chunked_decoder.h"
#include "http/client/client.h"
#include "http/client/response_parser.h"

namespace tidegate::http {

class AnswerSink {
  public:
    virtual void on_interim(int status, const Headers& headers) = 0;
    virtual void on_head(ResponseHead head) = 0;
    virtual void on_tunnel(ResponseHead head) = 0;
    /// False: read no further until resume().
    virtual bool on_body(std::string_view bytes) = 0;

  protected:
    ~AnswerSink() = default;
};

class AnswerReader final : private BodySink {
  public:
    enum class Status : std::uint8_t { kNeedMore, kPaused, kEnd, kError };

    /// A server has little to say before it answers; more is a loop.
    static constexpr int kInterimMax = 16;

    explicit AnswerReader(std::size_t head_bytes_max) : parser_(head_bytes_max) {}

    /// Ready for the answer to a request; `upgrade` is what it asked for, or empty.
    void reset(bool to_head, std::string_view upgrade);
    /// `input` starts at the first byte that earlier calls did not consume; `consumed` says how far this one came.
    Status read(std::string_view input, std::size_t& consumed, AnswerSink& sink);
    /// The other side has finished sending: kEnd where that ends the answer, else kError.
    Status end_of_input() noexcept;
    void resume() noexcept { paused_ = false; }
    bool paused() const noexcept { return paused_; }
    /// From inside an event: no further one. read() returns kPaused.
    void stop() noexcept { stopped_ = true; }

    /// After the final head.
    bool keep_alive() const noexcept { return parser_.keep_alive() && phase_ == Phase::kEnd && !until_close_; }
    bool head_seen() const noexcept { return phase_ != Phase::kHead; }
    bool in_tunnel() const noexcept { return phase_ == Phase::kTunnel; }
    std::string_view error() const noexcept { return error_; }

  private:
    enum class Phase : std::uint8_t { kHead, kLength, kChunked, kUntilClose, kTunnel, kEnd };

    bool append(std::string_view bytes) override;
    Status fail(std::string_view error) noexcept;
    /// A whole head has been parsed. False with kError's reason set.
    bool take_head(AnswerSink& sink);
    bool take_interim(AnswerSink& sink);
    Status read_body(std::string_view input, std::size_t& consumed);
    Status read_chunked(std::string_view input, std::size_t& consumed);

    ResponseParser parser_;
    ChunkedDecoder chunks_;
    std::string asked_upgrade_;
    std::string_view error_;
    AnswerSink* sink_ = nullptr;  // During read().
    std::uint64_t left_ = 0;
    Phase phase_ = Phase::kHead;
    int interims_ = 0;
    bool to_head_ = false;
    bool until_close_ = false;
    bool paused_ = false;
    bool stopped_ = false;
};

}  // namespace tidegate::http
