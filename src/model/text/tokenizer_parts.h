// What a Tokenizer is made of, for the files that read it and that run it; not for others.
#pragma once

#include <array>
#include <optional>
#include <variant>
#include <vector>

#include "model/text/added_tokens.h"
#include "model/text/bpe.h"
#include "model/text/normalizer.h"
#include "model/text/post_processor.h"
#include "model/text/pre_tokenizer.h"
#include "model/text/tokenizer.h"
#include "model/text/vocabulary.h"
#include "model/text/word_piece.h"

namespace tidegate::model {

struct Tokenizer::Impl {
    Vocabulary vocabulary;
    Normalizer normalizer;
    AddedTokens added;
    PreTokenizer pre_tokenizer;
    std::variant<WordPiece, Bpe> model;
    PostProcessor post_processor;
    std::optional<Truncation> truncation;
    std::optional<Padding> padding;
};

namespace text_detail {

/// The tokens of one text before special tokens are put around them.
struct TextTokens {
    /// An added token that took spaces with it: they are not in its name.
    struct Stripped {
        std::uint32_t at = 0;
        Range source;
    };
    std::vector<std::uint32_t> ids;
    std::vector<Range> offsets;
    std::vector<Range> char_offsets;
    std::vector<std::uint32_t> words;
    std::vector<Stripped> stripped;

    void clear() noexcept;
    /// Keeps `count` tokens, from the end with `from_left`.
    void cut(std::size_t count, bool from_left);
};

/// Bytes to characters, in place in `tokens.char_offsets`.
void fill_char_offsets(std::string_view text, bool is_ascii, std::vector<std::uint32_t>& index, TextTokens& tokens);
/// Leaves spaces at the ends of tokens out of both offsets.
void trim_offsets(std::string_view text, const Vocabulary& vocabulary, bool keeps_first, TextTokens& tokens);
/// Cuts to `limit` tokens in all.
Result<bool> truncate(const Truncation& how, std::size_t limit, TextTokens& first, TextTokens* second);
/// Puts the texts and the special tokens together.
void assemble(const PostProcessor::Template& form, const EncodeOptions& options, const std::array<TextTokens, 2>& texts,
              Encoding& out);
void pad(const Padding& how, bool with_offsets, Encoding& out);

}  // namespace text_detail
}  // namespace tidegate::model
