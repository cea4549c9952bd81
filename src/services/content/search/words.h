// Words of a text with their places; sentences; chunks that keep their offsets.
//
// Guarantee   Spans are byte offsets into the text they came from, begin before end, in order, never within a code point. Chunks cover
//             every word of the text once.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace tidegate::content {

/// Bytes [begin, end) of a text.
struct Span {
    std::uint32_t begin = 0, end = 0;
    /// What of it lies within `text`.
    std::string_view of(std::string_view text) const noexcept {
        const std::size_t from = std::min<std::size_t>(begin, text.size());
        return text.substr(from, end > from ? end - from : 0);
    }
    friend bool operator==(const Span&, const Span&) = default;
};

struct Word {
    std::string stem;  // Lower case, by Porter where it is English letters.
    Span place;
    bool stop = false;  // Tells nothing: `the`, `of`.
};

/// Runs of letters and digits of any script; ASCII is lowered. Scripts without blanks between words give one word a run.
std::vector<Word> words_of(std::string_view text);

/// By `.`, `!`, `?` before a blank and what begins a sentence, and by empty lines. A sentence over 1,000 bytes is cut between words.
std::vector<Span> sentences_of(std::string_view text);

/// Whole sentences, as many as fit into `bytes_max`; none for a text without words.
std::vector<Span> chunks_of(std::string_view text, std::uint32_t bytes_max);

}  // namespace tidegate::content
