// Bpe: byte pair encoding with ranked merges, over bytes (GPT-2, RoBERTa) or over characters (with Metaspace).
//
// Algorithm   Sennrich, Haddow and Birch 2016: of all adjacent pairs the one with the lowest rank is merged, the leftmost of equals, until none
//             is left. Words of up to kShort units scan their pairs; longer ones keep them in a heap, so that a word of a
//             megabyte costs n log n.
// Memory      Merges in one flat table, 16 bytes a slot, at most half full. WordCache: some 300 KB a thread.
// Threads     Read only after parse(); Scratch and WordCache belong to one thread.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/json.h"
#include "base/result.h"
#include "model/text/vocabulary.h"
#include "model/text/word_piece.h"

namespace tidegate::model {

/// What the last words of a thread were cut into: direct mapped, a newer word takes the place of an older one.
class WordCache {
  public:
    static constexpr std::size_t kWordMax = 24;  // Bytes; 99 % of English words with their space are shorter.
    static constexpr std::size_t kTokensMax = 6;
    static constexpr std::size_t kSlots = 4'096;

    struct Entry {
        std::uint64_t owner = 0;  // The Bpe it belongs to; 0: free.
        std::array<char, kWordMax> word{};
        std::uint8_t size = 0;
        std::uint8_t count = 0;
        std::array<std::uint32_t, kTokensMax> ids{};
        std::array<std::uint8_t, kTokensMax> ends{};
    };
    /// The entry that a word of at most kWordMax bytes has or would have.
    Entry& at(std::string_view word);

  private:
    std::vector<Entry> entries_;
};

class Bpe {
  public:
    struct Unit {
        std::uint32_t id = 0;
        std::uint32_t size = 0;  // Bytes; 0: merged into the one before.
        std::uint32_t previous = 0;
        std::uint32_t next = 0;
    };
    struct Candidate {
        std::uint32_t rank = 0;
        std::uint32_t at = 0;
        std::uint32_t made = 0;
    };
    struct Scratch {
        std::vector<Unit> units;
        std::vector<Candidate> heap;
        std::vector<std::uint32_t> ranks;
        WordCache cache;
    };

    /// `bytes`: the vocabulary is written in GPT-2's alphabet for bytes.
    static Result<Bpe> parse(json::Value model, const Vocabulary& vocabulary, bool bytes);
    /// Appends the tokens of `word` (not empty) to `out`. `vocabulary` is that of parse().
    void tokenize(std::string_view word, const Vocabulary& vocabulary, Scratch& scratch,
                  std::vector<WordToken>& out) const;

  private:
    static constexpr std::size_t kShort = 48;
    static constexpr std::uint32_t kNone = UINT32_MAX;
    struct Merge {
        std::uint64_t pair = UINT64_MAX;  // UINT64_MAX: free.
        std::uint32_t rank = 0;
        std::uint32_t made = 0;
    };

    Result<void> read_merges(json::Value list, const Vocabulary& vocabulary);
    Result<void> read_units(const Vocabulary& vocabulary, const std::string& unknown);
    bool add_merge(std::string_view left, std::string_view right, std::uint32_t rank, const Vocabulary& vocabulary);
    const Merge* find(std::uint32_t left, std::uint32_t right) const noexcept;
    std::optional<std::uint32_t> whole_word(std::string_view word, const Vocabulary& vocabulary) const;
    void cut(std::string_view word, const Vocabulary& vocabulary, std::vector<Unit>& units) const;
    void cut_chars(std::string_view word, const Vocabulary& vocabulary, std::vector<Unit>& units) const;
    void merge_short(Scratch& scratch) const;
    void merge_long(Scratch& scratch) const;

    std::uint64_t number_ = 0;  // Of this Bpe among all of the process: the owner of its cache entries.
    bool bytes_ = false;
    bool fuse_unknown_ = false;
    bool byte_fallback_ = false;
    bool ignore_merges_ = false;
    std::uint32_t unknown_ = kNone;
    std::array<std::uint32_t, 256>
        byte_ids_{};  // By byte: its unit, or with byte_fallback its token; kNone where there is none.
    std::vector<Merge> merges_;
};

/// GPT-2's character for a byte: itself where it is printable, else one from U+0100 on.
char32_t byte_character(unsigned char byte) noexcept;

}  // namespace tidegate::model
