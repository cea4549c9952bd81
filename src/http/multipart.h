// MultipartReader: the parts of a multipart/form-data body, as its bytes come.
//
// Source      RFC 7578 and RFC 2046, 5.1.
// Guarantee   The same parts whatever the pieces are that the body comes in. The bytes of a part are those between its head and the line
//             break before the next boundary, unchanged. A body is whole when its closing boundary has come, and not before.
// Memory      A head of head_bytes_max, or one boundary line.
// Threads     One at a time.
// When it fails  kInvalidArgument: no form, or a broken one. kTooLarge: more parts or a longer head than allowed. What its handler says
//             is passed on. It stays failed.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

#include "base/result.h"

namespace tidegate::http {

/// What stands before the bytes of a part.
struct PartHead {
    std::string name;                      // Of the form's field; never empty.
    std::optional<std::string> file_name;  // As the client says: never a path to open.
    std::string content_type;              // Empty: it says none.
};

/// Hears the parts. An error ends the reading and is what feed() gives.
class PartHandler {
  public:
    virtual ~PartHandler() = default;
    virtual Result<void> on_part(const PartHead& head) = 0;
    virtual Result<void> on_data(std::string_view bytes) = 0;
    virtual Result<void> on_part_end() = 0;
};

struct MultipartLimits {
    std::size_t parts_max = 32;
    std::size_t head_bytes_max = 8 * 1024;
};

/// The boundary of a Content-Type. kUnsupportedMedia: it is not multipart/form-data; kInvalidArgument: no boundary or no good one.
Result<std::string> multipart_boundary(std::string_view content_type);

class MultipartReader {
  public:
    /// `handler` outlives it.
    MultipartReader(std::string_view boundary, MultipartLimits limits, PartHandler& handler);

    Result<void> feed(std::string_view bytes);
    /// The body has ended: an error when it was not whole.
    Result<void> finish();

  private:
    enum class State : std::uint8_t { kPreamble, kBoundaryEnd, kHead, kData, kEpilogue };
    Result<bool> step();
    Result<bool> pass_preamble();
    Result<bool> end_boundary();
    Result<bool> take_head();
    Result<bool> take_data();

    const std::string delimiter_;  // With the line break before it.
    const MultipartLimits limits_;
    PartHandler& handler_;
    State state_ = State::kPreamble;
    std::string held_;
    std::size_t parts_ = 0;
    std::optional<Error> failure_;
};

}  // namespace tidegate::http
