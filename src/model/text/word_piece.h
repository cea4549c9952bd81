// WordPiece: cuts a word into the longest pieces of the vocabulary, from the left (BERT, MiniLM).
//
// Algorithm   Greedy longest match (Schuster and Nakajima 2012) over one ByteTrie: a piece inside a word starts at the node
//             behind the prefix (`##`) instead of at the root, so nothing is glued together to be looked up.
// Guarantee   A word that cannot be cut whole, or is longer than max_input_chars_per_word, is one unknown token.
// Threads     Read only after parse().
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/json.h"
#include "base/result.h"
#include "model/text/byte_trie.h"
#include "model/text/vocabulary.h"

namespace tidegate::model {

/// A token and the bytes of its word that it stands for.
struct WordToken {
    std::uint32_t id = 0;
    std::uint32_t begin = 0;
    std::uint32_t end = 0;
};

class WordPiece {
  public:
    /// `model` is the member `model`, `vocabulary` what was read of it.
    static Result<WordPiece> parse(json::Value model, const Vocabulary& vocabulary);
    /// Appends the tokens of `word` (valid UTF-8, not empty) to `out`.
    void tokenize(std::string_view word, std::vector<WordToken>& out) const;

  private:
    ByteTrie trie_;
    std::uint32_t inside_ = ByteTrie::kNowhere;  // The node behind the prefix.
    std::uint32_t unknown_ = 0;
    std::uint32_t chars_max_ = 100;
};

}  // namespace tidegate::model
