// Batch JSON: puts many request bodies into one list and takes one list of results apart, as slices of text.
//
// Guarantee   Each item is checked to be exactly one JSON value (RFC 8259, valid UTF-8, depth at most 64) before it is put
//             beside another caller's: no body can reach outside its place. Values are copied as the bytes they came in,
//             numbers keep their digits. A reply that is not exactly as declared is an error for all, never a guess.
// Memory      Slices point into the text given; one pass, nothing is built.
// Threads     Pure functions.
#pragma once

#include <cstdint>
#include <span>
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
    /// A result that is an object with this member, not null, is that item's error. Empty: none.
    std::string error_field;
    /// Clients speak the upstream's own form: a list of their own (or one value) in items_field, their part of the list in
    /// results_field back. Without item_field, result_field and error_field.
    bool lists = false;
    /// Member of a result that is its place in the list, written anew in each client's. Empty: none.
    std::string index_field;
    /// Members of the upstream's answer that hold for each of its results: they go to every client, where it gets an object.
    std::vector<std::string> answer_fields;
};

/// What contradicts itself: kInvalidArgument names it.
Result<void> check(const BatchFormat& format);

/// A client's body taken apart.
struct SplitItem {
    std::string_view item;    // With `lists`: all of its items, with the commas between them.
    std::string others;       // `"model":"x","top_k":3`: the other members as they came; part of the group.
    std::uint32_t count = 1;  // Items.
};

/// kInvalidArgument when the body is not one JSON value, or not an object with item_field once.
Result<SplitItem> split_item(std::string_view body, const BatchFormat& format);
/// The upstream's body: `{OTHERS,"items_field":[...]}` or `[...]`. The items are as split_item() checked them.
std::string merge_items(const std::vector<std::string>& items, std::string_view others, const BatchFormat& format);
/// What each client gets, in order; it has asked for counts[i] results. An item's own error is kFailedValidation with the
/// result's text as its message. kDataLoss when the answer is not JSON, not of the form, or not of as many results.
BatchAnswer split_results(std::string_view answer, std::span<const std::uint32_t> counts, const BatchFormat& format);

}  // namespace tidegate::upstream
