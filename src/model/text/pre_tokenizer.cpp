#include "model/text/pre_tokenizer.h"

#include <algorithm>
#include <array>
#include <utility>

#include "model/text/members.h"
#include "model/text/unicode.h"

namespace tidegate::model {
namespace {

using text_detail::Members;
using unicode::table;

constexpr int kPreTokenizerDepthMax = 4;
constexpr std::size_t kPreTokenizersMax = 32;

// Flags of the character at `at`, which is moved past it.
std::uint16_t look(std::string_view text, std::size_t& at) {
    return table().flags(unicode::next(text, at));
}

}  // namespace

Result<PreTokenizer> PreTokenizer::parse(json::Value value) {
    PreTokenizer made;
    if (value.kind() == json::Kind::kNull) return made;
    TG_CHECK(made.add(value, 0));
    for (const Step& step : made.steps_) {
        if (step.kind == Kind::kByteLevel && &step != &made.steps_.back()) {
            return text_detail::wrong_tokenizer("pre_tokenizer \"ByteLevel\" is known as the last step only");
        }
    }
    made.is_byte_level_ = !made.steps_.empty() && made.steps_.back().kind == Kind::kByteLevel;
    return made;
}

Result<void> PreTokenizer::add(json::Value value, int depth) {
    TG_TRY(const std::string type, text_detail::component_type(value, "pre_tokenizer"));
    if (type != "Sequence") {
        if (steps_.size() == kPreTokenizersMax) return text_detail::wrong_tokenizer("more than 32 pre_tokenizers");
        TG_TRY(Step step, read_step(value, type));
        steps_.push_back(std::move(step));
        return {};
    }
    const Members members(value, "pre_tokenizer \"Sequence\"");
    if (depth == kPreTokenizerDepthMax) return members.wrong("too many sequences within each other");
    TG_CHECK(members.only({"type", "pretokenizers"}));
    TG_TRY(const json::Value list, members.array("pretokenizers"));
    Result<void> done;
    list.each([&](json::Value one) {
        if (done) done = add(one, depth + 1);
    });
    return done;
}

Result<PreTokenizer::Behaviour> PreTokenizer::read_behaviour(json::Value value, const std::string& where) {
    const Members members(value, where);
    TG_TRY(const std::string name, members.text("behavior"));
    constexpr std::array<std::pair<std::string_view, Behaviour>, 5> kNames{
        {{"Removed", Behaviour::kRemoved},
         {"Isolated", Behaviour::kIsolated},
         {"MergedWithPrevious", Behaviour::kMergedWithPrevious},
         {"MergedWithNext", Behaviour::kMergedWithNext},
         {"Contiguous", Behaviour::kContiguous}}};
    for (const auto& [known, behaviour] : kNames) {
        if (name == known) return behaviour;
    }
    return members.wrong("the behavior \"" + name.substr(0, 60) + "\" is not known");
}

Result<PreTokenizer::Step> PreTokenizer::read_step(json::Value value, const std::string& type) {
    const Members members(value, "pre_tokenizer \"" + type.substr(0, 60) + "\"");
    Step step;
    constexpr std::array<std::pair<std::string_view, Kind>, 3> kPlain{{{"BertPreTokenizer", Kind::kBert},
                                                                       {"Whitespace", Kind::kWhitespace},
                                                                       {"WhitespaceSplit", Kind::kWhitespaceSplit}}};
    for (const auto& [name, kind] : kPlain) {
        if (type != name) continue;
        TG_CHECK(members.only({"type"}));
        step.kind = kind;
        return step;
    }
    if (type == "ByteLevel") {
        TG_CHECK(members.only({"type", "add_prefix_space", "trim_offsets", "use_regex"}));
        step.kind = Kind::kByteLevel;
        TG_TRY(step.space, members.flag("add_prefix_space", true));
        TG_TRY(step.cut, members.flag("use_regex", true));
        return step;
    }
    if (type == "Punctuation") {
        TG_CHECK(members.only({"type", "behavior"}));
        step.kind = Kind::kPunctuation;
        if (!members.is_absent("behavior")) {
            TG_TRY(step.behaviour, read_behaviour(value, members.where()));
        }
        return step;
    }
    if (type == "Digits") {
        TG_CHECK(members.only({"type", "individual_digits"}));
        step.kind = Kind::kDigits;
        TG_TRY(step.single, members.flag("individual_digits", false));
        step.behaviour = step.single ? Behaviour::kIsolated : Behaviour::kContiguous;
        return step;
    }
    if (type == "Split") {
        TG_CHECK(members.only({"type", "pattern", "behavior", "invert"}));
        step.kind = Kind::kSplit;
        TG_TRY(step.behaviour, read_behaviour(value, members.where()));
        TG_TRY(step.invert, members.flag("invert", false));
        TG_TRY(const json::Value pattern, members.object("pattern"));
        TG_TRY(step.pattern, Pattern::parse(pattern, members.where()));
        return step;
    }
    if (type != "Metaspace")
        return text_detail::wrong_tokenizer("the pre_tokenizer \"" + type.substr(0, 60) + "\" is not known");
    TG_CHECK(members.only({"type", "replacement", "prepend_scheme", "split", "add_prefix_space", "str_rep"}));
    step.kind = Kind::kMetaspace;
    step.behaviour = Behaviour::kMergedWithNext;
    TG_TRY(step.sign, members.text("replacement"));
    // Files written before 2024 have add_prefix_space instead.
    TG_TRY(const bool adds_space, members.flag("add_prefix_space", true));
    std::string scheme = adds_space ? "always" : "never";
    if (!members.is_absent("prepend_scheme")) {
        TG_TRY(scheme, members.text("prepend_scheme"));
    }
    TG_TRY(step.cut, members.flag("split", true));
    std::size_t at = 0;
    if (!step.sign.empty()) unicode::next(step.sign, at);
    if (step.sign.empty() || at != step.sign.size()) return members.wrong("the replacement is not one character");
    if (scheme != "always" && scheme != "first" && scheme != "never")
        return members.wrong("the prepend_scheme is not known");
    step.prepend = scheme == "always" ? Prepend::kAlways : scheme == "first" ? Prepend::kFirst : Prepend::kNever;
    step.pattern = Pattern::literal(step.sign);
    return step;
}

Result<void> PreTokenizer::apply(AlignedText& text, Scratch& scratch) const {
    scratch.words.clear();
    if (text.view().empty()) return {};
    scratch.words.push_back({0, static_cast<std::uint32_t>(text.view().size())});
    for (const Step& step : steps_) {
        if (step.kind == Kind::kMetaspace || (step.kind == Kind::kByteLevel && step.space))
            rewrite(step, text, scratch);
        if ((step.kind == Kind::kMetaspace || step.kind == Kind::kByteLevel) && !step.cut) continue;
        std::swap(scratch.before, scratch.words);
        scratch.words.clear();
        for (const Range range : scratch.before) {
            switch (step.kind) {
                case Kind::kBert:
                    bert(text.view(), range, scratch.words);
                    break;
                case Kind::kWhitespace:
                    whitespace(text.view(), range, scratch.words);
                    break;
                case Kind::kWhitespaceSplit:
                    whitespace_split(text.view(), range, scratch.words);
                    break;
                case Kind::kByteLevel:
                    split_gpt2(text.view(), range, scratch.words);
                    break;
                default:
                    TG_CHECK(split(step, text.view(), range, scratch));
            }
        }
    }
    return {};
}

void PreTokenizer::bert(std::string_view text, Range range, std::vector<Range>& words) {
    enum : std::uint8_t { kInWord, kGap, kAlone };
    static const std::array<std::uint8_t, 128> kAscii = [] {
        std::array<std::uint8_t, 128> made{};
        for (unsigned c = 0; c < 128; ++c) {
            made[c] = table().is(c, unicode::kSpace) ? kGap : table().is(c, unicode::kPunctuation) ? kAlone : kInWord;
        }
        return made;
    }();
    std::uint32_t word = range.begin;
    for (std::uint32_t at = range.begin; at < range.end;) {
        const std::uint32_t begin = at;
        const auto lead = static_cast<unsigned char>(text[at]);
        std::uint8_t kind = kInWord;
        if (lead < 0x80) {
            ++at;
            kind = kAscii[lead];
        } else {
            std::size_t after = at;
            const std::uint16_t flags = look(text, after);
            at = static_cast<std::uint32_t>(after);
            if ((flags & unicode::kSpace) != 0) {
                kind = kGap;
            } else if ((flags & unicode::kPunctuation) != 0) {
                kind = kAlone;
            }
        }
        if (kind == kInWord) continue;
        if (word < begin) words.push_back({word, begin});
        if (kind == kAlone) words.push_back({begin, at});
        word = at;
    }
    if (word < range.end) words.push_back({word, range.end});
}

// The expression \w+|[^\w\s]+.
void PreTokenizer::whitespace(std::string_view text, Range range, std::vector<Range>& words) {
    enum : std::uint8_t { kGap, kWord, kSigns };
    std::uint8_t last = kGap;
    for (std::size_t at = range.begin; at < range.end;) {
        const auto begin = static_cast<std::uint32_t>(at);
        const std::uint16_t flags = look(text, at);
        const std::uint8_t kind = (flags & unicode::kWord) != 0    ? kWord
                                  : (flags & unicode::kSpace) != 0 ? kGap
                                                                   : kSigns;
        if (kind != kGap && kind == last) {
            words.back().end = static_cast<std::uint32_t>(at);
        } else if (kind != kGap) {
            words.push_back({begin, static_cast<std::uint32_t>(at)});
        }
        last = kind;
    }
}

void PreTokenizer::whitespace_split(std::string_view text, Range range, std::vector<Range>& words) {
    bool is_in_word = false;
    for (std::size_t at = range.begin; at < range.end;) {
        const auto begin = static_cast<std::uint32_t>(at);
        const bool is_gap = (look(text, at) & unicode::kSpace) != 0;
        if (!is_gap && is_in_word) words.back().end = static_cast<std::uint32_t>(at);
        if (!is_gap && !is_in_word) words.push_back({begin, static_cast<std::uint32_t>(at)});
        is_in_word = !is_gap;
    }
}

// Each word anew, with what is put before it.
void PreTokenizer::rewrite(const Step& step, AlignedText& text, Scratch& scratch) {
    const bool is_metaspace = step.kind == Kind::kMetaspace;
    const std::string_view sign = is_metaspace ? std::string_view(step.sign) : " ";
    const std::string_view view = text.view();
    text.start();
    for (Range& word : scratch.words) {
        const auto begin = static_cast<std::uint32_t>(text.put_size());
        const std::string_view old = view.substr(word.begin, word.end - word.begin);
        const bool has_sign = old.starts_with(sign) || (is_metaspace && old.starts_with(' '));
        const bool is_wanted = !is_metaspace || step.prepend == Prepend::kAlways ||
                               (step.prepend == Prepend::kFirst && text.source(word.begin, word.begin + 1).begin == 0);
        if (is_wanted && !has_sign) text.put(sign, text.source(word.begin, word.begin + 1));
        std::size_t done = word.begin;
        for (std::size_t at = word.begin; is_metaspace && at < word.end; ++at) {
            if (view[at] != ' ') continue;
            text.keep(done, at);
            text.put(sign, text.source(at, at + 1));
            done = at + 1;
        }
        text.keep(done, word.end);
        word = {begin, static_cast<std::uint32_t>(text.put_size())};
    }
    text.finish();
}

void PreTokenizer::find_chars(const Step& step, std::string_view text, std::vector<Range>& matches) {
    const std::uint16_t wanted = step.kind == Kind::kDigits ? unicode::kNumber : unicode::kPunctuation;
    for (std::size_t at = 0; at < text.size();) {
        const auto begin = static_cast<std::uint32_t>(at);
        if ((look(text, at) & wanted) != 0) matches.push_back({begin, static_cast<std::uint32_t>(at)});
    }
}

Result<void> PreTokenizer::split(const Step& step, std::string_view text, Range range, Scratch& scratch) {
    const std::string_view view = text.substr(range.begin, range.end - range.begin);
    scratch.matches.clear();
    if (step.pattern) {
        TG_CHECK(step.pattern->find(view, scratch.matches));
    } else {
        find_chars(step, view, scratch.matches);
    }
    scratch.pieces.clear();
    scratch.is_match.clear();
    const auto add = [&](std::uint32_t begin, std::uint32_t end, bool is_match) {
        scratch.pieces.push_back({begin, end});
        scratch.is_match.push_back(is_match != step.invert);
    };
    std::uint32_t done = 0;
    for (const Range match : scratch.matches) {
        if (done < match.begin) add(done, match.begin, false);
        add(match.begin, match.end, true);
        done = match.end;
    }
    if (done < view.size()) add(done, static_cast<std::uint32_t>(view.size()), false);
    deliver(step.behaviour, range, scratch);
    return {};
}

void PreTokenizer::deliver(Behaviour behaviour, Range range, Scratch& scratch) {
    std::vector<Range>& pieces = scratch.pieces;
    const auto& is_match = scratch.is_match;
    const std::size_t count = pieces.size();
    const std::size_t first = scratch.words.size();
    std::vector<Range>& out = scratch.words;
    if (behaviour == Behaviour::kMergedWithNext) {
        // From the back: a match joins what stands behind it, unless that is a match too.
        for (std::size_t i = count; i-- > 0;) {
            const bool joins = is_match[i] && (i + 1 == count || !is_match[i + 1]);
            if (joins && out.size() > first) {
                out.back().begin = pieces[i].begin;
            } else {
                out.push_back(pieces[i]);
            }
        }
        std::reverse(out.begin() + static_cast<std::ptrdiff_t>(first), out.end());
    }
    for (std::size_t i = 0; i < count && behaviour != Behaviour::kMergedWithNext; ++i) {
        if (behaviour == Behaviour::kRemoved && is_match[i]) continue;
        const bool follows = behaviour == Behaviour::kContiguous && i > 0 && is_match[i] == is_match[i - 1];
        const bool joins = behaviour == Behaviour::kMergedWithPrevious && is_match[i] && (i == 0 || !is_match[i - 1]);
        if ((follows || joins) && out.size() > first) {
            out.back().end = pieces[i].end;
        } else {
            out.push_back(pieces[i]);
        }
    }
    const auto is_empty = [](const Range& word) { return word.begin == word.end; };
    out.erase(std::remove_if(out.begin() + static_cast<std::ptrdiff_t>(first), out.end(), is_empty), out.end());
    for (std::size_t i = first; i < out.size(); ++i) out[i] = {out[i].begin + range.begin, out[i].end + range.begin};
}

}  // namespace tidegate::model
