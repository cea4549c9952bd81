// ResponseParser: the head of an HTTP/1.x answer, read strictly (RFC 9112).
//
// Guarantee   Any splitting of the input gives the same outcome. What two readers could understand differently is an error:
//             bare CR or LF, folded lines, blanks before a colon, a NUL, differing or malformed Content-Lengths, Content-Length
//             with Transfer-Encoding, a coding other than one `chunked`, Transfer-Encoding in HTTP/1.0, a status outside
//             100 to 599. Equal Content-Lengths become one (RFC 9112, 6.3). Connection-level fields are left out.
// Algorithm   A line at a time: memchr for LF, then one pass over the line with a class table.
// Memory      Nothing but the head it builds.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "http/client/client.h"

namespace tidegate::http {

class ResponseParser {
  public:
    enum class Status : std::uint8_t { kNeedMore, kDone, kError };
    /// Where the body ends (RFC 9112, 6.3).
    enum class Framing : std::uint8_t { kNone, kLength, kChunked, kUntilClose };

    /// More fields than this are an attack on memory: a real answer has 10 to 40.
    static constexpr std::uint32_t kFieldsMax = 256;

    explicit ResponseParser(std::size_t head_bytes_max) : head_bytes_max_(head_bytes_max) {}

    /// Ready for the next head; `to_head`: of an answer to HEAD.
    void reset(bool to_head);
    /// `input` starts at the first byte of the head and, over the calls for one head, only grows. After kDone or kError:
    /// reset() first.
    Status parse(std::string_view input);

    /// After kDone.
    std::size_t consumed() const noexcept { return line_start_; }
    ResponseHead& head() noexcept { return head_; }
    Framing framing() const noexcept { return framing_; }
    /// The other side will take another request on this connection, as far as the head says.
    bool keep_alive() const noexcept { return !close_ && (http_1_1_ || keep_alive_); }
    /// The value of Upgrade.
    const std::string& upgrade() const noexcept { return upgrade_; }
    /// After kError; static text without a byte of the answer.
    std::string_view error() const noexcept { return error_; }

  private:
    bool fail(std::string_view error) noexcept;
    bool take_status_line(std::string_view line);
    bool take_field(std::string_view line);
    bool take_content_length(std::string_view value);
    bool take_transfer_encoding(std::string_view value);
    bool take_connection(std::string_view value);
    /// Fields that decide about the message. `keep`: whether the field travels on.
    bool note_field(std::string_view name, std::string_view value, bool& keep);
    bool finish();

    const std::size_t head_bytes_max_;
    ResponseHead head_;
    std::string upgrade_;
    std::vector<std::string> named_;  // What Connection named.
    std::string_view error_;
    std::size_t line_start_ = 0;
    std::size_t scanned_ = 0;
    std::uint32_t fields_ = 0;
    std::uint32_t named_count_ = 0;
    Framing framing_ = Framing::kNone;
    bool to_head_ = false;
    bool started_ = false;
    bool done_ = false;
    bool http_1_1_ = false;
    bool close_ = false;
    bool keep_alive_ = false;
    bool chunked_ = false;
};

}  // namespace tidegate::http
