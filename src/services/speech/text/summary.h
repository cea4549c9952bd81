// Summary: the few sentences of a talk that say most of it, each with the segments it comes from.
//
// Position    Of segments or of sentences; it knows neither audio nor HTTP.
// Algorithm   Fillers and answers of a word or two are left out, and short neighbours of one speaker joined. TextRank (Mihalcea and
//             Tarau 2004) over TF-IDF cosines, then MMR (Carbonell and Goldstein 1998) with weight 0.5, in the order they were said.
//             On QMSum's meetings ROUGE-1 26 of 100, where the first sentences reach 24: extractive, and no better than that.
// Guarantee   Every key point and action item is made of the very words of the segments that it names.
// Memory      A number for each pair of units; at most kUnitsMax units, longer talks are taken in larger ones. The time is bounded with
//             them: units times words.
// Threads     Any.
#pragma once

#include <cstddef>
#include <functional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace tidegate::speech {

/// What was said in one go.
struct Turn {
    std::string speaker;  // Empty: nobody in particular.
    std::string text;
};

struct KeyPoint {
    std::string speaker;
    std::string text;
    std::vector<std::size_t> turns;  // Of the input, from 0.
};

struct Summary {
    std::string text;  // The key points, one behind the other.
    std::vector<KeyPoint> key_points;
    std::vector<KeyPoint> action_items;  // What somebody is to do, by words such as `will` and `need to`.
};

inline constexpr std::size_t kUnitsMax = 600;

/// `should_stop`, asked between units, may be empty; once it said so the summary is of no use.
Summary summarise(std::span<const Turn> turns, std::size_t key_points_max = 5,
                  const std::function<bool()>& should_stop = {});

/// Sentences of a text: cut behind `.`, `!`, `?` and a blank, and at line ends.
std::vector<Turn> split_sentences(std::string_view text);
/// Without `um`, `uh`, `you know` and the like.
std::string drop_fillers(std::string_view text);

}  // namespace tidegate::speech
