// Reads protobuf's text format, as far as a config needs it: fields, messages in {} or <>, lists, strings, words, comments.
#include <fmt/core.h>

#include <optional>

#include "base/utf8.h"
#include "model/config/tree.h"

namespace tidegate::model::config {
namespace {

bool is_letter(char c) noexcept {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
}
bool is_digit(char c) noexcept {
    return c >= '0' && c <= '9';
}
bool is_word(char c) noexcept {
    return is_letter(c) || is_digit(c) || c == '.' || c == '+' || c == '-';
}

int hex_value(char c) noexcept {
    if (is_digit(c)) return c - '0';
    if (c >= 'a' && c <= 'f') return c - 'a' + 10;
    if (c >= 'A' && c <= 'F') return c - 'A' + 10;
    return -1;
}

class Parser {
  public:
    Parser(std::string_view text, std::string_view where) : text_(text), where_(where) {}

    Result<Node> whole() {
        Node root;
        root.kind = Node::Kind::kMap;
        root.line = 1;
        TG_CHECK(fields(root, '\0', 1));
        return root;
    }

  private:
    std::unexpected<Error> fault(std::string_view what) const {
        return fail(ErrorCode::kInvalidArgument, fmt::format("{}:{}: {}", where_, line_, what));
    }

    char peek() const noexcept { return at_ < text_.size() ? text_[at_] : '\0'; }
    bool ended() const noexcept { return at_ >= text_.size(); }

    void skip_space() noexcept {
        for (; !ended(); ++at_) {
            const char c = text_[at_];
            if (c == '#') {
                while (!ended() && text_[at_] != '\n') ++at_;
                if (ended()) return;
            }
            if (text_[at_] == '\n') ++line_;
            if (text_[at_] != '\n' && c != ' ' && c != '\t' && c != '\r') return;
        }
    }

    bool take(char c) noexcept {
        skip_space();
        if (ended() || text_[at_] != c) return false;
        ++at_;
        return true;
    }

    Result<void> count_node() {
        if (++nodes_ > kNodesMax) return fault(fmt::format("more than {} values", kNodesMax));
        return {};
    }

    // Up to `closing` ('\0': the end of the text).
    Result<void> fields(Node& map, char closing, int depth) {
        if (depth > kDepthMax) return fault(fmt::format("more than {} levels", kDepthMax));
        while (true) {
            skip_space();
            if (closing == '\0' ? ended() : take(closing)) return {};
            if (ended()) return fault(fmt::format("the text ends where a `{}` is missing", closing));
            TG_CHECK(field(map, depth));
            if (!take(',')) take(';');
        }
    }

    Result<void> field(Node& map, int depth) {
        if (!is_letter(peek())) return fault("a field's name is expected here");
        const std::size_t begin = at_;
        while (is_letter(peek()) || is_digit(peek())) ++at_;
        std::string name(text_.substr(begin, at_ - begin));
        const int line = line_;
        const bool colon = take(':');
        skip_space();
        const bool is_list = peek() == '[';
        const bool is_message = peek() == '{' || peek() == '<';
        if (!colon && !is_message && !is_list) return fault(fmt::format("`{}` is followed by no `:`", name));
        TG_TRY(Node node, value(depth));
        // Only messages go without a colon.
        if (!colon && is_list && (node.items.empty() || node.items.front().kind != Node::Kind::kMap)) {
            return fault(fmt::format("`{}` is followed by no `:`", name));
        }
        node.line = line;
        map.members.push_back({std::move(name), std::move(node)});
        return {};
    }

    Result<Node> value(int depth) {
        TG_CHECK(count_node());
        Node node;
        node.line = line_;
        if (take('{')) {
            node.kind = Node::Kind::kMap;
            TG_CHECK(fields(node, '}', depth + 1));
        } else if (take('<')) {
            node.kind = Node::Kind::kMap;
            TG_CHECK(fields(node, '>', depth + 1));
        } else if (take('[')) {
            node.kind = Node::Kind::kList;
            TG_CHECK(items(node, depth + 1));
        } else {
            TG_CHECK(scalar(node));
        }
        return node;
    }

    Result<void> items(Node& list, int depth) {
        if (depth > kDepthMax) return fault(fmt::format("more than {} levels", kDepthMax));
        if (take(']')) return {};
        while (true) {
            skip_space();
            TG_TRY(Node item, value(depth));
            list.items.push_back(std::move(item));
            if (take(']')) return {};
            if (!take(',')) return fault("a `,` or `]` is expected here");
        }
    }

    Result<void> scalar(Node& node) {
        skip_space();
        if (peek() == '"' || peek() == '\'') {
            node.style = Node::Style::kString;
            // Strings side by side are one, as in C.
            while (peek() == '"' || peek() == '\'') {
                TG_CHECK(quoted(node.text));
                skip_space();
            }
            if (!utf8::is_valid(node.text)) return fault("a string is not UTF-8");
            return {};
        }
        node.style = Node::Style::kWord;
        const std::size_t begin = at_;
        while (is_word(peek())) ++at_;
        if (at_ == begin) return fault(ended() ? "the text ends where a value is missing" : "a value is expected here");
        node.text = text_.substr(begin, at_ - begin);
        return {};
    }

    Result<void> quoted(std::string& out) {
        const char quote = text_[at_++];
        while (!ended() && text_[at_] != quote) {
            const char c = text_[at_++];
            if (c == '\n') return fault("a string does not end in its line");
            if (c != '\\') {
                out += c;
            } else {
                TG_CHECK(escape(out));
            }
        }
        if (!take(quote)) return fault("a string does not end");
        return {};
    }

    Result<void> escape(std::string& out) {
        const char c = peek();
        ++at_;
        constexpr std::string_view kNames = "abfnrtv\\'\"?";
        constexpr std::string_view kMeans = "\a\b\f\n\r\t\v\\'\"?";
        if (const std::size_t found = kNames.find(c); found != std::string_view::npos) {
            out += kMeans[found];
        } else if (c == 'x' || c == 'X') {
            TG_TRY(const unsigned byte, digits(16, 1, 2));
            out += static_cast<char>(byte);
        } else if (c == 'u' || c == 'U') {
            const int width = c == 'u' ? 4 : 8;
            TG_TRY(const unsigned point, digits(16, width, width));
            if (point > 0x10FFFF || (point >= 0xD800 && point <= 0xDFFF)) return fault("an escape is no character");
            utf8::append(out, static_cast<char32_t>(point));
        } else if (c >= '0' && c <= '7') {
            --at_;
            TG_TRY(const unsigned byte, digits(8, 1, 3));
            if (byte > 0xFF) return fault("an octal escape is above 377");
            out += static_cast<char>(byte);
        } else {
            return fault("an escape is unknown");
        }
        return {};
    }

    Result<unsigned> digits(int base, int count_min, int count_max) {
        unsigned number = 0;
        int count = 0;
        for (; count < count_max; ++count) {
            const int digit = hex_value(peek());
            if (digit < 0 || digit >= base) break;
            number = number * static_cast<unsigned>(base) + static_cast<unsigned>(digit);
            ++at_;
        }
        if (count < count_min) return fault("an escape lacks its digits");
        return number;
    }

    std::string_view text_;
    std::string_view where_;
    std::size_t at_ = 0;
    int line_ = 1;
    std::size_t nodes_ = 0;
};

}  // namespace

Result<Node> parse_pbtxt(std::string_view text, std::string_view where) {
    return Parser(text, where).whole();
}

}  // namespace tidegate::model::config
