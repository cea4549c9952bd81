// Batch JSON: puts many request bodies into one list and takes one list of results apart, as slices of text.
//
// Guarantee   Each item is checked to be exactly one JSON value (RFC 8259, valid UTF-8, depth at most 64) before it is put
//             beside another caller's: no body can reach outside its place. Values are copied as the bytes they came in,
//             numbers keep their digits. A reply that is not exactly as declared is an error for all, never a guess.
// Memory      Slices point into the text given; one pass, nothing is built.
// Threads     Pure functions.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "pipeline/upstream/micro_batcher.h"

namespace tidegate::upstream {

/// How single and list form of an upstream's API relate. Empty names: the whole body.
struct BatchFormat {
    std::string item_field;     // In the client's body: the item. Its other members must be equal within a batch.
    std::string items_field;    // In the upstream's body: the list; empty: the body is the list.
    std::string results_field;  // In the upstream's answer: the list of results; empty: the answer is the list.
    std::string result_field;   // In the answer to the client: the result; empty: the answer is the result.
    std::string
        error_field;  // A result that is an object with this member, not null, is that item's error. Empty: none.
};

/// A client's body taken apart.
struct SplitItem {
    std::string_view item;
    std::string others;  // `"model":"x","top_k":3`: the other members as they came; part of the group.
};

/// kInvalidArgument when the body is not one JSON value, or not an object with item_field once.
Result<SplitItem> split_item(std::string_view body, const BatchFormat& format);
/// The upstream's body: `{OTHERS,"items_field":[...]}` or `[...]`. The items are as split_item() checked them.
std::string merge_items(const std::vector<std::string>& items, std::string_view others, const BatchFormat& format);
/// The results in order. kUnavailable when the answer is not JSON, not of the form, or not of `count` results.
BatchAnswer split_results(std::string_view answer, std::size_t count, const BatchFormat& format);

}  // namespace tidegate::upstream
