// Text within a page of HTML or a drawing of SVG.
#pragma once

#include <string>
#include <string_view>

namespace tidegate {

/// `text` as text, whatever it holds, between tags or as a quoted value; bytes that are no UTF-8 as U+FFFD, control characters but line feed
/// and tab too.
std::string escape_html(std::string_view text);

}  // namespace tidegate
