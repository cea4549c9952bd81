// PostProcessor: the special tokens around one text or two, and whether spaces count to a token's offsets.
//
// Position    Made by Tokenizer from the file's `post_processor`: TemplateProcessing, BertProcessing, RobertaProcessing, ByteLevel and a
//             Sequence of them all become one template for a single text, one for a pair, and a rule for spaces.
// Threads     Read only after parse().
#pragma once

#include <cstdint>
#include <vector>

#include "base/json.h"
#include "base/result.h"
#include "model/text/vocabulary.h"

namespace tidegate::model {

class PostProcessor {
  public:
    struct Part {
        enum class Kind : std::uint8_t { kSpecial, kFirst, kSecond };
        Kind kind = Kind::kFirst;
        std::uint32_t id = 0;  // kSpecial.
        std::uint32_t type_id = 0;
    };
    using Template = std::vector<Part>;

    static Result<PostProcessor> parse(json::Value value, const Vocabulary& vocabulary);

    const Template& form(bool is_pair) const noexcept { return is_pair ? pair_ : single_; }
    /// How many special tokens are put in.
    std::size_t specials(bool is_pair) const noexcept;
    /// Spaces at the ends of tokens are left out of their offsets.
    bool trims() const noexcept { return trims_; }
    /// ... but for the space before the first word, which is not in the text.
    bool keeps_first() const noexcept { return keeps_first_; }

  private:
    Result<void> add(json::Value value, const Vocabulary& vocabulary, int depth);
    Result<void> read_pair_of(json::Value value, const std::string& type, const Vocabulary& vocabulary);
    Result<void> read_template(json::Value value, const Vocabulary& vocabulary);

    Template single_{{Part::Kind::kFirst, 0, 0}};
    Template pair_{{Part::Kind::kFirst, 0, 0}, {Part::Kind::kSecond, 0, 1}};
    bool has_template_ = false;
    bool trims_ = false;
    bool keeps_first_ = false;
};

}  // namespace tidegate::model
