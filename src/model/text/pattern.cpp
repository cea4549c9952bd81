#include "model/text/pattern.h"

#include <unicode/uregex.h>
#include <unicode/ustring.h>

#include <utility>

#include "model/text/members.h"
#include "model/text/unicode.h"

namespace tidegate::model {
namespace {

struct CloseRegex {
    void operator()(URegularExpression* regex) const noexcept { uregex_close(regex); }
};
using Regex = std::unique_ptr<URegularExpression, CloseRegex>;

// UTF-16 of valid UTF-8, and for each unit the byte it begins at, with the end behind the last.
void to_units(std::string_view text, std::vector<UChar>& units, std::vector<std::uint32_t>& starts) {
    for (std::size_t at = 0; at < text.size();) {
        const auto start = static_cast<std::uint32_t>(at);
        const char32_t c = unicode::next(text, at);
        if (c >= 0x10000) {
            units.push_back(static_cast<UChar>(0xD7C0U + (c >> 10U)));
            starts.push_back(start);
        }
        units.push_back(static_cast<UChar>(c >= 0x10000 ? 0xDC00U + (c & 0x3FFU) : c));
        starts.push_back(start);
    }
    starts.push_back(static_cast<std::uint32_t>(text.size()));
}

}  // namespace

struct Pattern::Compiled {
    Regex regex;
};

Pattern Pattern::literal(std::string text) {
    Pattern made;
    made.source_ = std::move(text);
    return made;
}

Result<Pattern> Pattern::parse(json::Value value, const std::string& where) {
    const text_detail::Members members(value, where + " pattern");
    TG_CHECK(members.only({"String", "Regex"}));
    if (!members.is_absent("String")) {
        TG_TRY(std::string text, members.text("String"));
        return literal(std::move(text));
    }
    Pattern made;
    TG_TRY(made.source_, members.text("Regex"));
    if (made.source_.size() > kSourceMax) return members.wrong("the expression is longer than 4,096 bytes");
    std::vector<UChar> units;
    std::vector<std::uint32_t> starts;
    to_units(made.source_, units, starts);
    UErrorCode status = U_ZERO_ERROR;
    UParseError place{};
    Regex regex(uregex_open(units.data(), static_cast<int>(units.size()), UREGEX_MULTILINE | UREGEX_UNIX_LINES, &place,
                            &status));
    if (U_FAILURE(status)) return members.wrong(std::string("the expression cannot be read: ") + u_errorName(status));
    made.compiled_ = std::make_shared<const Compiled>(std::move(regex));
    return made;
}

Result<void> Pattern::find(std::string_view text, std::vector<Range>& out) const {
    if (!compiled_) {
        if (source_.empty()) return {};
        for (std::size_t at = text.find(source_); at != std::string_view::npos;
             at = text.find(source_, at + source_.size())) {
            out.push_back({static_cast<std::uint32_t>(at), static_cast<std::uint32_t>(at + source_.size())});
        }
        return {};
    }
    std::vector<UChar> units;
    std::vector<std::uint32_t> starts;
    to_units(text, units, starts);
    UErrorCode status = U_ZERO_ERROR;
    const Regex regex(uregex_clone(compiled_->regex.get(), &status));
    // A copy does not take over the bounds of its original.
    uregex_setTimeLimit(regex.get(), kStepsMax, &status);
    uregex_setStackLimit(regex.get(), kStackBytes, &status);
    uregex_setText(regex.get(), units.data(), static_cast<int>(units.size()), &status);
    while (U_SUCCESS(status) && uregex_findNext(regex.get(), &status) != 0) {
        const int begin = uregex_start(regex.get(), 0, &status);
        const int end = uregex_end(regex.get(), 0, &status);
        if (U_FAILURE(status) || begin < 0 || end < begin) break;
        out.push_back({starts[static_cast<std::size_t>(begin)], starts[static_cast<std::size_t>(end)]});
    }
    if (U_SUCCESS(status)) return {};
    return fail(ErrorCode::kResourceExhausted, "the tokenizer's expression takes too long on this text");
}

}  // namespace tidegate::model
