// What clients send to text models: texts, pairs and token ids in the several forms that the protocols allow.
//
// Guarantee   A form that could be read in two ways is read as the protocol's own server does; anything else is refused by name.
// Threads     Pure functions; views into the JSON document.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

#include "base/json.h"
#include "base/result.h"

namespace tidegate::inference {

struct TextItem {
    std::string_view text;
    std::optional<std::string_view> second;  // Of a pair.
    std::vector<std::uint32_t> tokens;       // In the place of a text.
    bool is_tokens = false;
};

struct TextItems {
    std::vector<TextItem> items;
    bool single = false;  // One text was given, not a list: the answer is one, too.
};

/// OpenAI's `input`, text-embeddings-inference's `inputs` of /embed: a text, texts, token ids, or lists of token ids.
/// kInvalidArgument names `name`.
Result<TextItems> read_texts(json::Value input, std::string_view name, std::size_t most);

/// `inputs` of /predict: a text; a list of two is a pair; a list of lists is several, each of one text or a pair.
Result<TextItems> read_sequences(json::Value input, std::string_view name, std::size_t most);

}  // namespace tidegate::inference
