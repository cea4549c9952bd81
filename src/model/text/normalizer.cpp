#include "model/text/normalizer.h"

#include <algorithm>
#include <array>
#include <span>
#include <utility>

#include "model/text/members.h"
#include "model/text/unicode.h"

namespace tidegate::model {
namespace {

using text_detail::Members;
using unicode::table;

// A Sequence within a Sequence within ...: no file of the field has more than two.
constexpr int kNormalizerDepthMax = 4;
constexpr std::size_t kNormalizersMax = 32;
constexpr std::size_t kReplacementBytesMax = 64;  // Bytes; more would let a short text grow without bound.

bool is_removed_ascii(unsigned char c) {
    return c == 0x7F || (c < 0x20 && c != '\t' && c != '\n' && c != '\r');
}

bool has_removed_ascii(std::string_view text) {
    bool found = false;
    for (const char c : text) found |= is_removed_ascii(static_cast<unsigned char>(c));
    return found;
}

}  // namespace

Result<Normalizer> Normalizer::parse(json::Value value) {
    Normalizer made;
    if (value.kind() == json::Kind::kNull) return made;
    TG_CHECK(made.add(value, 0));
    return made;
}

Result<void> Normalizer::add(json::Value value, int depth) {
    TG_TRY(const std::string type, text_detail::component_type(value, "normalizer"));
    if (type != "Sequence") {
        if (steps_.size() == kNormalizersMax) return text_detail::wrong_tokenizer("more than 32 normalizers");
        TG_TRY(Step step, read_step(value, type));
        steps_.push_back(std::move(step));
        return {};
    }
    const Members members(value, "normalizer \"Sequence\"");
    if (depth == kNormalizerDepthMax) return members.wrong("too many sequences within each other");
    TG_CHECK(members.only({"type", "normalizers"}));
    TG_TRY(const json::Value list, members.array("normalizers"));
    Result<void> done;
    list.each([&](json::Value one) {
        if (done) done = add(one, depth + 1);
    });
    return done;
}

Result<Normalizer::Step> Normalizer::read_step(json::Value value, const std::string& type) const {
    const Members members(value, "normalizer \"" + type.substr(0, 60) + "\"");
    Step step;
    if (type == "BertNormalizer") {
        TG_CHECK(members.only({"type", "clean_text", "handle_chinese_chars", "strip_accents", "lowercase"}));
        TG_TRY(step.clean, members.flag("clean_text", true));
        TG_TRY(step.ideographs, members.flag("handle_chinese_chars", true));
        TG_TRY(step.lower, members.flag("lowercase", true));
        TG_TRY(step.accents, members.flag("strip_accents", step.lower));
        return step;
    }
    if (type == "NFC" || type == "NFD" || type == "NFKC" || type == "NFKD") {
        TG_CHECK(members.only({"type"}));
        step.kind = Kind::kCanonical;
        step.compatible = type.size() == 4;
        step.composed = type.back() == 'C';
        return step;
    }
    if (type == "Lowercase" || type == "StripAccents") {
        TG_CHECK(members.only({"type"}));
        step.kind = type == "Lowercase" ? Kind::kLower : Kind::kStripAccents;
        return step;
    }
    if (type == "Strip") {
        TG_CHECK(members.only({"type", "strip_left", "strip_right"}));
        step.kind = Kind::kStrip;
        TG_TRY(step.left, members.flag("strip_left", true));
        TG_TRY(step.right, members.flag("strip_right", true));
        return step;
    }
    if (type == "Replace" || type == "Prepend") {
        const bool is_replace = type == "Replace";
        step.kind = is_replace ? Kind::kReplace : Kind::kPrepend;
        TG_CHECK(is_replace ? members.only({"type", "pattern", "content"}) : members.only({"type", "prepend"}));
        TG_TRY(step.content, members.text(is_replace ? "content" : "prepend"));
        if (step.content.size() > kReplacementBytesMax) return members.wrong("what it puts in is longer than 64 bytes");
        if (is_replace) {
            TG_TRY(const json::Value pattern, members.object("pattern"));
            TG_TRY(step.pattern, Pattern::parse(pattern, members.where()));
        }
        return step;
    }
    return text_detail::wrong_tokenizer("the normalizer \"" + type.substr(0, 60) + "\" is not known");
}

Result<void> Normalizer::apply(AlignedText& text, Scratch& scratch) const {
    for (const Step& step : steps_) {
        if (text.view().empty()) return {};
        switch (step.kind) {
            case Kind::kBert:
                bert(step, text, scratch);
                break;
            case Kind::kCanonical:
                canonical(step, text, scratch);
                break;
            case Kind::kLower:
                lower(text, scratch);
                break;
            case Kind::kStrip:
                strip(step, text);
                break;
            case Kind::kStripAccents:
                drop(text, unicode::kMark);
                break;
            case Kind::kReplace:
                TG_CHECK(replace(step, text, scratch));
                break;
            case Kind::kPrepend:
                prepend(step, text);
                break;
        }
    }
    return {};
}

void Normalizer::bert(const Step& step, AlignedText& text, Scratch& scratch) {
    if (unicode::is_ascii(text.view()) && !(step.clean && has_removed_ascii(text.view()))) {
        text.fold_ascii(step.lower, step.clean);
        return;
    }
    if (bert_in_one_pass(step, text)) return;
    if (step.clean) {
        drop(text, unicode::kControl);
        text.start();
        for (std::size_t at = 0; at < text.view().size();) {
            const std::size_t begin = at;
            if (table().is(unicode::next(text.view(), at), unicode::kSpace)) {
                text.put(U' ', text.source(begin, at));
            } else {
                text.keep(begin, at);
            }
        }
        text.finish();
    }
    if (step.ideographs) {
        text.start();
        for (std::size_t at = 0; at < text.view().size();) {
            const std::size_t begin = at;
            const bool is_ideograph = table().is(unicode::next(text.view(), at), unicode::kIdeograph);
            const Range from = text.source(begin, at);
            if (is_ideograph) text.put(U' ', from);
            text.keep(begin, at);
            if (is_ideograph) text.put(U' ', from);
        }
        text.finish();
    }
    if (step.accents) {
        canonical(Step{}, text, scratch);
        drop(text, unicode::kAccent);
    }
    if (step.lower) lower(text, scratch);
}

bool Normalizer::bert_in_one_pass(const Step& step, AlignedText& text) {
    const unicode::Table& flags = table();
    const std::string_view view = text.view();
    std::array<char32_t, 2> small{};
    unicode::Decomposition parts{};
    text.start();
    for (std::size_t at = 0; at < view.size();) {
        const std::size_t begin = at;
        const char32_t c = unicode::next(view, at);
        const std::uint16_t mask = flags.flags(c);
        if (step.clean && (mask & unicode::kControl) != 0) continue;
        const Range from = text.source(begin, at);
        if (step.clean && (mask & unicode::kSpace) != 0) {
            text.put(U' ', from);
            continue;
        }
        const bool is_wrapped = step.ideographs && (mask & unicode::kIdeograph) != 0;
        if (is_wrapped) text.put(U' ', from);
        parts[0] = c;
        const std::size_t count =
            step.accents && (mask & unicode::kDecomposes) != 0 ? unicode::decompose(c, false, parts) : 1;
        for (std::size_t i = 0; i < count; ++i) {
            const std::uint16_t part = i == 0 && parts[0] == c ? mask : flags.flags(parts[i]);
            if (step.accents) {
                if ((part & unicode::kAccent) != 0) continue;
                if ((part & unicode::kCombining) != 0) return false;  // It may change places with the next one.
            }
            if (!step.lower || (part & unicode::kHasLower) == 0) {
                text.put(parts[i], from);
                continue;
            }
            const std::size_t lowered = unicode::lower(parts[i], small);
            for (std::size_t k = 0; k < lowered; ++k) text.put(small[k], from);
        }
        if (is_wrapped) text.put(U' ', from);
    }
    text.finish();
    return true;
}

namespace {

using Change = AlignedText::Change;

// The marks [first, last) by class, equal ones as they stand: insertion for the few marks of a text that is one, counting for more.
void sort_marks(std::span<Change> marks) {
    constexpr std::size_t kFew = 32;
    if (marks.size() <= kFew) {
        for (std::size_t i = 1; i < marks.size(); ++i) {
            const Change moved = marks[i];
            const unsigned own = unicode::combining_class(moved.c);
            std::size_t at = i;
            for (; at > 0 && unicode::combining_class(marks[at - 1].c) > own; --at) marks[at] = marks[at - 1];
            marks[at] = moved;
        }
        return;
    }
    const std::vector<Change> old(marks.begin(), marks.end());
    std::array<std::size_t, 257> starts{};
    for (const Change& mark : old) ++starts[unicode::combining_class(mark.c) + 1U];
    for (std::size_t i = 1; i < starts.size(); ++i) starts[i] += starts[i - 1];
    for (const Change& mark : old) marks[starts[unicode::combining_class(mark.c)]++] = mark;
}

// Canonical ordering (Unicode, 3.11 D109): the marks between two starters.
void order_marks(std::vector<Change>& changes) {
    std::size_t first = 0;
    for (std::size_t at = 0; at <= changes.size(); ++at) {
        if (at < changes.size() && unicode::combining_class(changes[at].c) != 0) continue;
        if (at - first > 1) sort_marks(std::span(changes).subspan(first, at - first));
        first = at + 1;
    }
}

// Canonical composition (D117), with what each code point takes the place of added up.
void compose_all(const std::vector<Change>& parts, std::vector<Change>& out) {
    std::size_t starter = 0;
    bool has_starter = false;
    unsigned last_class = 0;
    bool is_adjacent = false;  // Nothing stands between the starter and the next one.
    for (const Change& part : parts) {
        const unsigned own = unicode::combining_class(part.c);
        if (has_starter && (is_adjacent || last_class < own)) {
            if (const char32_t made = unicode::compose(out[starter].c, part.c); made != 0) {
                out[starter] = {made, out[starter].change + part.change - 1};
                continue;
            }
        }
        if (own == 0) {
            starter = out.size();
            has_starter = true;
            is_adjacent = true;
            last_class = 0;
        } else {
            is_adjacent = false;
            last_class = own;
        }
        out.push_back(part);
    }
}

}  // namespace

void Normalizer::canonical(const Step& step, AlignedText& text, Scratch& scratch) {
    if (unicode::is_ascii(text.view())) return;
    scratch.changes.clear();
    unicode::Decomposition parts{};
    for (std::size_t at = 0; at < text.view().size();) {
        const char32_t c = unicode::next(text.view(), at);
        const std::size_t count = unicode::decompose(c, step.compatible, parts);
        for (std::size_t i = 0; i < count; ++i) scratch.changes.push_back({parts[i], i == 0 ? 0 : 1});
    }
    order_marks(scratch.changes);
    if (!step.composed) return text.transform(scratch.changes, 0);
    scratch.more.clear();
    compose_all(scratch.changes, scratch.more);
    text.transform(scratch.more, 0);
}

void Normalizer::lower(AlignedText& text, Scratch& scratch) {
    if (unicode::is_ascii(text.view())) return text.fold_ascii(true, false);
    scratch.changes.clear();
    std::array<char32_t, 2> small{};
    for (std::size_t at = 0; at < text.view().size();) {
        const std::size_t count = unicode::lower(unicode::next(text.view(), at), small);
        for (std::size_t i = 0; i < count; ++i) scratch.changes.push_back({small[i], i == 0 ? 0 : 1});
    }
    text.transform(scratch.changes, 0);
}

void Normalizer::drop(AlignedText& text, std::uint16_t flags) {
    text.start();
    for (std::size_t at = 0; at < text.view().size();) {
        const std::size_t begin = at;
        if (!table().is(unicode::next(text.view(), at), flags)) text.keep(begin, at);
    }
    text.finish();
}

void Normalizer::strip(const Step& step, AlignedText& text) {
    const std::string_view view = text.view();
    std::size_t begin = 0;
    std::size_t end = view.size();
    for (std::size_t at = 0; step.left && at < view.size() && table().is(unicode::next(view, at), unicode::kSpace);)
        begin = at;
    while (step.right && end > begin) {
        std::size_t lead = end - 1;
        while (lead > begin && unicode::is_continuation(view[lead])) --lead;
        std::size_t at = lead;
        if (!table().is(unicode::next(view, at), unicode::kSpace)) break;
        end = lead;
    }
    if (begin == 0 && end == view.size()) return;
    text.start();
    text.keep(begin, end);
    text.finish();
}

Result<void> Normalizer::replace(const Step& step, AlignedText& text, Scratch& scratch) {
    scratch.matches.clear();
    TG_CHECK(step.pattern->find(text.view(), scratch.matches));
    if (scratch.matches.empty()) return {};
    text.start();
    std::size_t done = 0;
    for (const Range match : scratch.matches) {
        text.keep(done, match.begin);
        text.put(step.content, match.end == 0 ? Range{} : text.source(match.end - 1, match.end));
        done = match.end;
    }
    text.keep(done, text.view().size());
    text.finish();
    return {};
}

void Normalizer::prepend(const Step& step, AlignedText& text) {
    text.start();
    text.put(step.content, text.source(0, 1));
    text.keep(0, text.view().size());
    text.finish();
}

}  // namespace tidegate::model
