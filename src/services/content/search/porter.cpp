#include "services/content/search/porter.h"

#include <algorithm>
#include <array>
#include <string_view>

namespace tidegate::content {
namespace {

constexpr std::size_t kStemLettersMax = 64;

bool is_consonant(std::string_view word, std::size_t at) noexcept {
    switch (word[at]) {
        case 'a':
        case 'e':
        case 'i':
        case 'o':
        case 'u':
            return false;
        case 'y':
            return at == 0 || !is_consonant(word, at - 1);
        default:
            return true;
    }
}

/// How often a consonant follows a vowel group: Porter's m.
unsigned measure_of(std::string_view word) noexcept {
    unsigned count = 0;
    bool vowel_before = false;
    for (std::size_t i = 0; i < word.size(); ++i) {
        const bool consonant = is_consonant(word, i);
        if (consonant && vowel_before) ++count;
        vowel_before = !consonant;
    }
    return count;
}

bool has_vowel(std::string_view word) noexcept {
    for (std::size_t i = 0; i < word.size(); ++i) {
        if (!is_consonant(word, i)) return true;
    }
    return false;
}

bool ends_double(std::string_view word) noexcept {
    const std::size_t n = word.size();
    return n >= 2 && word[n - 1] == word[n - 2] && is_consonant(word, n - 1);
}

/// Consonant, vowel, consonant that is no w, x, y: Porter's *o.
bool ends_short(std::string_view word) noexcept {
    const std::size_t n = word.size();
    if (n < 3 || !is_consonant(word, n - 1) || is_consonant(word, n - 2) || !is_consonant(word, n - 3)) return false;
    return word[n - 1] != 'w' && word[n - 1] != 'x' && word[n - 1] != 'y';
}

struct SuffixRule {
    std::string_view suffix, instead;
};

/// The first rule whose suffix fits decides, whether or not its condition (the stem's measure above `more_than`) holds.
template <std::size_t kCount>
void apply_suffix_rules(std::string& word, const std::array<SuffixRule, kCount>& rules, unsigned more_than) {
    for (const SuffixRule& rule : rules) {
        if (!word.ends_with(rule.suffix)) continue;
        const std::string_view stem(word.data(), word.size() - rule.suffix.size());
        if (measure_of(stem) > more_than) word.replace(stem.size(), rule.suffix.size(), rule.instead);
        return;
    }
}

constexpr std::array<SuffixRule, 20> kStepTwo{
    {{"ational", "ate"}, {"tional", "tion"}, {"enci", "ence"},   {"anci", "ance"}, {"izer", "ize"},
     {"logi", "log"},    {"bli", "ble"},     {"alli", "al"},     {"entli", "ent"}, {"eli", "e"},
     {"ousli", "ous"},   {"ization", "ize"}, {"ation", "ate"},   {"ator", "ate"},  {"alism", "al"},
     {"iveness", "ive"}, {"fulness", "ful"}, {"ousness", "ous"}, {"aliti", "al"},  {"iviti", "ive"}}};
constexpr std::array<SuffixRule, 1> kStepTwoLast{{{"biliti", "ble"}}};
constexpr std::array<SuffixRule, 7> kStepThree{
    {{"icate", "ic"}, {"ative", ""}, {"alize", "al"}, {"iciti", "ic"}, {"ical", "ic"}, {"ful", ""}, {"ness", ""}}};
constexpr std::array<SuffixRule, 17> kStepFour{{{"al", ""},
                                                {"ance", ""},
                                                {"ence", ""},
                                                {"er", ""},
                                                {"ic", ""},
                                                {"able", ""},
                                                {"ible", ""},
                                                {"ant", ""},
                                                {"ement", ""},
                                                {"ment", ""},
                                                {"ent", ""},
                                                {"ou", ""},
                                                {"ism", ""},
                                                {"ate", ""},
                                                {"iti", ""},
                                                {"ous", ""},
                                                {"ive", ""}}};
constexpr std::array<SuffixRule, 1> kStepFourLast{{{"ize", ""}}};

void step_one(std::string& word) {
    if (word.ends_with("sses") || word.ends_with("ies")) {
        word.resize(word.size() - 2);
    } else if (word.ends_with("s") && !word.ends_with("ss")) {
        word.pop_back();
    }
    if (word.ends_with("eed")) {
        if (measure_of(std::string_view(word).substr(0, word.size() - 3)) > 0) word.pop_back();
    } else {
        const std::size_t cut = word.ends_with("ed") ? 2 : word.ends_with("ing") ? 3 : 0;
        if (cut > 0 && has_vowel(std::string_view(word).substr(0, word.size() - cut))) {
            word.resize(word.size() - cut);
            if (word.ends_with("at") || word.ends_with("bl") || word.ends_with("iz")) {
                word += 'e';
            } else if (ends_double(word) && word.back() != 'l' && word.back() != 's' && word.back() != 'z') {
                word.pop_back();
            } else if (measure_of(word) == 1 && ends_short(word)) {
                word += 'e';
            }
        }
    }
    if (word.ends_with("y") && has_vowel(std::string_view(word).substr(0, word.size() - 1))) word.back() = 'i';
}

void step_four(std::string& word) {
    if (word.ends_with("ion")) {
        const std::string_view stem(word.data(), word.size() - 3);
        if (measure_of(stem) > 1 && (stem.ends_with("s") || stem.ends_with("t"))) word.resize(stem.size());
        return;
    }
    if (word.ends_with("ize")) return apply_suffix_rules(word, kStepFourLast, 1);
    apply_suffix_rules(word, kStepFour, 1);
}

void step_five(std::string& word) {
    if (word.ends_with("e")) {
        const std::string_view stem(word.data(), word.size() - 1);
        const unsigned measure = measure_of(stem);
        if (measure > 1 || (measure == 1 && !ends_short(stem))) word.pop_back();
    }
    if (word.ends_with("ll") && measure_of(word) > 1) word.pop_back();
}

}  // namespace

void porter_stem(std::string& word) {
    if (word.size() < 3 || word.size() > kStemLettersMax) return;
    if (!std::ranges::all_of(word, [](char c) { return c >= 'a' && c <= 'z'; })) return;
    step_one(word);
    if (word.ends_with("biliti")) {
        apply_suffix_rules(word, kStepTwoLast, 0);
    } else {
        apply_suffix_rules(word, kStepTwo, 0);
    }
    apply_suffix_rules(word, kStepThree, 0);
    step_four(word);
    step_five(word);
}

}  // namespace tidegate::content
