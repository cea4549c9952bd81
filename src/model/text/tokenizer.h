// Tokenizer: a Hugging Face `tokenizer.json` as a function from text to token ids, equal to the Python package `tokenizers`.
//
// Position    Read with a model from its folder; the routes of text models call encode() on a `cpu` thread.
// Guarantee   Ids, type ids, masks, offsets and word numbers are those of `tokenizers` 0.23 (tests/model_text compares 10,000 texts and
//             every code point). Known: WordPiece and BPE, over bytes or characters, and the components that normalizer.h,
//             pre_tokenizer.h and post_processor.h name; any other component or member is an error that names it.
// Memory      Some 3 MB for BERT's vocabulary. encode() uses the memory of its Encoding again, and scratch of its thread that it gives
//             back over kScratchMax.
// Threads     Read only after parse(): any number of threads may encode() at once.
// When it fails  kFailedValidation for a file, kInvalidArgument for text that is no UTF-8, kTooLarge over kTextMax bytes.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "model/text/aligned_text.h"

namespace tidegate::model {

/// How a text that is too long is cut; `tokens_max` counts the special tokens too.
struct Truncation {
    enum class Strategy : std::uint8_t { kLongestFirst, kOnlyFirst, kOnlySecond };
    std::size_t tokens_max = 512;
    Strategy strategy = Strategy::kLongestFirst;
    bool from_left = false;
};

/// How short texts are filled up.
struct Padding {
    std::size_t fixed = 0;     // 0: up to the longest of the batch.
    std::size_t multiple = 1;  // The length is a multiple of this.
    std::uint32_t id = 0;
    std::uint32_t type_id = 0;
    bool on_left = false;
};

struct EncodeOptions {
    bool add_special_tokens = true;
    bool truncate = true;      // As truncation() says.
    bool pad = false;          // As padding() says; else the batch is padded where it is put together.
    bool with_offsets = true;  // Off where only the ids are wanted.
    /// Another limit than the file's, 0 for the file's.
    std::size_t tokens_max = 0;
};

/// What a text became. Its vectors are of one length, but for `offsets`, `char_offsets` and `words` without with_offsets: empty.
struct Encoding {
    static constexpr std::uint32_t kNoWord = UINT32_MAX;

    std::vector<std::uint32_t> ids;
    std::vector<std::uint32_t> type_ids;
    std::vector<std::uint8_t> attention_mask;
    std::vector<std::uint8_t> special_mask;
    std::vector<Range> offsets;       // Bytes of the text (of its own one in a pair); 0, 0 for special tokens.
    std::vector<Range> char_offsets;  // The same in characters: what the Python package calls offsets.
    std::vector<std::uint32_t> words;
    bool is_truncated = false;

    std::size_t size() const noexcept { return ids.size(); }
    void clear() noexcept;
};

class Tokenizer {
  public:
    static constexpr std::size_t kFileMax = 64U
                                            << 20U;  // Bytes of a tokenizer.json; the largest of the field have 33 MB.
    static constexpr std::size_t kTextMax = 16U << 20U;    // Bytes of a text.
    static constexpr std::size_t kScratchMax = 4U << 20U;  // Bytes a thread keeps between texts.

    /// `bytes` is a whole tokenizer.json.
    static Result<Tokenizer> parse(std::string_view bytes);
    Tokenizer(Tokenizer&&) noexcept;
    Tokenizer& operator=(Tokenizer&&) noexcept;
    ~Tokenizer();

    Result<void> encode(std::string_view text, Encoding& out, const EncodeOptions& options = {}) const;
    Result<void> encode_pair(std::string_view first, std::string_view second, Encoding& out,
                             const EncodeOptions& options = {}) const;

    /// Count of tokens, added ones too.
    std::size_t vocabulary_size() const noexcept;
    /// The token as the file writes it; empty where there is none.
    std::string_view token(std::uint32_t id) const noexcept;
    std::optional<std::uint32_t> id(std::string_view token) const noexcept;
    const std::optional<Truncation>& truncation() const noexcept;
    const std::optional<Padding>& padding() const noexcept;
    /// Special tokens that encode() or encode_pair() put in.
    std::size_t special_tokens(bool is_pair) const noexcept;

  private:
    struct Impl;
    explicit Tokenizer(std::unique_ptr<Impl> impl);
    Result<void> encode_texts(std::span<const std::string_view> texts, Encoding& out,
                              const EncodeOptions& options) const;
    std::unique_ptr<Impl> impl_;
};

}  // namespace tidegate::model
