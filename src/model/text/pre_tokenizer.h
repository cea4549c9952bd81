// PreTokenizer: cuts a normalised text into the words that the model then cuts into tokens.
//
// Position    Made by Tokenizer from the file's `pre_tokenizer`; a Sequence is its list of steps.
// Guarantee   Words are ranges of the text in order, none of them empty, each on borders of characters.
// Threads     Read only after parse().
// When it fails  parse(): kFailedValidation names the component that is not known. apply(): only an expression that runs too long.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/json.h"
#include "base/result.h"
#include "model/text/aligned_text.h"
#include "model/text/pattern.h"

namespace tidegate::model {

class PreTokenizer {
  public:
    struct Scratch {
        std::vector<Range> words;  // The result of apply().
        std::vector<Range> before;
        std::vector<Range> matches;
        std::vector<Range> pieces;
        std::vector<bool> is_match;
    };

    /// `value` is the member `pre_tokenizer`; with null the whole text is one word.
    static Result<PreTokenizer> parse(json::Value value);
    /// Leaves the words in scratch.words; may put characters into `text` (a space before the first word, Metaspace's sign).
    Result<void> apply(AlignedText& text, Scratch& scratch) const;
    /// The last step is ByteLevel: the model's tokens are written in GPT-2's alphabet for bytes.
    bool is_byte_level() const noexcept { return is_byte_level_; }

  private:
    enum class Kind : std::uint8_t {
        kBert,
        kByteLevel,
        kWhitespace,
        kWhitespaceSplit,
        kPunctuation,
        kDigits,
        kSplit,
        kMetaspace
    };
    enum class Behaviour : std::uint8_t { kRemoved, kIsolated, kMergedWithPrevious, kMergedWithNext, kContiguous };
    enum class Prepend : std::uint8_t { kNever, kFirst, kAlways };
    struct Step {
        Kind kind = Kind::kBert;
        Behaviour behaviour = Behaviour::kIsolated;  // kPunctuation, kSplit.
        bool invert = false;                         // kSplit.
        bool single = false;                         // kDigits: each digit alone.
        bool space = false;                          // kByteLevel: a space before the first word.
        bool cut = false;                            // kByteLevel: by GPT-2's expression; kMetaspace: at its sign.
        Prepend prepend = Prepend::kNever;           // kMetaspace.
        std::string sign;                            // kMetaspace.
        std::optional<Pattern> pattern;              // kSplit.
    };
    Result<void> add(json::Value value, int depth);
    static Result<Step> read_step(json::Value value, const std::string& type);
    static Result<Behaviour> read_behaviour(json::Value value, const std::string& where);

    static void bert(std::string_view text, Range range, std::vector<Range>& words);
    static void whitespace(std::string_view text, Range range, std::vector<Range>& words);
    static void whitespace_split(std::string_view text, Range range, std::vector<Range>& words);
    static void rewrite(const Step& step, AlignedText& text, Scratch& scratch);
    static Result<void> split(const Step& step, std::string_view text, Range range, Scratch& scratch);
    static void find_chars(const Step& step, std::string_view text, std::vector<Range>& matches);
    static void deliver(Behaviour behaviour, Range range, Scratch& scratch);

    std::vector<Step> steps_;
    bool is_byte_level_ = false;
};

/// GPT-2's expression 's|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+ by hand.
void split_gpt2(std::string_view text, Range range, std::vector<Range>& words);

}  // namespace tidegate::model
