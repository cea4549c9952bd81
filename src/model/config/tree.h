// The tree that a model's config is read into, the same for protobuf text, YAML and JSON.
//
// Guarantee   Every text of a node is valid UTF-8; names are those of the notation; nothing is interpreted yet.
// Memory      At most kNodesMax nodes of kDepthMax levels, whatever the text repeats by anchors or brackets.
// Threads     Values; no state.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace tidegate::model::config {

// Labels of 21,000 classes fit; a tree of this size takes 8 MB.
inline constexpr std::size_t kNodesMax = 50'000;
// The deepest of Triton's words (a warm-up's input) is 6 levels down.
inline constexpr int kDepthMax = 16;

// Repeated names are looked for one by one; a map of Triton's has 30 words.
inline constexpr std::size_t kMembersMax = 1'000;

struct Member;

struct Node {
    enum class Kind : std::uint8_t { kScalar, kList, kMap };
    /// What a scalar may be taken for: protobuf text and JSON tell strings from words, YAML does not.
    enum class Style : std::uint8_t { kWord, kString, kEither };

    Kind kind = Kind::kScalar;
    Style style = Style::kEither;
    int line = 0;  // 0: the notation has no lines (JSON).
    std::string text;
    std::vector<Node> items;
    std::vector<Member> members;  // In order; protobuf text repeats names.
};

struct Member {
    std::string name;
    Node value;  // value.line is the name's, which is where a reader looks.
};

/// Each gives a map; in YAML and JSON no map has a name twice. kInvalidArgument, beginning with `WHERE:LINE: `.
Result<Node> parse_pbtxt(std::string_view text, std::string_view where);
Result<Node> parse_yaml(std::string_view text, std::string_view where);
Result<Node> parse_json(std::string_view text, std::string_view where);

}  // namespace tidegate::model::config
