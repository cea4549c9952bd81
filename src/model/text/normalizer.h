// Normalizer: what a tokenizer.json does to a text before it is cut: BertNormalizer, normal forms, case, accents, replacements.
//
// Position    Made by Tokenizer from the file's `normalizer`; a Sequence is its list of steps.
// Algorithm   BERT's four steps are one pass of the text: an ASCII text is folded in place, another one code point at a time. Only
//             where combining marks that stay would change places is it done step by step.
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

class Normalizer {
  public:
    /// Memory that apply() uses again.
    struct Scratch {
        std::vector<AlignedText::Change> changes;
        std::vector<AlignedText::Change> more;
        std::vector<Range> matches;
    };

    /// `value` is the member `normalizer`; null is no step at all.
    static Result<Normalizer> parse(json::Value value);
    Result<void> apply(AlignedText& text, Scratch& scratch) const;
    bool is_empty() const noexcept { return steps_.empty(); }

  private:
    enum class Kind : std::uint8_t { kBert, kCanonical, kLower, kStrip, kStripAccents, kReplace, kPrepend };
    struct Step {
        Kind kind = Kind::kBert;
        bool clean = false, ideographs = false, accents = false, lower = false;  // kBert.
        bool compatible = false, composed = false;                               // kCanonical: NFD, NFKD, NFC, NFKC.
        bool left = false, right = false;                                        // kStrip.
        std::optional<Pattern> pattern;                                          // kReplace.
        std::string content;                                                     // kReplace, kPrepend.
    };
    Result<void> add(json::Value value, int depth);
    Result<Step> read_step(json::Value value, const std::string& type) const;

    static void bert(const Step& step, AlignedText& text, Scratch& scratch);
    static bool bert_in_one_pass(const Step& step, AlignedText& text);
    static void canonical(const Step& step, AlignedText& text, Scratch& scratch);
    static void lower(AlignedText& text, Scratch& scratch);
    static void drop(AlignedText& text, std::uint16_t flags);
    static void strip(const Step& step, AlignedText& text);
    static Result<void> replace(const Step& step, AlignedText& text, Scratch& scratch);
    static void prepend(const Step& step, AlignedText& text);

    std::vector<Step> steps_;
};

}  // namespace tidegate::model
