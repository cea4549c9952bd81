#include "pipeline/cache/rules/structured_field.h"

#include <algorithm>

#include "base/strings.h"
#include "base/utf8.h"
#include "http/syntax.h"

namespace tidegate::sf {
namespace {

constexpr std::size_t kInnerItemsMax = 1024;

bool is_digit(char c) noexcept {
    return c >= '0' && c <= '9';
}
bool is_lower(char c) noexcept {
    return c >= 'a' && c <= 'z';
}
bool is_alpha(char c) noexcept {
    return is_lower(c) || (c >= 'A' && c <= 'Z');
}
bool is_key_char(char c) noexcept {
    return is_lower(c) || is_digit(c) || c == '_' || c == '-' || c == '.' || c == '*';
}
bool is_token_char(char c) noexcept {
    return c == ':' || c == '/' ||
           (http::syntax::kClasses[static_cast<unsigned char>(c)] & http::syntax::kTokenChar) != 0;
}

int base64_value(char c) noexcept {
    if (c >= 'A' && c <= 'Z') return c - 'A';
    if (is_lower(c)) return c - 'a' + 26;
    if (is_digit(c)) return c - '0' + 52;
    if (c == '+') return 62;
    return c == '/' ? 63 : -1;
}

/// Padding may be missing (RFC 9651, 4.2.7), but nothing may follow it.
std::optional<std::string> decode_base64(std::string_view text) {
    if (text.ends_with('=')) {
        if (text.size() % 4 != 0) return std::nullopt;
        text.remove_suffix(text.ends_with("==") ? 2 : 1);
    }
    if (text.size() % 4 == 1) return std::nullopt;
    std::string out;
    std::uint32_t bits = 0;
    int held = 0;
    for (const char c : text) {
        const int value = base64_value(c);
        if (value < 0) return std::nullopt;
        bits = (bits << 6U) | static_cast<std::uint32_t>(value);
        held += 6;
        if (held >= 8) {
            held -= 8;
            out.push_back(static_cast<char>((bits >> static_cast<unsigned>(held)) & 0xffU));
        }
    }
    return out;
}

/// The grammar of RFC 9651, 4.2, a function each. `false` ends the parsing of the field.
class Parser {
  public:
    explicit Parser(std::string_view text) : rest_(text) {
        while (!rest_.empty() && rest_.front() == ' ') rest_.remove_prefix(1);
    }

    bool item(Item& out) { return bare(out.value) && parameters(out.parameters); }
    bool list(List& out) {
        while (!rest_.empty()) {
            Member member;
            if (out.size() == kMembersMax || !item_or_inner_list(member)) return false;
            out.push_back(std::move(member));
            if (!separator()) return false;
        }
        return true;
    }
    bool dictionary(Dictionary& out) {
        while (!rest_.empty()) {
            std::string name;
            Member member;
            if (out.size() == kMembersMax || !key(name)) return false;
            if (take('=')) {
                if (!item_or_inner_list(member)) return false;
            } else {
                Item flag{true, {}};
                if (!parameters(flag.parameters)) return false;
                member = std::move(flag);
            }
            const auto same = std::ranges::find(out, name, &Dictionary::value_type::first);
            if (same == out.end()) {
                out.emplace_back(std::move(name), std::move(member));
            } else {
                same->second = std::move(member);
            }
            if (!separator()) return false;
        }
        return true;
    }
    /// Nothing but spaces is left.
    bool done() const noexcept { return rest_.find_first_not_of(' ') == std::string_view::npos; }

  private:
    bool take(char c) noexcept {
        if (rest_.empty() || rest_.front() != c) return false;
        rest_.remove_prefix(1);
        return true;
    }
    void blanks() noexcept {
        while (!rest_.empty() && (rest_.front() == ' ' || rest_.front() == '\t')) rest_.remove_prefix(1);
    }
    /// After a member: the end (trailing spaces count as the end), or a comma with another member behind it.
    bool separator() noexcept {
        if (done()) {
            rest_ = {};
            return true;
        }
        blanks();
        if (!take(',')) return false;
        blanks();
        return !rest_.empty();
    }
    bool item_or_inner_list(Member& out) {
        if (!rest_.empty() && rest_.front() == '(') {
            InnerList inner;
            if (!inner_list(inner)) return false;
            out = std::move(inner);
            return true;
        }
        Item single;
        if (!item(single)) return false;
        out = std::move(single);
        return true;
    }
    bool inner_list(InnerList& out) {
        if (!take('(')) return false;
        for (;;) {
            while (take(' ')) {
            }
            if (take(')')) return parameters(out.parameters);
            Item member;
            if (out.items.size() == kInnerItemsMax || !item(member)) return false;
            out.items.push_back(std::move(member));
            if (rest_.empty() || (rest_.front() != ' ' && rest_.front() != ')')) return false;
        }
    }
    bool key(std::string& out) {
        if (rest_.empty() || (!is_lower(rest_.front()) && rest_.front() != '*')) return false;
        std::size_t end = 0;
        while (end < rest_.size() && is_key_char(rest_[end])) ++end;
        out.assign(rest_.substr(0, end));
        rest_.remove_prefix(end);
        return true;
    }
    bool parameters(Parameters& out) {
        while (take(';')) {
            while (take(' ')) {
            }
            std::string name;
            Bare value = true;
            if (out.size() == kParametersMax || !key(name) || (take('=') && !bare(value))) return false;
            const auto same = std::ranges::find(out, name, &Parameters::value_type::first);
            if (same == out.end()) {
                out.emplace_back(std::move(name), std::move(value));
            } else {
                same->second = std::move(value);
            }
        }
        return true;
    }
    bool bare(Bare& out) {
        if (rest_.empty()) return false;
        const char c = rest_.front();
        if (c == '-' || is_digit(c)) return number(out);
        if (c == '"') return string(out);
        if (c == '*' || is_alpha(c)) return token(out);
        if (c == ':') return bytes(out);
        if (c == '?') return boolean(out);
        if (c == '@') return date(out);
        return c == '%' && display_string(out);
    }
    bool number(Bare& out) {
        const bool negative = take('-');
        std::int64_t whole = 0;
        std::size_t digits = 0;
        for (; digits < rest_.size() && is_digit(rest_[digits]); ++digits) {
            if (digits == 15) return false;
            whole = whole * 10 + (rest_[digits] - '0');
        }
        if (digits == 0) return false;
        rest_.remove_prefix(digits);
        if (!take('.')) {
            out = negative ? -whole : whole;
            return true;
        }
        if (digits > 12) return false;
        std::size_t places = 0;
        for (; places < rest_.size() && is_digit(rest_[places]); ++places) {
            if (places == 3) return false;
            whole = whole * 10 + (rest_[places] - '0');
        }
        if (places == 0) return false;
        rest_.remove_prefix(places);
        for (; places < 3; ++places) whole *= 10;
        out = Decimal{negative ? -whole : whole};
        return true;
    }
    bool string(Bare& out) {
        std::string text;
        take('"');
        while (!rest_.empty()) {
            char c = rest_.front();
            rest_.remove_prefix(1);
            if (c == '"') {
                out = std::move(text);
                return true;
            }
            if (c == '\\') {
                if (rest_.empty() || (rest_.front() != '"' && rest_.front() != '\\')) return false;
                c = rest_.front();
                rest_.remove_prefix(1);
            } else if (c < 0x20 || c > 0x7e) {
                return false;
            }
            text.push_back(c);
        }
        return false;
    }
    bool token(Bare& out) {
        std::size_t end = 1;
        while (end < rest_.size() && is_token_char(rest_[end])) ++end;
        out = Token{std::string(rest_.substr(0, end))};
        rest_.remove_prefix(end);
        return true;
    }
    bool bytes(Bare& out) {
        take(':');
        const std::size_t end = rest_.find(':');
        if (end == std::string_view::npos) return false;
        auto data = decode_base64(rest_.substr(0, end));
        if (!data) return false;
        out = Bytes{*std::move(data)};
        rest_.remove_prefix(end + 1);
        return true;
    }
    bool boolean(Bare& out) {
        take('?');
        if (take('1')) {
            out = true;
            return true;
        }
        out = false;
        return take('0');
    }
    bool date(Bare& out) {
        take('@');
        Bare seconds;
        if (!number(seconds) || !std::holds_alternative<std::int64_t>(seconds)) return false;
        out = Date{std::get<std::int64_t>(seconds)};
        return true;
    }
    bool display_string(Bare& out) {
        take('%');
        if (!take('"')) return false;
        std::string text;
        while (!rest_.empty()) {
            const char c = rest_.front();
            rest_.remove_prefix(1);
            if (c == '"') {
                if (!utf8::is_valid(text)) return false;
                out = DisplayString{std::move(text)};
                return true;
            }
            if (c < 0x20 || c > 0x7e) return false;
            if (c != '%') {
                text.push_back(c);
                continue;
            }
            const auto decoded = escape(rest_);
            if (!decoded) return false;
            text.push_back(*decoded);
            rest_.remove_prefix(2);
        }
        return false;
    }
    /// Two lower-case hex digits.
    static std::optional<char> escape(std::string_view text) noexcept {
        if (text.size() < 2) return std::nullopt;
        int value = 0;
        for (const char c : text.substr(0, 2)) {
            if (!is_digit(c) && (c < 'a' || c > 'f')) return std::nullopt;
            value = value * 16 + (is_digit(c) ? c - '0' : c - 'a' + 10);
        }
        return static_cast<char>(value);
    }

    std::string_view rest_;
};

}  // namespace

std::optional<Item> parse_item(std::string_view text) {
    Parser parser(text);
    Item out;
    if (!parser.item(out) || !parser.done()) return std::nullopt;
    return out;
}

std::optional<List> parse_list(std::string_view text) {
    Parser parser(text);
    List out;
    if (!parser.list(out) || !parser.done()) return std::nullopt;
    return out;
}

std::optional<Dictionary> parse_dictionary(std::string_view text) {
    Parser parser(text);
    Dictionary out;
    if (!parser.dictionary(out) || !parser.done()) return std::nullopt;
    return out;
}

std::string joined(const http::Headers& headers, std::string_view name) {
    std::string out;
    bool first = true;
    for (const auto& [field, value] : headers.fields()) {
        if (!iequals(field, name)) continue;
        if (!first) out += ", ";
        first = false;
        out += value;
    }
    return out;
}

bool is_token(std::string_view text) noexcept {
    if (text.empty() || (!is_alpha(text.front()) && text.front() != '*')) return false;
    return std::ranges::all_of(text, is_token_char);
}

}  // namespace tidegate::sf
