#include "services/content/search/words.h"

#include <algorithm>
#include <array>

#include "base/utf8.h"
#include "services/content/search/porter.h"

namespace tidegate::content {
namespace {

constexpr std::uint32_t kSentenceBytesMax = 1'000;
// Of Lucene's English analyser, which the published figures for BM25 are measured with.
constexpr std::array<std::string_view, 33> kStopWords{
    "a",   "an",    "and",  "are",   "as",    "at",   "be",   "but", "by",  "for",  "if",
    "in",  "into",  "is",   "it",    "no",    "not",  "of",   "on",  "or",  "such", "that",
    "the", "their", "then", "there", "these", "they", "this", "to",  "was", "will", "with"};

bool is_word_point(char32_t c) noexcept {
    if (c < 0x80) return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
    if (c == utf8::kReplacement || c < 0xAA) return false;
    if (c < 0xC0) return c == 0xAA || c == 0xB2 || c == 0xB3 || c == 0xB5 || c == 0xB9 || c == 0xBA;
    if (c == 0xD7 || c == 0xF7) return false;
    // General punctuation to dingbats' neighbours, CJK punctuation, full-width signs, private and emoji planes.
    const bool sign = (c >= 0x2000 && c <= 0x206F) || (c >= 0x20A0 && c <= 0x20CF) || (c >= 0x2190 && c <= 0x2BFF) ||
                      (c >= 0x3000 && c <= 0x3004) || (c >= 0x3008 && c <= 0x3020) || (c >= 0xFE10 && c <= 0xFE6F) ||
                      (c >= 0xFF00 && c <= 0xFF0F) || (c >= 0xFF1A && c <= 0xFF20) || (c >= 0x1F000 && c <= 0x1FAFF);
    return !sign;
}

bool is_blank(char c) noexcept {
    return c == ' ' || c == '\t' || c == '\n' || c == '\r' || c == '\f' || c == '\v';
}

/// A sentence may begin with it, behind an end mark and a blank.
bool begins_sentence(char c) noexcept {
    return !(c >= 'a' && c <= 'z');
}

/// Right behind an end mark at `at` and what closes quotes there; 0: no sentence ends here.
std::size_t end_behind(std::string_view text, std::size_t at) noexcept {
    std::size_t end = at + 1;
    while (end < text.size() && (text[end] == '"' || text[end] == '\'' || text[end] == ')' || text[end] == ']')) ++end;
    if (end == text.size()) return end;
    if (!is_blank(text[end])) return 0;
    std::size_t next = end;
    while (next < text.size() && is_blank(text[next])) ++next;
    if (next < text.size() && !begins_sentence(text[next])) return 0;
    // `J. Smith`, `e.g. This`: a single letter before the full stop is no end.
    if (text[at] == '.' && at >= 1 && (at == 1 || text[at - 2] == ' ' || text[at - 2] == '.')) {
        const char before = text[at - 1];
        if ((before >= 'A' && before <= 'Z') || (before >= 'a' && before <= 'z')) return 0;
    }
    return end;
}

/// [begin, end) without blanks at its ends, in pieces of kSentenceBytesMax at most.
void add_pieces(std::string_view text, std::size_t begin, std::size_t end, std::vector<Span>& out) {
    const auto is_tail = [&](std::size_t at) { return (static_cast<unsigned char>(text[at]) & 0xC0U) == 0x80U; };
    for (;;) {
        while (begin < end && is_blank(text[begin])) ++begin;
        while (end > begin && is_blank(text[end - 1])) --end;
        if (begin == end) return;
        std::size_t cut = end;
        if (end - begin > kSentenceBytesMax) {
            cut = begin + kSentenceBytesMax;
            while (cut > begin && !is_blank(text[cut])) --cut;
            if (cut == begin) {
                cut = begin + kSentenceBytesMax;
                while (is_tail(cut)) --cut;
            }
        }
        out.push_back({static_cast<std::uint32_t>(begin), static_cast<std::uint32_t>(cut)});
        begin = cut;
    }
}

bool has_word(std::string_view text) noexcept {
    for (std::size_t at = 0; at < text.size();) {
        if (is_word_point(utf8::next(text, at))) return true;
    }
    return false;
}

}  // namespace

std::vector<Word> words_of(std::string_view text) {
    std::vector<Word> out;
    std::size_t begin = 0;
    bool inside = false;
    const auto close = [&](std::size_t end) {
        if (!inside) return;
        inside = false;
        Word word{.stem = std::string(text.substr(begin, end - begin)),
                  .place = {static_cast<std::uint32_t>(begin), static_cast<std::uint32_t>(end)}};
        for (char& c : word.stem) {
            if (c >= 'A' && c <= 'Z') c = static_cast<char>(c + ('a' - 'A'));
        }
        word.stop = std::ranges::binary_search(kStopWords, std::string_view(word.stem));
        porter_stem(word.stem);
        out.push_back(std::move(word));
    };
    for (std::size_t at = 0; at < text.size();) {
        const std::size_t here = at;
        const bool part = is_word_point(utf8::next(text, at));
        if (part && !inside) {
            begin = here;
            inside = true;
        } else if (!part) {
            close(here);
        }
    }
    close(text.size());
    return out;
}

std::vector<Span> sentences_of(std::string_view text) {
    std::vector<Span> out;
    std::size_t begin = 0;
    for (std::size_t at = 0; at < text.size(); ++at) {
        const char c = text[at];
        std::size_t end = 0;
        if (c == '.' || c == '!' || c == '?') {
            end = end_behind(text, at);
        } else if (c == '\n' && at + 1 < text.size() && (text[at + 1] == '\n' || text[at + 1] == '\r')) {
            end = at;
        }
        if (end == 0) continue;
        add_pieces(text, begin, end, out);
        begin = end;
    }
    add_pieces(text, begin, text.size(), out);
    return out;
}

std::vector<Span> chunks_of(std::string_view text, std::uint32_t bytes_max) {
    std::vector<Span> out;
    for (const Span sentence : sentences_of(text)) {
        if (!has_word(sentence.of(text))) continue;
        if (!out.empty() && sentence.end - out.back().begin <= bytes_max) {
            out.back().end = sentence.end;
        } else {
            out.push_back(sentence);
        }
    }
    return out;
}

}  // namespace tidegate::content
