#include "pipeline/upstream/json_slice.h"

#include "base/utf8.h"

namespace tidegate::upstream {
namespace {

constexpr int kDepthMax = 64;  // As base/json.h; also what bounds the stack here.

/// Walks a text once, strictly. Every step says whether it stood on what it names and moved past it.
class Scanner {
  public:
    explicit Scanner(std::string_view text) : text_(text) {}

    void skip_blanks() noexcept {
        while (at_ < text_.size() && (peek() == ' ' || peek() == '\t' || peek() == '\n' || peek() == '\r')) ++at_;
    }
    bool take(char wanted) noexcept {
        if (at_ >= text_.size() || text_[at_] != wanted) return false;
        ++at_;
        return true;
    }
    bool at_end() const noexcept { return at_ >= text_.size(); }
    std::size_t position() const noexcept { return at_; }
    std::string_view from(std::size_t start) const noexcept { return text_.substr(start, at_ - start); }

    bool value(int depth) {
        if (depth > kDepthMax || at_end()) return false;
        switch (peek()) {
            case '{':
                return object(depth, [](std::string_view, std::string_view) {});
            case '[':
                return array(depth, [](std::string_view) {});
            case '"':
                return string();
            case 't':
                return literal("true");
            case 'f':
                return literal("false");
            case 'n':
                return literal("null");
            default:
                return number();
        }
    }

    /// Calls visit(value) for each element.
    template <class Visit>
    bool array(int depth, Visit&& visit) {
        if (!take('[')) return false;
        skip_blanks();
        if (take(']')) return true;
        for (;;) {
            skip_blanks();
            const std::size_t start = at_;
            if (!value(depth + 1)) return false;
            visit(from(start));
            skip_blanks();
            if (take(']')) return true;
            if (!take(',')) return false;
        }
    }

    /// Calls visit(name, value) for each member.
    template <class Visit>
    bool object(int depth, Visit&& visit) {
        if (!take('{')) return false;
        skip_blanks();
        if (take('}')) return true;
        for (;;) {
            skip_blanks();
            const std::size_t name_start = at_;
            if (!string()) return false;
            const std::string_view quoted = from(name_start);
            skip_blanks();
            if (!take(':')) return false;
            skip_blanks();
            const std::size_t start = at_;
            if (!value(depth + 1)) return false;
            visit(quoted.substr(1, quoted.size() - 2), from(start));
            skip_blanks();
            if (take('}')) return true;
            if (!take(',')) return false;
        }
    }

  private:
    char peek() const noexcept { return text_[at_]; }
    bool is_digit() const noexcept { return at_ < text_.size() && peek() >= '0' && peek() <= '9'; }
    bool digits() noexcept {
        if (!is_digit()) return false;
        while (is_digit()) ++at_;
        return true;
    }
    bool literal(std::string_view word) noexcept {
        if (text_.substr(at_, word.size()) != word) return false;
        at_ += word.size();
        return true;
    }
    bool number() noexcept {
        take('-');
        if (!take('0') && !digits()) return false;
        if (take('.') && !digits()) return false;
        if (take('e') || take('E')) {
            if (!take('+')) take('-');
            return digits();
        }
        return true;
    }
    /// A code unit of \uXXXX; nullopt when it is none.
    std::optional<unsigned> escaped_unit() noexcept {
        if (!take('u') || text_.size() - at_ < 4) return std::nullopt;
        unsigned unit = 0;
        for (int i = 0; i < 4; ++i, ++at_) {
            const char c = peek();
            if (c >= '0' && c <= '9') {
                unit = unit * 16 + static_cast<unsigned>(c - '0');
            } else if ((c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F')) {
                unit = unit * 16 + static_cast<unsigned>((c | 0x20) - 'a' + 10);
            } else {
                return std::nullopt;
            }
        }
        return unit;
    }
    /// Half a surrogate pair is no character: readers differ in what they make of it.
    bool unicode_escape() noexcept {
        const auto unit = escaped_unit();
        if (!unit || (*unit >= 0xDC00 && *unit < 0xE000)) return false;
        if (*unit < 0xD800 || *unit >= 0xE000) return true;
        if (!take('\\')) return false;
        const auto low = escaped_unit();
        return low && *low >= 0xDC00 && *low < 0xE000;
    }
    bool string() noexcept {
        if (!take('"')) return false;
        while (at_ < text_.size()) {
            const char c = peek();
            if (static_cast<unsigned char>(c) < 0x20) return false;
            if (c == '\\') {
                ++at_;
                if (at_end()) return false;
                if (peek() == 'u') {
                    if (!unicode_escape()) return false;
                } else if (std::string_view("\"\\/bfnrt").find(peek()) == std::string_view::npos) {
                    return false;
                } else {
                    ++at_;
                }
                continue;
            }
            ++at_;
            if (c == '"') return true;
        }
        return false;
    }

    std::string_view text_;
    std::size_t at_ = 0;
};

}  // namespace

std::optional<std::string_view> json_value(std::string_view text) {
    if (!utf8::is_valid(text)) return std::nullopt;
    Scanner scanner(text);
    scanner.skip_blanks();
    const std::size_t start = scanner.position();
    if (!scanner.value(1)) return std::nullopt;
    const std::string_view value = scanner.from(start);
    scanner.skip_blanks();
    if (!scanner.at_end()) return std::nullopt;
    return value;
}

std::optional<std::vector<std::string_view>> json_elements(std::string_view value) {
    if (!utf8::is_valid(value)) return std::nullopt;
    Scanner scanner(value);
    std::vector<std::string_view> elements;
    scanner.skip_blanks();
    if (!scanner.array(1, [&](std::string_view element) { elements.push_back(element); })) return std::nullopt;
    scanner.skip_blanks();
    if (!scanner.at_end()) return std::nullopt;
    return elements;
}

std::optional<std::vector<JsonMember>> json_members(std::string_view value) {
    if (!utf8::is_valid(value)) return std::nullopt;
    Scanner scanner(value);
    std::vector<JsonMember> members;
    scanner.skip_blanks();
    const bool good =
        scanner.object(1, [&](std::string_view name, std::string_view member) { members.push_back({name, member}); });
    if (!good) return std::nullopt;
    scanner.skip_blanks();
    if (!scanner.at_end()) return std::nullopt;
    return members;
}

}  // namespace tidegate::upstream
