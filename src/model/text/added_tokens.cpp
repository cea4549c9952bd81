#include "model/text/added_tokens.h"

#include <algorithm>
#include <utility>

#include "model/text/members.h"
#include "model/text/unicode.h"

namespace tidegate::model {
namespace {

using unicode::table;

constexpr std::size_t kTokensMax = 65'536;
constexpr std::size_t kTokenBytesMax = 1'024;  // Bytes.

// The start of the last character before `at`.
std::size_t before(std::string_view text, std::size_t at) {
    --at;
    while (at > 0 && unicode::is_continuation(text[at])) --at;
    return at;
}

bool is_at(std::string_view text, std::size_t at, std::uint16_t flags) {
    return table().is(unicode::next(text, at), flags);
}

}  // namespace

Result<AddedToken> AddedTokens::read_token(json::Value value) {
    if (value.kind() != json::Kind::kObject) return text_detail::wrong_tokenizer("an added token is no object");
    const text_detail::Members members(value, "added_tokens");
    TG_CHECK(members.only({"id", "content", "single_word", "lstrip", "rstrip", "normalized", "special"}));
    AddedToken made;
    TG_TRY(made.id, members.number("id", Vocabulary::kIdMax - 1));
    TG_TRY(made.content, members.text("content"));
    TG_TRY(made.is_special, members.flag("special", false));
    TG_TRY(made.is_single_word, members.flag("single_word", false));
    TG_TRY(made.strips_left, members.flag("lstrip", false));
    TG_TRY(made.strips_right, members.flag("rstrip", false));
    TG_TRY(made.is_normalized, members.flag("normalized", !made.is_special));
    if (made.content.empty() || made.content.size() > kTokenBytesMax)
        return members.wrong("a content is empty or longer than 1,024 bytes");
    return made;
}

Result<AddedTokens> AddedTokens::parse(json::Value list, const Normalizer& normalizer, Vocabulary& vocabulary) {
    AddedTokens made;
    if (list.kind() == json::Kind::kNull) return made;
    if (list.kind() != json::Kind::kArray) return text_detail::wrong_tokenizer("added_tokens is no array");
    if (list.size() > kTokensMax) return text_detail::wrong_tokenizer("more than 65536 added tokens");
    Result<void> done;
    list.each([&](json::Value value) {
        if (!done) return;
        auto token = read_token(value);
        if (!token) return void(done = std::unexpected(std::move(token).error()));
        const auto known = vocabulary.id(token->content);
        const bool is_right = known ? *known == token->id : vocabulary.add(token->content, token->id);
        if (!is_right) {
            done = text_detail::wrong_tokenizer("added_tokens: the id " + std::to_string(token->id) +
                                                " is another's, or its token has another id");
            return;
        }
        made.tokens_.push_back(std::move(*token));
    });
    TG_CHECK(done);
    TG_CHECK(made.make_finders(normalizer));
    return made;
}

Result<void> AddedTokens::make_finders(const Normalizer& normalizer) {
    std::vector<std::string> contents(tokens_.size());
    std::vector<ByteTrie::Key> plain;
    std::vector<ByteTrie::Key> normal;
    Normalizer::Scratch scratch;
    AlignedText text;
    for (std::size_t i = 0; i < tokens_.size(); ++i) {
        const AddedToken& token = tokens_[i];
        contents[i] = token.content;
        if (token.is_normalized) {
            text.assign(token.content, 0);
            TG_CHECK(normalizer.apply(text, scratch));
            contents[i] = text.view();
            if (contents[i].empty()) continue;
        }
        Finder& finder = token.is_normalized ? normal_ : plain_;
        finder.begins[static_cast<unsigned char>(contents[i].front())] = true;
        finder.is_empty = false;
        (token.is_normalized ? normal : plain).emplace_back(contents[i], static_cast<std::uint32_t>(i));
    }
    plain_.trie.build(std::move(plain));
    normal_.trie.build(std::move(normal));
    has_normalized_ = !normal_.is_empty;
    return {};
}

void AddedTokens::find(std::string_view text, bool normalized, std::vector<Piece>& out) const {
    const Finder& finder = normalized ? normal_ : plain_;
    std::uint32_t done = 0;
    for (std::size_t at = 0; !finder.is_empty && at < text.size();) {
        if (!finder.begins[static_cast<unsigned char>(text[at])]) {
            ++at;
            continue;
        }
        const ByteTrie::Match match = finder.trie.longest(text.substr(at));
        if (match.length == 0) {
            ++at;
            continue;
        }
        const Range range{static_cast<std::uint32_t>(at), static_cast<std::uint32_t>(at + match.length)};
        add_matches(tokens_[match.value], text, range, out, done);
        at += match.length;
    }
    if (done < text.size()) out.push_back({{done, static_cast<std::uint32_t>(text.size())}, nullptr});
}

void AddedTokens::add_matches(const AddedToken& token, std::string_view text, Range match, std::vector<Piece>& out,
                              std::uint32_t& done) {
    if (token.is_single_word) {
        const bool joins_left = match.begin > 0 && is_at(text, before(text, match.begin), unicode::kWord);
        const bool joins_right = match.end < text.size() && is_at(text, match.end, unicode::kWord);
        if (joins_left || joins_right) return;
    }
    // A token before may have taken the spaces that this one begins with.
    std::size_t begin = std::max(match.begin, done);
    while (token.strips_left && begin > done && is_at(text, before(text, begin), unicode::kSpace))
        begin = before(text, begin);
    std::size_t end = std::max(match.end, done);
    while (token.strips_right && end < text.size() && is_at(text, end, unicode::kSpace)) unicode::next(text, end);
    if (begin >= end) return;
    if (done < begin) out.push_back({{done, static_cast<std::uint32_t>(begin)}, nullptr});
    out.push_back({{static_cast<std::uint32_t>(begin), static_cast<std::uint32_t>(end)}, &token});
    done = static_cast<std::uint32_t>(end);
}

}  // namespace tidegate::model
