// Just enough of C++'s lexical rules to tell code from comments and literals.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace tidegate::tidy {

/// The text with comments and the insides of literals turned into blanks; quotes, length and line ends stay.
std::string code_only(std::string_view text);

bool is_word_char(char c) noexcept;
/// The next place at or after `from` where `word` stands with no letter, digit or `_` on either side; npos if
/// none. The rule holds only on a side where the word itself ends in such a character.
std::size_t find_word(std::string_view code, std::string_view word, std::size_t from = 0) noexcept;

}  // namespace tidegate::tidy
