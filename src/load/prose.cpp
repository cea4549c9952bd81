#include "load/prose.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <numbers>
#include <string_view>

namespace tidegate::load {
namespace {

using Words = std::string_view;

constexpr std::array<Words, 64> kNouns{
    "harbour", "window",  "report",  "teacher", "river",    "machine", "garden", "letter",    "evening", "question",
    "market",  "bridge",  "child",   "doctor",  "engine",   "village", "story",  "winter",    "kitchen", "neighbour",
    "station", "road",    "music",   "picture", "building", "farmer",  "forest", "meeting",   "morning", "number",
    "office",  "painter", "paper",   "reader",  "reason",   "school",  "sailor", "season",    "shadow",  "singer",
    "stone",   "street",  "student", "summer",  "table",    "theory",  "ticket", "traveller", "valley",  "visitor",
    "voice",   "water",   "weather", "worker",  "writer",   "answer",  "boat",   "clock",     "coat",    "door",
    "field",   "friend",  "island",  "lamp"};
constexpr std::array<Words, 40> kAdjectives{
    "quiet",   "old",      "careful", "bright", "narrow", "patient", "heavy",   "simple", "distant", "useful",
    "early",   "familiar", "gentle",  "late",   "local",  "modest",  "open",    "plain",  "recent",  "steady",
    "strange", "sudden",   "tall",    "usual",  "warm",   "wide",    "young",   "broken", "curious", "empty",
    "honest",  "long",     "lonely",  "new",    "proud",  "rapid",   "serious", "small",  "wooden",  "rare"};
constexpr std::array<Words, 40> kVerbs{
    "watched",  "carried",   "followed", "described", "repaired",   "forgot",  "remembered", "painted",
    "measured", "explained", "opened",   "closed",    "crossed",    "counted", "answered",   "believed",
    "changed",  "found",     "kept",     "left",      "met",        "moved",   "noticed",    "passed",
    "praised",  "reached",   "refused",  "returned",  "saw",        "sold",    "started",    "studied",
    "took",     "told",      "touched",  "turned",    "understood", "visited", "wanted",     "welcomed"};
constexpr std::array<Words, 24> kPlaces{"near the coast",
                                        "after the rain",
                                        "before noon",
                                        "in the next room",
                                        "on the way home",
                                        "under the roof",
                                        "for several weeks",
                                        "without a word",
                                        "behind the school",
                                        "at the far end",
                                        "in spite of it all",
                                        "with some regret",
                                        "across the square",
                                        "until the lights went out",
                                        "by the gate",
                                        "since the spring",
                                        "as far as anyone knew",
                                        "more than once",
                                        "in the middle of the week",
                                        "between two trains",
                                        "in a low voice",
                                        "during the meeting",
                                        "along the wall",
                                        "on a cold day"};
constexpr std::array<Words, 16> kJoins{"and",    "but",   "because", "while",   "although", "so",
                                       "when",   "until", "whereas", "before",  "after",    "as",
                                       "unless", "since", "though",  "and then"};
constexpr std::array<Words, 12> kOpenings{"However, ",    "In the end, ", "At first, ",       "For once, ",
                                          "Of course, ",  "Still, ",      "Later that day, ", "As a rule, ",
                                          "To be fair, ", "Once again, ", "By then, ",        "Now and then, "};
constexpr std::array<Words, 8> kDeterminers{"the", "a", "every", "that", "this", "her", "his", "their"};

template <std::size_t N>
Words pick(const std::array<Words, N>& from, Dice& dice) {
    return from[dice.below(N)];
}

void append_noun_phrase(std::string& out, Dice& dice) {
    out.append(pick(kDeterminers, dice)).push_back(' ');
    if (dice.below(3) != 0) out.append(pick(kAdjectives, dice)).push_back(' ');
    out.append(pick(kNouns, dice));
}

void append_clause(std::string& out, Dice& dice) {
    append_noun_phrase(out, dice);
    out.push_back(' ');
    out.append(pick(kVerbs, dice)).push_back(' ');
    append_noun_phrase(out, dice);
    if (dice.below(2) == 0) {
        out.push_back(' ');
        out.append(pick(kPlaces, dice));
    }
}

void append_sentence(std::string& out, Dice& dice) {
    const std::size_t start = out.size();
    if (dice.below(5) == 0) out.append(pick(kOpenings, dice));
    append_clause(out, dice);
    if (dice.below(2) == 0) {
        out.append(dice.below(2) == 0 ? ", " : " ");
        out.append(pick(kJoins, dice)).push_back(' ');
        append_clause(out, dice);
    }
    out.push_back(dice.below(12) == 0 ? '?' : '.');
    if (out[start] >= 'a' && out[start] <= 'z') out[start] = static_cast<char>(out[start] - 'a' + 'A');
}

}  // namespace

void append_prose(std::string& out, std::size_t bytes, Dice& dice) {
    const std::size_t end = out.size() + bytes;
    append_sentence(out, dice);
    while (out.size() < end) {
        out.push_back(' ');
        append_sentence(out, dice);
    }
}

std::size_t text_length(std::size_t median, Dice& dice) {
    // Box and Muller (1958); a deviation of 0.7 puts a tenth of the texts above 2.5 times the median.
    const double normal = std::sqrt(2 * dice.exponential()) * std::cos(2 * std::numbers::pi * dice.unit());
    const double length = static_cast<double>(median) * std::exp(0.7 * normal);
    return std::clamp(static_cast<std::size_t>(length), std::max<std::size_t>(1, median / 5), median * 5);
}

}  // namespace tidegate::load
