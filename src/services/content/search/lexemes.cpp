#include "services/content/search/lexemes.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <map>

#include "base/utf8.h"
#include "model/text/unicode.h"
#include "services/content/search/porter.h"
#include "services/content/search/postgres_sql.h"
#include "services/content/search/words.h"

namespace tidegate::content {
namespace {

// PostgreSQL takes lexemes of up to 2,046 bytes.
constexpr std::size_t kStemBytesMax = 1'000;

void append_folded(std::string& out, char32_t point) {
    namespace unicode = model::unicode;
    if (unicode::table().is(point, unicode::kAccent)) return;
    std::array<char32_t, 2> lowered{};
    const std::size_t count = unicode::lower(point, lowered);
    for (std::size_t i = 0; i < count; ++i) {
        if (!unicode::table().is(lowered[i], unicode::kAccent)) utf8::append(out, lowered[i]);
    }
}

std::string lexeme(TenantId tenant, std::string_view stem, int level) {
    return level == 1 ? fmt::format("{}/{}", tenant, stem) : fmt::format("{}/{}/{}", tenant, stem, level);
}

}  // namespace

std::string index_stem(std::string_view word) {
    namespace unicode = model::unicode;
    std::string out;
    unicode::Decomposition parts{};
    for (std::size_t at = 0; at < word.size();) {
        const char32_t point = utf8::next(word, at);
        if (!unicode::table().is(point, unicode::kDecomposes)) {
            append_folded(out, point);
            continue;
        }
        const std::size_t count = unicode::decompose(point, false, parts);
        for (std::size_t i = 0; i < count; ++i) append_folded(out, parts[i]);
    }
    porter_stem(out);
    if (out.size() > kStemBytesMax) {
        std::size_t cut = kStemBytesMax;
        while (cut > 0 && (static_cast<unsigned char>(out[cut]) & 0xC0U) == 0x80U) --cut;
        out.resize(cut);
    }
    return out;
}

std::string index_stem_of_stem(const std::string& stem) {
    // Porter's stem of a stem may be another one; of what is no ASCII none was made.
    const bool is_ascii = std::ranges::all_of(stem, [](char c) { return static_cast<unsigned char>(c) < 0x80; });
    return is_ascii && stem.size() <= kStemBytesMax ? stem : index_stem(stem);
}

Lexemes lexemes_of(TenantId tenant, std::string_view title, std::string_view text) {
    Lexemes out;
    std::map<std::string, int, std::less<>> counts;
    for (const std::string_view part : {title, text}) {
        for (const Word& word : words_of(part)) {
            std::string stem = index_stem(word.place.of(part));
            if (stem.empty()) continue;
            ++out.words;
            ++counts[std::move(stem)];
        }
    }
    for (const auto& [stem, count] : counts) {
        for (int level = 1; level <= std::min(count, sql::kLevels); ++level)
            out.all.push_back(lexeme(tenant, stem, level));
    }
    return out;
}

std::string lexeme_query(TenantId tenant, std::string_view stem, int level) {
    std::string out = "'";
    for (const char c : lexeme(tenant, stem, level)) {
        if (c == '\'' || c == '\\') out.push_back(c);
        out.push_back(c);
    }
    return out + "'";
}

}  // namespace tidegate::content
