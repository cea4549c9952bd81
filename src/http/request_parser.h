// RequestParser: the head of an HTTP/1.x request, read strictly (RFC 9112).
//
// Guarantee   Any splitting of the input gives the same outcome. What two readers could understand
// differently is an
//             error: bare CR or LF, folded lines, blanks before a colon, two Hosts or Content-Lengths, a
//             Content-Length that is not 1 to 19 digits, Content-Length with Transfer-Encoding, a coding
//             other than one `chunked`. Own code, not a library's: the maintained parsers within reach accept
//             some of these forms (Beast unfolds lines and joins what it is given), so that each would need a
//             second strict pass over the same bytes.
// Algorithm   A line at a time: memchr for LF, then one pass over the line with a class table.
// Memory      None of its own; fills the caller's RequestHead, whose strings are reused.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

#include "http/limits.h"
#include "http/message.h"
#include "http/syntax.h"

namespace tidegate::http {

class RequestParser {
  public:
    enum class Status : std::uint8_t { kNeedMore, kDone, kError };

    explicit RequestParser(const Limits& limits) : limits_(limits) {}

    /// Ready for the next head.
    void reset() noexcept;
    /// `input` starts at the first byte of the head and, over the calls for one head, only grows. `head` is
    /// the same object for each of them. After kDone or kError: reset() first.
    Status parse(std::string_view input, RequestHead& head);

    /// Bytes of the head, after kDone.
    std::size_t consumed() const noexcept { return line_start_; }
    const SyntaxError& error() const noexcept { return error_; }
    bool http_1_1() const noexcept { return http_1_1_; }
    /// What the client asked for: the version's default, changed by `Connection`.
    bool keep_alive() const noexcept { return !close_ && (http_1_1_ || keep_alive_); }
    bool expects_continue() const noexcept { return expects_continue_; }

  private:
    Status fail(int status, std::string_view detail) noexcept;
    bool take_line(std::string_view line, RequestHead& head);
    bool take_request_line(std::string_view line, RequestHead& head);
    bool take_field(std::string_view line, RequestHead& head);
    bool note_field(std::string_view name, std::string_view value, RequestHead& head);
    bool note_content_length(std::string_view value, RequestHead& head);
    bool note_transfer_encoding(std::string_view value, RequestHead& head);
    void note_connection(std::string_view value) noexcept;
    bool finish(RequestHead& head);
    Status over_limit() noexcept;

    const Limits& limits_;
    SyntaxError error_;
    std::size_t line_start_ = 0;
    std::size_t scanned_ = 0;
    std::uint32_t fields_ = 0;
    std::uint32_t hosts_ = 0;
    bool started_ = false;  // The request line has been read.
    bool skipped_line_ = false;
    bool done_ = false;
    bool http_1_1_ = false;
    bool close_ = false;
    bool keep_alive_ = false;
    bool expects_continue_ = false;
    bool transfer_encoding_ = false;
    bool upgrade_field_ = false;
    bool upgrade_option_ = false;  // `Connection: upgrade`.
};

}  // namespace tidegate::http
