#include "services/speech/text/word_errors.h"

#include <algorithm>
#include <numeric>

namespace tidegate::speech {

std::vector<std::string> score_words(std::string_view text) {
    std::vector<std::string> out;
    bool inside = false;
    for (const char one : text) {
        const bool upper = one >= 'A' && one <= 'Z';
        const bool kept = upper || (one >= 'a' && one <= 'z') || (one >= '0' && one <= '9') || one == '\'';
        if (!kept) {
            inside = false;
            continue;
        }
        if (!inside) out.emplace_back();
        inside = true;
        out.back() += upper ? static_cast<char>(one - 'A' + 'a') : one;
    }
    return out;
}

WordErrors count_word_errors(std::string_view reference, std::string_view heard) {
    const std::vector<std::string> wanted = score_words(reference);
    const std::vector<std::string> got = score_words(heard);
    std::vector<std::uint64_t> row(got.size() + 1);
    std::iota(row.begin(), row.end(), 0U);
    for (std::size_t i = 1; i <= wanted.size(); ++i) {
        std::uint64_t diagonal = row[0];
        row[0] = i;
        for (std::size_t j = 1; j <= got.size(); ++j) {
            const std::uint64_t changed = diagonal + (wanted[i - 1] == got[j - 1] ? 0 : 1);
            diagonal = row[j];
            row[j] = std::min({changed, row[j] + 1, row[j - 1] + 1});
        }
    }
    return {.words = wanted.size(), .errors = row.back()};
}

}  // namespace tidegate::speech
