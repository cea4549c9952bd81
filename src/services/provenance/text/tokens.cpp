#include "services/provenance/text/tokens.h"

#include <algorithm>
#include <array>
#include <string_view>

#include "services/provenance/text/code_points.h"
#include "services/provenance/text/lexicon.h"

namespace tidegate::provenance::text {
namespace {

// A sentence shorter than this is joined to the next one: "Dr." and "No!" carry no score of their own.
constexpr std::uint32_t kSentenceWordsMin = 4;
// And one without an end (a list, a table, a word repeated 10,000 times) is cut here.
constexpr std::uint32_t kSentenceWordsMax = 120;

bool is_upper(char c) noexcept {
    return c >= 'A' && c <= 'Z';
}
bool is_lower(char c) noexcept {
    return c >= 'a' && c <= 'z';
}
bool is_ascii_digit(char c) noexcept {
    return c >= '0' && c <= '9';
}
bool is_letter(char c) noexcept {
    return is_upper(c) || is_lower(c) || c == kForeignLetter;
}

// Abbreviations whose dot does not end a sentence.
bool is_abbreviation(std::string_view lower) noexcept {
    constexpr auto kKnown =
        std::to_array<std::string_view>({"mr", "mrs", "ms",  "dr", "prof", "st", "vs", "e.g", "i.e", "eg",
                                         "ie", "cf",  "fig", "eq", "al",   "no", "jr", "sr",  "gen", "inc"});
    if (lower.size() == 1) return lower[0] != 'i';  // Initials; "I." does end one.
    for (const std::string_view known : kKnown) {
        if (lower == known) return true;
    }
    return false;
}

class Tokenizer {
  public:
    Tokenizer(const NormalText& normal, Tokens& out) : text_(normal.bytes), paragraphs_(normal.paragraphs), out_(out) {}

    void run() {
        lower_case();
        std::uint32_t at = 0;
        const auto size = static_cast<std::uint32_t>(text_.size());
        while (at < size) {
            if (next_paragraph_ < paragraphs_.size() && paragraphs_[next_paragraph_] <= at) {
                ++next_paragraph_;
                close_sentence(false);
            }
            at = text_[at] == ' ' ? at + 1 : read_token(at);
        }
        close_sentence(true);
    }

  private:
    void lower_case() {
        out_.lower.resize(text_.size());
        std::ranges::transform(text_, out_.lower.begin(), [](char c) {
            return is_upper(c) ? static_cast<char>(c + ('a' - 'A')) : is_ascii_digit(c) ? '0' : c;
        });
    }

    std::uint32_t read_token(std::uint32_t at) {
        const char c = text_[at];
        if (is_letter(c)) return read_word(at);
        Token token{.begin = at, .end = at + 1};
        if (is_ascii_digit(c)) {
            token.kind = TokenKind::kNumber;
            while (token.end < text_.size() && continues_number(token.end)) ++token.end;
            token.hash = word_hash("0");
        } else {
            while (token.end < text_.size() && c == '.' && text_[token.end] == '.') ++token.end;
            token.hash = token.end - token.begin > 1 ? word_hash("...") : word_hash(std::string_view(&text_[at], 1));
        }
        out_.tokens.push_back(token);
        if (c == '.' || c == '!' || c == '?') ended_at_ = at;
        if (ends_sentence(token)) close_sentence(false);
        return token.end;
    }

    bool continues_number(std::size_t at) const noexcept {
        const char c = text_[at];
        if (is_ascii_digit(c)) return true;
        return (c == '.' || c == ',' || c == ':') && at + 1 < text_.size() && is_ascii_digit(text_[at + 1]);
    }

    std::uint32_t read_word(std::uint32_t at) {
        Token token{.begin = at, .end = at, .kind = TokenKind::kWord};
        std::uint64_t hash = kWordHashSeed;
        std::uint64_t tail = 0;
        std::uint32_t upper = 0;
        for (; token.end < text_.size(); ++token.end) {
            const char c = text_[token.end];
            const bool inner = c == '\'' && token.end + 1 < text_.size() && is_letter(text_[token.end + 1]);
            if (!is_letter(c) && !inner) break;
            upper += is_upper(c) ? 1 : 0;
            token.foreign = token.foreign || c == kForeignLetter;
            const char lower = out_.lower[token.end];
            hash = word_hash_step(hash, lower);
            tail = word_tail_step(tail, lower);
        }
        const std::uint32_t length = token.end - token.begin;
        token.hash = hash;
        token.capital = is_upper(text_[at]);
        token.all_caps = length >= 2 && upper == length;
        token.function_id = function_word_id(hash);
        if (token.function_id == kNotFunctionWord) {
            token.shape = word_shape(tail, length);
        }
        out_.tokens.push_back(token);
        ++words_;
        ++out_.words;
        if (words_ >= kSentenceWordsMax) close_sentence(false);
        return token.end;
    }

    // After `. ! ?` and the quotes and brackets that close with it, when a space and no lower-case letter follows.
    bool ends_sentence(const Token& token) const noexcept {
        const char c = text_[token.begin];
        const bool closer = c == '"' || c == '\'' || c == ')' || c == ']';
        const bool stop = c == '.' || c == '!' || c == '?';
        if (!stop && !(closer && ended_at_ + 2 >= token.begin && ended_at_ != kNever)) return false;
        if (token.end >= text_.size()) return true;
        if (text_[token.end] != ' ') return false;
        if (token.end + 1 < text_.size() && is_lower(text_[token.end + 1])) return false;
        if (c != '.' || out_.tokens.size() < 2) return true;
        const Token& before = out_.tokens[out_.tokens.size() - 2];
        return before.kind != TokenKind::kWord || before.end != token.begin ||
               !is_abbreviation(std::string_view(out_.lower).substr(before.begin, before.end - before.begin));
    }

    void close_sentence(bool at_end) {
        const auto end = static_cast<std::uint32_t>(out_.tokens.size());
        const bool nothing = end == first_token_;
        if (nothing || (!at_end && words_ < kSentenceWordsMin)) return;
        std::vector<Sentence>& sentences = out_.sentences;
        if (at_end && words_ < kSentenceWordsMin && !sentences.empty()) {
            sentences.back().token_end = end;
            sentences.back().words += words_;
        } else {
            sentences.push_back({first_token_, end, words_});
        }
        first_token_ = end;
        words_ = 0;
        ended_at_ = kNever;
    }

    static constexpr std::uint32_t kNever = 0xFFFF'FFF0U;
    std::string_view text_;
    const std::vector<std::uint32_t>& paragraphs_;
    Tokens& out_;
    std::size_t next_paragraph_ = 0;
    std::uint32_t first_token_ = 0;
    std::uint32_t words_ = 0;
    std::uint32_t ended_at_ = kNever;  // Where the last . ! ? of this sentence stands.
};

}  // namespace

void Tokens::clear() {
    lower.clear();
    tokens.clear();
    sentences.clear();
    words = 0;
}

void tokenise(const NormalText& normal, Tokens& out) {
    out.clear();
    Tokenizer(normal, out).run();
}

}  // namespace tidegate::provenance::text
