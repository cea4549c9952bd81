// WordErrors: how far a transcript is from what was said.
//
// Algorithm   Words in lower case of letters, digits and apostrophes; the least number of words to put in, take out and change
//             (Wagner-Fischer) over the words of the reference.
// Memory      One row of counts.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace tidegate::speech {

struct WordErrors {
    std::uint64_t words = 0;  // Of the reference.
    std::uint64_t errors = 0;
    /// Of the reference's words; 0 of none. More than 1 where much was put in.
    double rate() const noexcept { return words == 0 ? 0 : static_cast<double>(errors) / static_cast<double>(words); }
    WordErrors& operator+=(const WordErrors& other) noexcept {
        words += other.words;
        errors += other.errors;
        return *this;
    }
};

std::vector<std::string> score_words(std::string_view text);
WordErrors count_word_errors(std::string_view reference, std::string_view heard);

}  // namespace tidegate::speech
