#include "base/html.h"

#include "base/utf8.h"

namespace tidegate {

std::string escape_html(std::string_view text) {
    std::string out;
    out.reserve(text.size());
    for (std::size_t at = 0; at < text.size();) {
        const char32_t c = utf8::next(text, at);
        switch (c) {
            case U'&':
                out += "&amp;";
                break;
            case U'<':
                out += "&lt;";
                break;
            case U'>':
                out += "&gt;";
                break;
            case U'"':
                out += "&quot;";
                break;
            case U'\'':
                out += "&#39;";
                break;
            default:
                utf8::append(out, (c < 0x20 && c != U'\n' && c != U'\t') || c == 0x7F ? utf8::kReplacement : c);
        }
    }
    return out;
}

}  // namespace tidegate
