// A space of meanings learnt from the texts of one tenant: words that keep the same company lie close together.
//
// Algorithm   Latent semantic analysis (Deerwester et al., JASIS 41, 1990): (1 + ln tf) * idf, rows of length 1, truncated SVD (svd.h).
//             A text that came later is folded in: its words' vectors, weighted and added up.
// Guarantee   The same texts in the same order give the same space. Texts of one tenant never shape another's.
// Memory      Words x dimensions x 4 bytes: 60,000 words at most, 60 MB; while it is made kPairsMax and kWordsSeenMax bound the rest.
// Threads     Immutable once made.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "services/content/search/svd.h"
#include "services/content/search/words.h"

namespace tidegate::content {

class LsaSpace {
  public:
    /// Of too many words (`pairs_max`) every second text is left out, or three of four, and so on. Empty: too few texts (`kTextsMin`), none that shares words with another, or `stopped` said so. `next` gives each text once, false
    /// behind the last.
    static std::shared_ptr<const LsaSpace> train(const std::function<bool(std::vector<Word>& words)>& next,
                                                 std::size_t dimensions, const std::function<bool()>& stopped,
                                                 std::size_t pairs_max = kPairsMax);

    std::size_t dimensions() const noexcept { return vectors_.columns; }
    std::size_t words() const noexcept { return vectors_.rows; }
    /// That it was made of.
    std::size_t texts() const noexcept { return texts_; }
    /// Of length 1, `dimensions()` numbers; all zero where no word is known.
    std::vector<float> place(std::span<const Word> words) const;

    /// Below, directions are names of single texts.
    static constexpr std::size_t kTextsMin = 50;
    static constexpr std::size_t kWordsMax = 60'000;
    /// Most words of texts held at a time while it is made, each word of each text once: 8 bytes here and 8 in the matrix, 256 MB in all.
    /// Of more, evenly chosen texts are left out.
    static constexpr std::size_t kPairsMax = 16'000'000;
    /// The same of different words, about 100 bytes each.
    static constexpr std::size_t kWordsSeenMax = 2'000'000;

  private:
    struct Hash {
        using is_transparent = void;
        std::size_t operator()(std::string_view text) const noexcept { return std::hash<std::string_view>{}(text); }
    };
    using Ids = std::unordered_map<std::string, std::uint32_t, Hash, std::equal_to<>>;

    Ids ids_;
    std::vector<float> idf_;
    DenseMatrix vectors_;  // A row for each word.
    std::size_t texts_ = 0;
};

}  // namespace tidegate::content
