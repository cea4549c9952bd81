#include "model/text/word_piece.h"

#include <utility>

#include "base/utf8.h"
#include "model/text/members.h"

namespace tidegate::model {

Result<WordPiece> WordPiece::parse(json::Value model, const Vocabulary& vocabulary) {
    const text_detail::Members members(model, "model \"WordPiece\"");
    TG_CHECK(members.only({"type", "vocab", "unk_token", "continuing_subword_prefix", "max_input_chars_per_word"}));
    TG_TRY(const std::string unknown, members.text("unk_token"));
    TG_TRY(const std::string prefix, members.text("continuing_subword_prefix"));
    WordPiece made;
    TG_TRY(made.chars_max_, members.number("max_input_chars_per_word", 1'000'000));
    const auto id = vocabulary.id(unknown);
    if (!id) return members.wrong("the unk_token is not in the vocabulary");
    made.unknown_ = *id;
    std::vector<ByteTrie::Key> keys;
    keys.reserve(vocabulary.size());
    for (std::uint32_t i = 0; i < vocabulary.ids(); ++i) {
        if (const std::string_view token = vocabulary.token(i); !token.empty()) keys.emplace_back(token, i);
    }
    made.trie_.build(std::move(keys));
    made.inside_ = made.trie_.walk(prefix);
    return made;
}

void WordPiece::tokenize(std::string_view word, std::vector<WordToken>& out) const {
    const std::size_t before = out.size();
    const auto size = static_cast<std::uint32_t>(word.size());
    std::uint32_t begin = 0;
    // Bytes are never fewer than characters, so most words need no count.
    if (size <= chars_max_ || utf8::length(word) <= chars_max_) {
        while (begin < size) {
            const std::uint32_t from = begin == 0 ? ByteTrie::kRoot : inside_;
            if (from == ByteTrie::kNowhere) break;
            const ByteTrie::Match match = trie_.longest(word.substr(begin), from);
            if (match.length == 0) break;
            out.push_back({match.value, begin, begin + match.length});
            begin += match.length;
        }
        if (begin == size) return;
    }
    out.resize(before);
    out.push_back({unknown_, 0, size});
}

}  // namespace tidegate::model
