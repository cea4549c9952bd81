// From the tokens of one text or two to an Encoding: offsets in characters, spaces, cutting, special tokens, padding.

#include <algorithm>

#include "base/utf8.h"
#include "model/text/tokenizer_parts.h"
#include "model/text/unicode.h"

namespace tidegate::model::text_detail {
namespace {

template <class T>
void keep(std::vector<T>& list, std::size_t count, bool from_left) {
    if (list.size() <= count) return;
    if (from_left) list.erase(list.begin(), list.end() - static_cast<std::ptrdiff_t>(count));
    list.resize(count);
}

// GPT-2's sign for a space, or white space itself.
bool is_space(char32_t c) {
    return c == 0x120 || unicode::table().is(c, unicode::kSpace);
}

std::uint32_t spaces_before(std::string_view text) {
    std::uint32_t count = 0;
    for (std::size_t at = 0; at < text.size() && is_space(unicode::next(text, at));) ++count;
    return count;
}

std::uint32_t spaces_behind(std::string_view text) {
    std::uint32_t count = 0;
    for (std::size_t end = text.size(); end > 0; ++count) {
        std::size_t lead = end - 1;
        while (lead > 0 && unicode::is_continuation(text[lead])) --lead;
        std::size_t at = lead;
        if (!is_space(unicode::next(text, at))) break;
        end = lead;
    }
    return count;
}

void trim(Range& range, std::uint32_t before, std::uint32_t behind) {
    range.begin = std::min(range.begin + before, range.end);
    if (behind > 0 && range.end >= behind) range.end = std::max(range.end - behind, range.begin);
}

}  // namespace

void TextTokens::clear() noexcept {
    ids.clear();
    offsets.clear();
    char_offsets.clear();
    words.clear();
    stripped.clear();
}

void TextTokens::cut(std::size_t count, bool from_left) {
    const std::size_t gone = ids.size() - std::min(ids.size(), count);
    keep(ids, count, from_left);
    keep(offsets, count, from_left);
    keep(char_offsets, count, from_left);
    keep(words, count, from_left);
    if (!from_left) return;
    std::erase_if(stripped, [&](const Stripped& one) { return one.at < gone; });
    for (Stripped& one : stripped) one.at -= static_cast<std::uint32_t>(gone);
}

void fill_char_offsets(std::string_view text, bool is_ascii, std::vector<std::uint32_t>& index, TextTokens& tokens) {
    tokens.char_offsets.assign(tokens.offsets.begin(), tokens.offsets.end());
    if (is_ascii) return;
    index.resize(text.size());
    std::uint32_t chars = 0;
    for (std::size_t at = 0; at < text.size(); ++at) {
        if (at > 0 && !unicode::is_continuation(text[at])) ++chars;
        index[at] = chars;
    }
    for (Range& range : tokens.char_offsets) {
        // What begins behind the end stays in bytes, as in the Python package.
        if (range.begin >= text.size()) continue;
        const std::uint32_t begin = index[range.begin];
        const std::uint32_t last = range.end > 0 && range.end <= text.size() ? index[range.end - 1] : begin;
        range = {begin, range.end < text.size() ? index[range.end] : last + 1};
    }
}

void trim_offsets(std::string_view text, const Vocabulary& vocabulary, bool keeps_first, TextTokens& tokens) {
    std::size_t next = 0;
    for (std::size_t i = 0; i < tokens.ids.size(); ++i) {
        std::string_view name = vocabulary.token(tokens.ids[i]);
        while (next < tokens.stripped.size() && tokens.stripped[next].at < i) ++next;
        if (next < tokens.stripped.size() && tokens.stripped[next].at == i) {
            const Range source = tokens.stripped[next].source;
            name = text.substr(source.begin, source.end - source.begin);
        }
        std::uint32_t before = spaces_before(name);
        const std::uint32_t behind = spaces_behind(name);
        if (before == 0 && behind == 0) continue;
        // A single space at the start was put in; more of them stand in the text.
        if (keeps_first && before == 1 && (i == 0 || tokens.char_offsets[i].begin == 0)) before = 0;
        trim(tokens.char_offsets[i], before, behind);
        trim(tokens.offsets[i], before, behind);
    }
}

Result<bool> truncate(const Truncation& how, std::size_t limit, TextTokens& first, TextTokens* second) {
    std::size_t a = first.ids.size();
    std::size_t b = second == nullptr ? 0 : second->ids.size();
    if (a + b <= limit) return false;
    const std::size_t surplus = a + b - limit;
    if (second == nullptr && how.strategy != Truncation::Strategy::kOnlySecond) {
        first.cut(limit, how.from_left);
        return true;
    }
    if (how.strategy != Truncation::Strategy::kLongestFirst) {
        TextTokens* const target = how.strategy == Truncation::Strategy::kOnlyFirst ? &first : second;
        if (target == nullptr)
            return fail(ErrorCode::kInvalidArgument, "the tokenizer cuts the second text only, and there is none");
        if (target->ids.size() <= surplus)
            return fail(ErrorCode::kInvalidArgument, "the text that may be cut is too short for the limit");
        target->cut(target->ids.size() - surplus, how.from_left);
        return true;
    }
    // The shorter text is spared as long as the longer one alone can give way.
    const bool is_swapped = a > b;
    if (is_swapped) std::swap(a, b);
    b = a > limit ? a : std::max(a, limit - a);
    if (a + b > limit) {
        a = limit / 2;
        b = a + limit % 2;
    }
    if (is_swapped) std::swap(a, b);
    first.cut(a, how.from_left);
    second->cut(b, how.from_left);
    return true;
}

void assemble(const PostProcessor::Template& form, const EncodeOptions& options, const std::array<TextTokens, 2>& texts,
              Encoding& out) {
    using Kind = PostProcessor::Part::Kind;
    for (const PostProcessor::Part& part : form) {
        if (part.kind == Kind::kSpecial) {
            if (!options.add_special_tokens) continue;
            out.ids.push_back(part.id);
            out.type_ids.push_back(part.type_id);
            out.special_mask.push_back(1);
            if (!options.with_offsets) continue;
            out.offsets.push_back({});
            out.char_offsets.push_back({});
            out.words.push_back(Encoding::kNoWord);
            continue;
        }
        const TextTokens& text = texts[part.kind == Kind::kFirst ? 0 : 1];
        out.ids.insert(out.ids.end(), text.ids.begin(), text.ids.end());
        out.type_ids.insert(out.type_ids.end(), text.ids.size(), part.type_id);
        out.special_mask.insert(out.special_mask.end(), text.ids.size(), 0);
        out.offsets.insert(out.offsets.end(), text.offsets.begin(), text.offsets.end());
        out.char_offsets.insert(out.char_offsets.end(), text.char_offsets.begin(), text.char_offsets.end());
        out.words.insert(out.words.end(), text.words.begin(), text.words.end());
    }
    out.attention_mask.assign(out.ids.size(), 1);
}

void pad(const Padding& how, bool with_offsets, Encoding& out) {
    std::size_t size = how.fixed == 0 ? out.size() : how.fixed;
    size = (size + how.multiple - 1) / how.multiple * how.multiple;
    if (size <= out.size()) return;
    const std::size_t count = size - out.size();
    const auto fill = [&](auto& list, auto value) {
        list.insert(how.on_left ? list.begin() : list.end(), count, value);
    };
    fill(out.ids, how.id);
    fill(out.type_ids, how.type_id);
    fill(out.attention_mask, std::uint8_t{0});
    fill(out.special_mask, std::uint8_t{1});
    if (!with_offsets) return;
    fill(out.offsets, Range{});
    fill(out.char_offsets, Range{});
    fill(out.words, Encoding::kNoWord);
}

}  // namespace tidegate::model::text_detail
