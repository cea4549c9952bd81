#include "services/speech/text/summary.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdint>
#include <string>
#include <unordered_map>
#include <unordered_set>
#include <utility>

#include "base/strings.h"
#include "services/speech/text/word_errors.h"

namespace tidegate::speech {
namespace {

// The usual ones: no subject has them.
constexpr std::string_view kStopWords =
    " a about after again all also am an and any are as at be because been before being but by can could did do does "
    "doing don't down for from further had has have having he her here hers him his how i i'm if in into is it it's "
    "its "
    "just like me more most my no nor not now of off on once only or other our ours out over own really same she "
    "should "
    "so some such than that that's the their theirs them then there these they this those through to too under until "
    "up "
    "us very was we were what when where which while who whom why will with would yeah yes you your yours okay ok well "
    "right oh um uh mm hmm got get go going know think thing things say said one ";
constexpr std::array<std::string_view, 9> kFillers{"um", "uh", "erm", "er", "hmm", "mm", "mhm", "uhm", "huh"};
constexpr std::array<std::array<std::string_view, 2>, 4> kFillerPairs{
    {{"you", "know"}, {"i", "mean"}, {"sort", "of"}, {"kind", "of"}}};
constexpr std::array<std::string_view, 14> kActionCues{
    " i will ",  " i'll ",  " we will ", " we'll ",     " we need to ", " you need to ", " i need to ",
    " have to ", " let's ", " please ",  " make sure ", " follow up ",  " action item ", " remember to "};

constexpr std::size_t kUnitWords = 12;    // Shorter neighbours of one speaker are joined to about a sentence.
constexpr std::size_t kContentWords = 3;  // With fewer a unit says nothing.
constexpr std::size_t kActionsMax = 10;
constexpr double kDamping = 0.85;
constexpr int kRounds = 50;         // The ranks are still to 1e-4 by then: 0.85^50.
constexpr double kRelevance = 0.5;  // MMR's weight.

bool is_stop_word(std::string_view word) {
    static const auto known = [] {
        std::unordered_set<std::string_view> out;
        for (const std::string_view one : split(kStopWords, ' ')) out.insert(one);
        return out;
    }();
    return known.contains(word);
}

/// Plurals and the like count as one: a common ending off, where enough is left.
std::string stem(std::string word) {
    for (const std::string_view ending : {"ing", "ed", "es", "s"}) {
        if (word.size() >= ending.size() + 4 && word.ends_with(ending)) {
            word.resize(word.size() - ending.size());
            break;
        }
    }
    return word;
}

struct Unit {
    KeyPoint point;
    std::size_t words = 0;
    std::vector<std::pair<std::uint32_t, double>> weights;  // Of its content words by number; the vector has length 1.
};

std::vector<Unit> make_units(std::span<const Turn> turns) {
    std::vector<Unit> out;
    for (std::size_t i = 0; i < turns.size(); ++i) {
        const std::string text = drop_fillers(turns[i].text);
        const std::size_t words = score_words(text).size();
        if (words == 0) continue;
        const bool joins = !out.empty() && out.back().point.speaker == turns[i].speaker &&
                           out.back().words + words <= kUnitWords && out.back().point.turns.back() + 1 == i;
        if (!joins) {
            out.push_back({.point = {.speaker = turns[i].speaker, .text = text, .turns = {i}}, .words = words});
            continue;
        }
        out.back().point.text += " " + text;
        out.back().point.turns.push_back(i);
        out.back().words += words;
    }
    return out;
}

/// Neighbours become one until there are few enough.
void halve(std::vector<Unit>& units) {
    std::vector<Unit> out;
    for (std::size_t i = 0; i < units.size(); i += 2) {
        out.push_back(std::move(units[i]));
        if (i + 1 == units.size()) break;
        Unit& next = units[i + 1];
        out.back().point.text += " " + next.point.text;
        out.back().point.turns.insert(out.back().point.turns.end(), next.point.turns.begin(), next.point.turns.end());
        out.back().words += next.words;
        if (out.back().point.speaker != next.point.speaker) out.back().point.speaker.clear();
    }
    units = std::move(out);
}

void weigh(std::vector<Unit>& units) {
    std::unordered_map<std::string, std::uint32_t> numbers;
    std::vector<double> spread;  // Units that have the word.
    for (Unit& unit : units) {
        std::vector<std::uint32_t> said;
        for (std::string& word : score_words(unit.point.text)) {
            if (is_stop_word(word)) continue;
            said.push_back(numbers.try_emplace(stem(std::move(word)), numbers.size()).first->second);
        }
        std::ranges::sort(said);
        for (const std::uint32_t word : said) {
            if (unit.weights.empty() || unit.weights.back().first != word) unit.weights.emplace_back(word, 0);
            unit.weights.back().second += 1;
        }
        spread.resize(numbers.size());
        for (const auto& [word, count] : unit.weights) spread[word] += 1;
    }
    const auto all = static_cast<double>(units.size());
    for (Unit& unit : units) {
        double length = 0;
        for (auto& [word, weight] : unit.weights) {
            weight = (1 + std::log(weight)) * std::log(1 + all / spread[word]);
            length += weight * weight;
        }
        for (auto& [word, weight] : unit.weights) weight /= std::sqrt(length);
    }
}

double cosine(const Unit& a, const Unit& b) {
    double sum = 0;
    auto i = a.weights.begin();
    auto j = b.weights.begin();
    while (i != a.weights.end() && j != b.weights.end()) {
        if (i->first < j->first) {
            ++i;
        } else if (j->first < i->first) {
            ++j;
        } else {
            sum += i++->second * j++->second;
        }
    }
    return sum;
}

/// How alike any two units are; of a unit to itself 0.
class Likeness {
  public:
    /// Ends half way when `should_stop` says so.
    Likeness(const std::vector<Unit>& units, const std::function<bool()>& should_stop)
        : count_(units.size()), values_(count_ * count_, 0) {
        for (std::size_t i = 0; i < count_ && !(should_stop && should_stop()); ++i) {
            for (std::size_t j = 0; j < i; ++j)
                values_[i * count_ + j] = values_[j * count_ + i] = cosine(units[i], units[j]);
        }
    }
    std::span<const double> of(std::size_t unit) const { return std::span(values_).subspan(unit * count_, count_); }

  private:
    std::size_t count_;
    std::vector<double> values_;
};

/// Rank of each unit; they sum up to 1.
std::vector<double> text_rank(const Likeness& likeness, std::size_t count) {
    std::vector<double> out_weight(count, 0);
    for (std::size_t i = 0; i < count; ++i) {
        for (const double one : likeness.of(i)) out_weight[i] += one;
    }
    std::vector<double> rank(count, 1.0 / static_cast<double>(count));
    for (int round = 0; round < kRounds; ++round) {
        std::vector<double> next(count, (1 - kDamping) / static_cast<double>(count));
        double loose = 0;  // Of units that share no word with any other.
        for (std::size_t i = 0; i < count; ++i) {
            if (out_weight[i] <= 0) {
                loose += rank[i];
                continue;
            }
            const double share = kDamping * rank[i] / out_weight[i];
            const auto weights = likeness.of(i);
            for (std::size_t j = 0; j < count; ++j) next[j] += share * weights[j];
        }
        for (double& one : next) one += kDamping * loose / static_cast<double>(count);
        rank = std::move(next);
    }
    return rank;
}

/// The units to keep, in the order they were said.
std::vector<std::size_t> choose(const std::vector<Unit>& units, std::size_t most,
                                const std::function<bool()>& should_stop) {
    if (units.empty() || most == 0) return {};
    const Likeness alike(units, should_stop);
    const std::vector<double> rank = text_rank(alike, units.size());
    const double highest = *std::ranges::max_element(rank);
    std::vector<std::size_t> chosen;
    std::vector<double> likeness(units.size(), 0);  // To the nearest chosen one.
    while (chosen.size() < std::min(most, units.size())) {
        std::size_t best = units.size();
        double best_score = 0;
        for (std::size_t i = 0; i < units.size(); ++i) {
            if (std::ranges::find(chosen, i) != chosen.end()) continue;
            const double score = kRelevance * rank[i] / highest - (1 - kRelevance) * likeness[i];
            if (best < units.size() && score <= best_score) continue;
            best = i;
            best_score = score;
        }
        chosen.push_back(best);
        const auto near = alike.of(best);
        for (std::size_t i = 0; i < units.size(); ++i) likeness[i] = std::max(likeness[i], near[i]);
    }
    std::ranges::sort(chosen);
    return chosen;
}

bool is_action(std::string_view text) {
    std::string padded = " ";
    for (const std::string& word : score_words(text)) padded += word + " ";
    return std::ranges::any_of(kActionCues, [&](std::string_view cue) { return padded.contains(cue); });
}

}  // namespace

std::string drop_fillers(std::string_view text) {
    std::vector<std::string_view> words;
    for (const std::string_view one : split(text, ' ')) {
        if (!trim(one).empty()) words.push_back(trim(one));
    }
    const auto plain = [](std::string_view word) {
        std::string out = to_lower(word);
        while (!out.empty() && (out.back() == ',' || out.back() == '.')) out.pop_back();
        return out;
    };
    std::string out;
    for (std::size_t i = 0; i < words.size(); ++i) {
        const std::string word = plain(words[i]);
        if (std::ranges::find(kFillers, word) != kFillers.end()) continue;
        if (i + 1 < words.size()) {
            const std::array<std::string, 2> pair{word, plain(words[i + 1])};
            const bool is_filler = std::ranges::any_of(
                kFillerPairs, [&](const auto& known) { return known[0] == pair[0] && known[1] == pair[1]; });
            if (is_filler) {
                ++i;
                continue;
            }
        }
        if (!out.empty()) out += ' ';
        out += words[i];
    }
    return out;
}

std::vector<Turn> split_sentences(std::string_view text) {
    std::vector<Turn> out;
    std::size_t begin = 0;
    const auto cut = [&](std::size_t end) {
        const std::string_view one = trim(text.substr(begin, end - begin));
        if (!one.empty()) out.push_back({.speaker = {}, .text = std::string(one)});
        begin = end;
    };
    for (std::size_t i = 0; i < text.size(); ++i) {
        const bool stop = text[i] == '.' || text[i] == '!' || text[i] == '?';
        const bool blank = i + 1 < text.size() && (text[i + 1] == ' ' || text[i + 1] == '\n');
        if (text[i] == '\n' || (stop && blank)) cut(i + 1);
    }
    cut(text.size());
    return out;
}

Summary summarise(std::span<const Turn> turns, std::size_t key_points_max, const std::function<bool()>& should_stop) {
    std::vector<Unit> units = make_units(turns);
    while (units.size() > kUnitsMax) halve(units);
    weigh(units);
    Summary out;
    for (const Unit& unit : units) {
        if (out.action_items.size() < kActionsMax && is_action(unit.point.text)) out.action_items.push_back(unit.point);
    }
    std::erase_if(units, [](const Unit& unit) { return unit.weights.size() < kContentWords; });
    for (const std::size_t i : choose(units, key_points_max, should_stop)) {
        if (!out.text.empty()) out.text += out.text.ends_with('.') ? " " : ". ";
        out.text += units[i].point.text;
        out.key_points.push_back(units[i].point);
    }
    return out;
}

}  // namespace tidegate::speech
