// ChunkedDecoder: removes the chunked transfer coding (RFC 9112, 7.1), strictly and in bounded memory.
//
// Guarantee   Any splitting of the input gives the same outcome. A size is 1 to 16 hexadecimal digits; lines
// end with
//             CR LF; extensions and trailers are read, checked, bounded and dropped.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

#include "http/body_sink.h"
#include "http/syntax.h"

namespace tidegate::http {

class ChunkedDecoder {
  public:
    enum class Status : std::uint8_t { kNeedMore, kDone, kError, kSinkFull };

    void reset() noexcept { *this = ChunkedDecoder(); }
    /// Reads from `input`, hands body bytes to `sink`; `consumed` says how far it came.
    Status decode(std::string_view input, BodySink& sink, std::size_t& consumed);
    const SyntaxError& error() const noexcept { return error_; }

  private:
    enum class Phase : std::uint8_t {
        kSize,
        kExtension,
        kSizeLf,
        kData,
        kDataCr,
        kDataLf,
        kTrailerStart,
        kTrailerName,
        kTrailerValue,
        kTrailerLf,
        kEndLf,
        kDone,
    };
    bool take(char c);
    bool take_size(char c);
    bool take_trailer(char c);
    bool fail(int status, std::string_view detail) noexcept;

    Phase phase_ = Phase::kSize;
    std::uint64_t left_ = 0;  // Of the chunk being read.
    std::uint8_t digits_ = 0;
    std::uint32_t extension_bytes_ = 0;  // Over the whole body.
    std::uint32_t trailer_bytes_ = 0;
    SyntaxError error_;
};

}  // namespace tidegate::http
