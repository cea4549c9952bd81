#include "base/json_writer.h"

#include <array>
#include <charconv>
#include <cmath>

#include "base/utf8.h"

namespace tidegate {
namespace {

// 0: copy as it is; 1: needs an escape or is not ASCII.
constexpr std::array<bool, 256> kSpecial = [] {
    std::array<bool, 256> special{};
    for (std::size_t c = 0; c < 256; ++c) special[c] = c < 0x20 || c == '"' || c == '\\' || c >= 0x80 || c == 0x7F;
    return special;
}();

void append_escape(std::string& out, char32_t c) {
    static constexpr std::string_view kHex = "0123456789abcdef";
    switch (c) {
        case '"':
            out += "\\\"";
            return;
        case '\\':
            out += "\\\\";
            return;
        case '\n':
            out += "\\n";
            return;
        case '\r':
            out += "\\r";
            return;
        case '\t':
            out += "\\t";
            return;
        default:
            out += "\\u00";
            out.push_back(kHex[c >> 4U & 0x0FU]);
            out.push_back(kHex[c & 0x0FU]);
    }
}

}  // namespace

void append_json_string(std::string& out, std::string_view text) {
    out.push_back('"');
    std::size_t clean_from = 0;
    for (std::size_t i = 0; i < text.size();) {
        const auto byte = static_cast<unsigned char>(text[i]);
        if (!kSpecial[byte]) {
            ++i;
            continue;
        }
        out.append(text, clean_from, i - clean_from);
        if (byte < 0x80) {
            append_escape(out, byte);
            ++i;
        } else {
            utf8::append(out, utf8::next(text, i));
        }
        clean_from = i;
    }
    out.append(text, clean_from);
    out.push_back('"');
}

void append_json_number(std::string& out, double value) {
    if (!std::isfinite(value)) {
        out += "null";
        return;
    }
    // From 2^63 on the shortest form may be a bare integer that 64 bits do not hold; readers, ours too, refuse that.
    constexpr double kIntegerMax = 9223372036854775808.0;
    std::array<char, 32> buffer{};
    char* const last = buffer.data() + buffer.size();
    const auto end = std::abs(value) < kIntegerMax
                         ? std::to_chars(buffer.data(), last, value).ptr
                         : std::to_chars(buffer.data(), last, value, std::chars_format::scientific).ptr;
    out.append(buffer.data(), end);
}

void JsonWriter::separate() {
    if (needs_comma_) out_.push_back(',');
    needs_comma_ = true;
}

JsonWriter& JsonWriter::open(char bracket) {
    separate();
    out_.push_back(bracket);
    needs_comma_ = false;
    return *this;
}

JsonWriter& JsonWriter::close(char bracket) {
    out_.push_back(bracket);
    needs_comma_ = true;
    return *this;
}

JsonWriter& JsonWriter::key(std::string_view name) {
    separate();
    append_json_string(out_, name);
    out_.push_back(':');
    needs_comma_ = false;
    return *this;
}

JsonWriter& JsonWriter::value(std::string_view text) {
    separate();
    append_json_string(out_, text);
    return *this;
}

JsonWriter& JsonWriter::value(bool flag) {
    return raw(flag ? "true" : "false");
}
JsonWriter& JsonWriter::null() {
    return raw("null");
}

JsonWriter& JsonWriter::value(double number) {
    separate();
    append_json_number(out_, number);
    return *this;
}

JsonWriter& JsonWriter::raw(std::string_view json) {
    separate();
    out_ += json;
    return *this;
}

JsonWriter& JsonWriter::integer(std::int64_t number) {
    std::array<char, 24> buffer{};
    return raw({buffer.data(), std::to_chars(buffer.data(), buffer.data() + buffer.size(), number).ptr});
}

JsonWriter& JsonWriter::unsigned_integer(std::uint64_t number) {
    std::array<char, 24> buffer{};
    return raw({buffer.data(), std::to_chars(buffer.data(), buffer.data() + buffer.size(), number).ptr});
}

}  // namespace tidegate
