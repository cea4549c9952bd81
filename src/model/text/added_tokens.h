// AddedTokens: tokens that are found in the text before it is cut ([CLS], <mask>, words added later).
//
// Algorithm   From the left, at each place the longest one (leftmost-longest), through a ByteTrie behind a table of first bytes: a text
//             without one is passed over a byte at a time.
// Guarantee   single_word, lstrip, rstrip and normalized as in the Python package: tokens with `normalized` are looked for in the
//             normalised text in their normalised form, the others in the text as it came.
// Threads     Read only after loading.
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/json.h"
#include "base/result.h"
#include "model/text/aligned_text.h"
#include "model/text/byte_trie.h"
#include "model/text/normalizer.h"
#include "model/text/vocabulary.h"

namespace tidegate::model {

struct AddedToken {
    std::string content;
    std::uint32_t id = 0;
    bool is_special = false;
    bool is_single_word = false;
    bool strips_left = false;
    bool strips_right = false;
    bool is_normalized = false;
};

class AddedTokens {
  public:
    /// A piece of the text: an added token, or what stands between two.
    struct Piece {
        Range range;
        const AddedToken* token = nullptr;  // nullptr: text in between.
    };

    /// `list` is the member `added_tokens`. Tokens that the vocabulary lacks are added to it.
    static Result<AddedTokens> parse(json::Value list, const Normalizer& normalizer, Vocabulary& vocabulary);
    AddedTokens() = default;

    /// Appends the pieces of `text`, in order, none of them empty.
    void find(std::string_view text, bool normalized, std::vector<Piece>& out) const;
    /// Whether there is anything to find in the normalised text.
    bool has_normalized() const noexcept { return has_normalized_; }
    std::span<const AddedToken> tokens() const noexcept { return tokens_; }

  private:
    struct Finder {
        ByteTrie trie;  // Values: places in tokens_.
        std::array<bool, 256> begins{};
        bool is_empty = true;
    };
    static Result<AddedToken> read_token(json::Value value);
    Result<void> make_finders(const Normalizer& normalizer);
    static void add_matches(const AddedToken& token, std::string_view text, Range match, std::vector<Piece>& out,
                            std::uint32_t& done);

    std::vector<AddedToken> tokens_;
    Finder plain_, normal_;
    bool has_normalized_ = false;
};

}  // namespace tidegate::model
