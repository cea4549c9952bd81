#include "services/provenance/text/lexicon.h"

#include <array>

namespace tidegate::provenance::text {
namespace {

// Articles, pronouns, prepositions, conjunctions, auxiliaries, particles, frequent adverbs and quantifiers.
constexpr auto kWords = std::to_array<std::string_view>({
    "the",
    "a",
    "an",
    "this",
    "that",
    "these",
    "those",
    "some",
    "any",
    "no",
    "every",
    "each",
    "all",
    "both",
    "either",
    "neither",
    "another",
    "other",
    "such",
    "what",
    "which",
    "whose",
    "much",
    "many",
    "more",
    "most",
    "few",
    "less",
    "least",
    "several",
    "enough",
    "half",
    "i",
    "me",
    "my",
    "mine",
    "myself",
    "you",
    "your",
    "yours",
    "yourself",
    "he",
    "him",
    "his",
    "himself",
    "she",
    "her",
    "hers",
    "herself",
    "it",
    "its",
    "itself",
    "we",
    "us",
    "our",
    "ours",
    "ourselves",
    "they",
    "them",
    "their",
    "theirs",
    "themselves",
    "one",
    "someone",
    "something",
    "anyone",
    "anything",
    "everyone",
    "everything",
    "nobody",
    "nothing",
    "who",
    "whom",
    "of",
    "in",
    "to",
    "for",
    "with",
    "on",
    "at",
    "by",
    "from",
    "about",
    "into",
    "over",
    "after",
    "before",
    "between",
    "under",
    "through",
    "during",
    "without",
    "within",
    "along",
    "across",
    "behind",
    "beyond",
    "against",
    "among",
    "around",
    "above",
    "below",
    "near",
    "off",
    "out",
    "up",
    "down",
    "upon",
    "toward",
    "towards",
    "onto",
    "beneath",
    "amidst",
    "despite",
    "per",
    "via",
    "like",
    "unlike",
    "except",
    "since",
    "until",
    "and",
    "or",
    "but",
    "nor",
    "so",
    "yet",
    "if",
    "because",
    "although",
    "though",
    "while",
    "whereas",
    "unless",
    "whether",
    "as",
    "than",
    "when",
    "where",
    "why",
    "how",
    "once",
    "then",
    "be",
    "am",
    "is",
    "are",
    "was",
    "were",
    "been",
    "being",
    "have",
    "has",
    "had",
    "having",
    "do",
    "does",
    "did",
    "doing",
    "done",
    "will",
    "would",
    "shall",
    "should",
    "can",
    "could",
    "may",
    "might",
    "must",
    "ought",
    "not",
    "n't",
    "never",
    "ever",
    "always",
    "often",
    "sometimes",
    "usually",
    "again",
    "still",
    "already",
    "just",
    "only",
    "even",
    "also",
    "too",
    "very",
    "really",
    "quite",
    "rather",
    "pretty",
    "almost",
    "perhaps",
    "maybe",
    "actually",
    "probably",
    "however",
    "therefore",
    "thus",
    "hence",
    "moreover",
    "furthermore",
    "additionally",
    "overall",
    "finally",
    "instead",
    "otherwise",
    "meanwhile",
    "indeed",
    "here",
    "there",
    "now",
    "today",
    "soon",
    "later",
    "well",
    "back",
    "away",
    "together",
    "both",
    "first",
    "second",
    "last",
    "next",
    "own",
    "same",
    "new",
    "old",
    "good",
    "great",
    "little",
    "big",
    "get",
    "got",
    "getting",
    "go",
    "going",
    "went",
    "gone",
    "come",
    "came",
    "make",
    "made",
    "take",
    "took",
    "said",
    "say",
    "says",
    "know",
    "think",
    "see",
    "want",
    "way",
    "thing",
    "things",
    "lot",
    "i'm",
    "i've",
    "i'd",
    "i'll",
    "it's",
    "that's",
    "there's",
    "don't",
    "didn't",
    "can't",
    "couldn't",
    "won't",
    "wouldn't",
    "isn't",
    "wasn't",
    "aren't",
    "weren't",
    "doesn't",
    "haven't",
    "hasn't",
    "hadn't",
    "you're",
    "you've",
    "you'll",
    "you'd",
    "he's",
    "he'd",
    "she's",
    "she'd",
    "we're",
    "we've",
    "we'll",
    "they're",
    "they've",
    "let's",
    "what's",
    "who's",
    "two",
    "three",
    "ok",
    "okay",
    "yes",
    "yeah",
    "oh",
    "etc",
    "while",
    "throughout",
    "particularly",
    "especially",
    "specifically",
    "including",
    "due",
    "according",
    "based",
    "using",
    "used",
    "use",
    "both",
    "ultimately",
    "essentially",
    "significantly",
    "importantly",
    "consequently",
    "nevertheless",
    "nonetheless",
    "besides",
    "anyway",
    "basically",
    "literally",
    "totally",
    "definitely",
    "absolutely",
    "simply",
    "truly",
    "deeply",
    "highly",
    "increasingly",
    "further",
    "various",
    "numerous",
    "certain",
    "different",
    "important",
    "crucial",
    "able",
    "need",
    "needs",
    "make",
    "makes",
    "help",
    "helps",
    "because",
    "kind",
    "sort",
    "stuff",
    "guy",
    "people",
    "person",
    "time",
    "day",
    "year",
    "years",
    "life",
    "world",
});

// Ids by hash. The places hold ids only, and so few bytes that they stay near the core beside the tables of a text.
class Table {
  public:
    constexpr Table() {
        for (std::size_t i = 0; i < kWords.size(); ++i) {
            const std::uint64_t hash = word_hash(kWords[i]);
            std::size_t at = index(hash);
            while (ids_[at] != kNotFunctionWord && hashes_[ids_[at]] != hash) at = (at + 1) % ids_.size();
            // A word listed twice keeps its first id.
            if (ids_[at] != kNotFunctionWord) continue;
            ids_[at] = static_cast<std::uint16_t>(i + 1);
            hashes_[i + 1] = hash;
        }
    }

    constexpr std::uint16_t find(std::uint64_t hash) const noexcept {
        std::size_t at = index(hash);
        while (ids_[at] != kNotFunctionWord && hashes_[ids_[at]] != hash) at = (at + 1) % ids_.size();
        return ids_[at];
    }

  private:
    // Fibonacci hashing, as for grams.
    static constexpr std::size_t index(std::uint64_t hash) noexcept { return (hash * 0x9E3779B97F4A7C15ULL) >> 53U; }
    std::array<std::uint16_t, 2048> ids_{};  // About four places a word.
    std::array<std::uint64_t, kWords.size() + 1> hashes_{};
};
static_assert(kWords.size() < 1024);
constexpr Table kTable;

struct Ending {
    std::string_view text;
    std::uint16_t shape;
};

// Longest first where one ends another.
constexpr auto kEndings = std::to_array<Ending>({
    {"ations", 1}, {"ation", 1}, {"tions", 1}, {"tion", 1}, {"sion", 1},  {"ments", 2}, {"ment", 2}, {"ness", 3},
    {"ities", 3},  {"ity", 3},   {"ance", 4},  {"ence", 4}, {"ingly", 5}, {"ly", 5},    {"ings", 6}, {"ing", 6},
    {"ied", 7},    {"ed", 7},    {"ous", 8},   {"ive", 8},  {"ful", 8},   {"less", 8},  {"ical", 9}, {"ic", 9},
    {"al", 9},     {"able", 10}, {"ible", 10}, {"ers", 11}, {"ors", 11},  {"er", 11},   {"or", 11},  {"est", 12},
    {"ize", 13},   {"ise", 13},  {"ies", 14},  {"'s", 15},  {"s", 14},
});

// The endings by their last character, in the order above, as bytes of a word's tail.
struct EndingTable {
    struct Row {
        std::uint64_t tail = 0;
        std::uint64_t mask = 0;
        std::uint16_t length_min = 0;
        std::uint16_t shape = 0;
    };
    std::array<Row, kEndings.size()> rows{};
    std::array<std::uint8_t, 257> first{};  // Of each last character; its rows end where the next one's begin.

    constexpr EndingTable() {
        std::size_t count = 0;
        for (std::size_t last = 0; last < 256; ++last) {
            first[last] = static_cast<std::uint8_t>(count);
            for (const Ending& ending : kEndings) {
                if (static_cast<unsigned char>(ending.text.back()) != last) continue;
                // Two letters of stem at least: "bed" and "sing" have no ending.
                Row& row = rows[count++];
                row = {.length_min = static_cast<std::uint16_t>(ending.text.size() + 2), .shape = ending.shape};
                for (const char c : ending.text) {
                    row.tail = word_tail_step(row.tail, c);
                    row.mask = row.mask << 8U | 0xFFU;
                }
            }
        }
        first[256] = static_cast<std::uint8_t>(count);
    }
};
constexpr EndingTable kEndingTable;

}  // namespace

std::uint16_t function_word_id(std::uint64_t hash) noexcept {
    return kTable.find(hash);
}

std::span<const std::string_view> function_words() noexcept {
    return kWords;
}

std::uint16_t word_shape(std::uint64_t tail, std::size_t length) noexcept {
    const std::size_t last = tail & 0xFFU;
    for (std::size_t i = kEndingTable.first[last]; i < kEndingTable.first[last + 1]; ++i) {
        const EndingTable::Row& row = kEndingTable.rows[i];
        if ((tail & row.mask) == row.tail && length >= row.length_min) return row.shape;
    }
    return 0;
}

std::uint16_t word_shape(std::string_view lower) noexcept {
    std::uint64_t tail = 0;
    for (const char c : lower) tail = word_tail_step(tail, c);
    return word_shape(tail, lower.size());
}

}  // namespace tidegate::provenance::text
