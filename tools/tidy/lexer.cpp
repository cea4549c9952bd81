#include "tidy/lexer.h"

#include <algorithm>

namespace tidegate::tidy {
namespace {

/// Walks the text once; `out_` starts as a copy in which what is not code gets blanked.
class Blanker {
  public:
    explicit Blanker(std::string_view text) : text_(text), out_(text) {}

    std::string run() {
        while (at_ < text_.size()) {
            if (looking_at("//")) {
                blank_until(text_.find('\n', at_), 0);
            } else if (looking_at("/*")) {
                blank_until(text_.find("*/", at_ + 2), 2);
            } else if (text_[at_] == '"' && is_raw()) {
                raw_string();
            } else if (text_[at_] == '"' || (text_[at_] == '\'' && !is_digit_separator())) {
                literal(text_[at_]);
            } else {
                ++at_;
            }
        }
        return std::move(out_);
    }

  private:
    bool looking_at(std::string_view token) const { return text_.substr(at_, token.size()) == token; }
    bool is_raw() const { return at_ > 0 && text_[at_ - 1] == 'R' && (at_ < 2 || !is_word_char(text_[at_ - 2])); }
    bool is_digit_separator() const {
        return at_ > 0 && is_word_char(text_[at_ - 1]) && at_ + 1 < text_.size() && is_word_char(text_[at_ + 1]);
    }

    void blank(std::size_t from, std::size_t to) {
        for (std::size_t i = from; i < std::min(to, out_.size()); ++i) {
            if (out_[i] != '\n') out_[i] = ' ';
        }
    }
    void blank_until(std::size_t end, std::size_t extra) {
        end = end == std::string_view::npos ? text_.size() : end + extra;
        blank(at_, end);
        at_ = end;
    }
    void raw_string() {
        const std::size_t open = text_.find('(', at_);
        if (open == std::string_view::npos) return blank_until(open, 0);
        const std::string close = ")" + std::string(text_.substr(at_ + 1, open - at_ - 1)) + "\"";
        const std::size_t end = text_.find(close, open);
        if (end == std::string_view::npos) return blank_until(end, 0);
        blank(at_ + 1, end + close.size() - 1);
        at_ = end + close.size();
    }
    void literal(char quote) {
        std::size_t end = at_ + 1;
        while (end < text_.size() && text_[end] != quote && text_[end] != '\n') end += text_[end] == '\\' ? 2 : 1;
        blank(at_ + 1, end);
        at_ = end + 1;
    }

    std::string_view text_;
    std::string out_;
    std::size_t at_ = 0;
};

}  // namespace

std::string code_only(std::string_view text) {
    return Blanker(text).run();
}

bool is_word_char(char c) noexcept {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
}

std::size_t find_word(std::string_view code, std::string_view word, std::size_t from) noexcept {
    for (std::size_t at = code.find(word, from); at != std::string_view::npos; at = code.find(word, at + 1)) {
        const std::size_t end = at + word.size();
        const bool left = at == 0 || !is_word_char(word.front()) || !is_word_char(code[at - 1]);
        const bool right = end >= code.size() || !is_word_char(word.back()) || !is_word_char(code[end]);
        if (left && right) return at;
    }
    return std::string_view::npos;
}

}  // namespace tidegate::tidy
