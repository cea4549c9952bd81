#include "services/provenance/text/normalise.h"

#include <array>

#include "base/utf8.h"
#include "services/provenance/text/code_points.h"

namespace tidegate::provenance::text {
namespace {

constexpr unsigned char kProvisional = 0x80;  // Set on a Latin letter that stands for a look-alike, until decided.

bool is_ascii_letter(char c) noexcept {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}
bool is_plain_digit(char c) noexcept {
    return c >= '0' && c <= '9';
}
bool is_provisional(char c) noexcept {
    return static_cast<unsigned char>(c) > 0xC0;
}
bool is_code_symbol(char c) noexcept {
    return std::string_view("{}[]()<>=;/\\|+*^_&#@~").find(c) != std::string_view::npos;
}

class Normaliser {
  public:
    Normaliser(std::string_view input, NormalText& out) : input_(input), out_(out) {}

    void run() {
        while (position_ < input_.size()) {
            const char byte = input_[position_];
            if (byte == ' ') {
                ++position_;
                ++out_.traits.code_points;
                space_ = true;
            } else {
                step();
                if (is_ascii_letter(byte)) take_letters();
            }
        }
        if (has_lookalikes_) settle_lookalikes();
    }

  private:
    void step() {
        index_ = out_.traits.code_points;
        const char byte = input_[position_];
        if (line_start_ && skip_line_mark()) return;
        if (byte == '&' && skip_entity()) return;
        if ((byte == 'h' || byte == 'w') && skip_address()) return;
        const char32_t c = utf8::next(input_, position_);
        ++out_.traits.code_points;
        take(fold(c));
    }

    // The rest of a run of plain letters, which is most of a text, as the steps would take it one by one: no mark, entity
    // or address begins after a letter.
    void take_letters() {
        if (space_) return;  // It was an address, and no letter has been put.
        const std::size_t begin = position_;
        while (position_ < input_.size() && is_ascii_letter(input_[position_])) ++position_;
        const auto count = static_cast<std::uint32_t>(position_ - begin);
        out_.bytes.append(input_, begin, count);
        const std::size_t old = out_.origin.size();
        out_.origin.resize(old + count);
        for (std::uint32_t i = 0; i < count; ++i) out_.origin[old + i] = out_.traits.code_points + i;
        out_.traits.code_points += count;
        out_.traits.latin_letters += count;
    }

    void take(Folded folded) {
        TextTraits& traits = out_.traits;
        switch (folded.kind) {
            case FoldKind::kPlain:
                return plain(folded.ascii);
            case FoldKind::kSpace:
                space_ = true;
                return;
            case FoldKind::kNewline:
                return newline();
            case FoldKind::kDash:
                return dash();
            case FoldKind::kEllipsis:
                for (int i = 0; i < 3; ++i) plain('.');
                return;
            case FoldKind::kBullet:
                space_ = true;
                return;
            case FoldKind::kInvisible:
                ++traits.zero_width;
                return;
            case FoldKind::kSelector:
                return;
            case FoldKind::kCombining:
                ++traits.combining;
                return;
            case FoldKind::kLookalike:
                has_lookalikes_ = true;
                return emit(static_cast<char>(static_cast<unsigned char>(folded.ascii) | kProvisional));
            case FoldKind::kStyled:
                ++traits.homoglyphs;
                return plain(folded.ascii);
            case FoldKind::kForeign:
            case FoldKind::kIdeograph:
                ++traits.foreign_letters;
                return emit(kForeignLetter);
            case FoldKind::kSymbol:
                if (folded.ascii != 0) return emit(folded.ascii);
                space_ = true;
                return;
            case FoldKind::kControl:
                ++traits.controls;
                space_ = true;
                return;
        }
    }

    void plain(char c) {
        TextTraits& traits = out_.traits;
        if (is_ascii_letter(c)) {
            ++traits.latin_letters;
            return emit(c);
        }
        if (is_plain_digit(c)) {
            ++traits.digits;
            return emit(c);
        }
        if (is_code_symbol(c)) ++traits.code_symbols;
        switch (c) {
            case '*':
            case '_':
            case '~':
            case '\\':
            case '#':
            case '|':
                return;  // Emphasis, escapes, headings, tables: layout.
            case '`':
                return quote('\'');
            case '\'':
            case '"':
                return quote(c);
            case '-':
                return hyphen();
            case '.':
                return dot();
            case ',':
            case ';':
            case ':':
            case '!':
            case '?':
            case ')':
                space_ = false;
                return emit(c);  // No space stands before these, whatever the tokenizer did.
            default:
                return emit(c);
        }
    }

    // Two single quotes, or back quotes, in a row are one double quote.
    void quote(char c) {
        std::string& bytes = out_.bytes;
        if (c == '\'' && !space_ && !bytes.empty() && bytes.back() == '\'') {
            bytes.back() = '"';
            return;
        }
        emit(c);
    }

    // "--" is a dash; a hyphen alone stays what it is.
    void hyphen() {
        const bool more = position_ < input_.size() && input_[position_] == '-';
        if (!more) return emit('-');
        while (position_ < input_.size() && input_[position_] == '-') {
            ++position_;
            ++out_.traits.code_points;
        }
        dash();
    }

    // Every dash reads " - ", except the one in "1990-1995".
    void dash() {
        const bool in_range = !space_ && !out_.bytes.empty() && is_plain_digit(out_.bytes.back()) &&
                              position_ < input_.size() && is_plain_digit(input_[position_]);
        if (in_range) return emit('-');
        space_ = true;
        emit('-');
        space_ = true;
    }

    // "....", ". . ." and "…" all read "...".
    void dot() {
        const std::string& bytes = out_.bytes;
        if (bytes.size() >= 3 && bytes.ends_with("...")) return;
        space_ = false;
        emit('.');
    }

    void newline() {
        ++out_.traits.line_breaks;
        ++newlines_;
        space_ = true;
        line_start_ = true;
    }

    void emit(char c) {
        std::string& bytes = out_.bytes;
        if (bytes.empty()) {
            space_ = false;
        } else if (newlines_ >= 2) {
            out_.paragraphs.push_back(static_cast<std::uint32_t>(bytes.size() + (space_ ? 1 : 0)));
        }
        newlines_ = 0;
        if (space_ && bytes.back() != ' ') put(' ');
        space_ = false;
        line_start_ = false;
        put(c);
    }

    void put(char c) {
        out_.bytes.push_back(c);
        out_.origin.push_back(index_);
    }

    // "## ", "> ", "- ", "3. " at the start of a line.
    bool skip_line_mark() {
        std::size_t end = position_;
        const auto at = [&](std::size_t i) { return i < input_.size() ? input_[i] : '\0'; };
        if (is_plain_digit(at(end))) {
            while (is_plain_digit(at(end)) && end - position_ < 3) ++end;
            if (at(end) != '.' && at(end) != ')') return false;
            ++end;
        } else if (std::string_view("#>+-*=").find(at(end)) != std::string_view::npos) {
            while (at(end) == at(position_) && end - position_ < 6) ++end;
        } else {
            return false;
        }
        if (at(end) != ' ' || end == position_) return false;
        return skip_to(end);
    }

    // "&amp;", "&#39;", and the broken "& nbsp;" of scraped text.
    bool skip_entity() {
        std::size_t begin = position_ + 1;
        if (begin < input_.size() && input_[begin] == ' ') ++begin;
        std::size_t end = begin;
        while (end < input_.size() && end - begin < 8 &&
               (is_ascii_letter(input_[end]) || is_plain_digit(input_[end]) || input_[end] == '#')) {
            ++end;
        }
        if (end == begin || end >= input_.size() || input_[end] != ';') return false;
        const std::string_view name = input_.substr(begin, end - begin);
        skip_to(end + 1);
        if (name == "amp")
            emit('&');
        else if (name == "quot")
            quote('"');
        else if (name == "apos" || name == "#39" || name == "rsquo" || name == "lsquo")
            quote('\'');
        else
            space_ = true;
        return true;
    }

    // Web addresses say nothing about style.
    bool skip_address() {
        if (!out_.bytes.empty() && !space_ && is_ascii_letter(out_.bytes.back())) return false;
        const std::string_view rest = input_.substr(position_, 8);
        if (!rest.starts_with("http://") && !rest.starts_with("https://") && !rest.starts_with("www.")) return false;
        std::size_t end = position_;
        while (end < input_.size() && std::string_view(" \n\t\r)>\"]").find(input_[end]) == std::string_view::npos)
            ++end;
        space_ = true;
        return skip_to(end);
    }

    bool skip_to(std::size_t end) {
        out_.traits.code_points += static_cast<std::uint32_t>(utf8::length(input_.substr(position_, end - position_)));
        position_ = end;
        return true;
    }

    // A look-alike is Latin when its word has a real Latin letter, or when the text is Latin and the word is all
    // look-alikes; else it belongs to its own script.
    void settle_lookalikes() {
        std::string& bytes = out_.bytes;
        TextTraits& traits = out_.traits;
        const bool latin_text = traits.latin_letters > 4 * traits.foreign_letters;
        std::size_t i = 0;
        while (i < bytes.size()) {
            std::size_t end = i;
            bool provisional = false;
            bool latin = false;
            bool foreign = false;
            for (; end < bytes.size(); ++end) {
                const char c = bytes[end];
                if (is_provisional(c))
                    provisional = true;
                else if (is_ascii_letter(c))
                    latin = true;
                else if (c == kForeignLetter)
                    foreign = true;
                else
                    break;
            }
            if (provisional) decide(i, end, latin || (latin_text && !foreign));
            i = end + 1;
        }
    }

    void decide(std::size_t begin, std::size_t end, bool as_latin) {
        for (std::size_t i = begin; i < end; ++i) {
            char& c = out_.bytes[i];
            if (!is_provisional(c)) continue;
            if (as_latin) {
                c = static_cast<char>(static_cast<unsigned char>(c) & 0x7FU);
                ++out_.traits.homoglyphs;
                ++out_.traits.latin_letters;
            } else {
                c = kForeignLetter;
                ++out_.traits.foreign_letters;
            }
        }
    }

    std::string_view input_;
    NormalText& out_;
    std::size_t position_ = 0;
    std::uint32_t index_ = 0;  // Code point of the original that is being read.
    std::uint32_t newlines_ = 0;
    bool space_ = false;  // A space is due before the next character.
    bool line_start_ = true;
    bool has_lookalikes_ = false;  // Provisional letters are among the bytes.
};

}  // namespace

void NormalText::clear() {
    bytes.clear();
    origin.clear();
    paragraphs.clear();
    traits = {};
}

void normalise(std::string_view utf8, NormalText& out) {
    out.clear();
    Normaliser(utf8, out).run();
}

}  // namespace tidegate::provenance::text
