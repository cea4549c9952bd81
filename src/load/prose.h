// Prose: English sentences nobody wrote, for requests that need text: seeded, of varied length, free of any data set.
//
// Algorithm   Sentence patterns over lists of common words, all written for this file. It reads like prose to a tokenizer (word
//             lengths, punctuation, sentence lengths, some repetition); it says nothing.
// Memory      Appends to the caller's string.
#pragma once

#include <cstddef>
#include <string>

#include "load/dice.h"

namespace tidegate::load {

/// Appends whole sentences until `bytes` more stand in `out`, then ends with the sentence: at most 200 bytes longer. ASCII without
/// quotes or backslashes, so that it may stand in JSON as it is.
void append_prose(std::string& out, std::size_t bytes, Dice& dice);

/// A length such as people's texts have: log-normal around `median`, between a fifth of it and five times as much.
std::size_t text_length(std::size_t median, Dice& dice);

}  // namespace tidegate::load
