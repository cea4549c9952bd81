#include "pipeline/upstream/batch_json.h"

#include "base/json.h"
#include "pipeline_upstream/support.h"

namespace tidegate::upstream {
namespace {

const BatchFormat kBare;
const BatchFormat kFields{.item_field = "input",
                          .items_field = "inputs",
                          .results_field = "outputs",
                          .result_field = "output",
                          .error_field = "error"};

/// So many clients with one item each.
std::vector<std::uint32_t> ones(std::size_t count) {
    return std::vector<std::uint32_t>(count, 1);
}

TEST(BatchJsonTest, ABareBodyIsTheItem) {
    const auto split = split_item(" {\"a\": 1.50} \n", kBare);
    ASSERT_TRUE(split);
    EXPECT_EQ(split->item, "{\"a\": 1.50}");
    EXPECT_EQ(split->others, "");
    EXPECT_EQ(merge_items({"{\"a\": 1.50}", "2", "\"x\""}, "", kBare), "[{\"a\": 1.50},2,\"x\"]");
    EXPECT_EQ(merge_items({"1"}, "", kBare), "[1]");
}

TEST(BatchJsonTest, AnItemFieldIsTakenOutAndTheOthersStandOnce) {
    const auto split = split_item(R"({"model":"m" , "input": [1, 2], "top_k":3})", kFields);
    ASSERT_TRUE(split);
    EXPECT_EQ(split->item, "[1, 2]");
    EXPECT_EQ(split->others, R"("model":"m","top_k":3)");
    EXPECT_EQ(merge_items({"[1, 2]", "[3]"}, split->others, kFields),
              R"({"model":"m","top_k":3,"inputs":[[1, 2],[3]]})");
    EXPECT_EQ(merge_items({"1"}, "", kFields), R"({"inputs":[1]})");
}

TEST(BatchJsonTest, NoBodyReachesOutsideItsPlace) {
    for (const std::string_view body : {"1],\"x\":[2", "1,2", "", "{", "{}{}", "\"a\"\"b\""}) {
        const auto split = split_item(body, kBare);
        ASSERT_FALSE(split) << body;
        EXPECT_EQ(split.error().code, ErrorCode::kInvalidArgument);
    }
    for (const std::string_view body : {R"({"other":1})", R"({"input":1,"input":2})", R"([1])", R"({"\u0069nput":1})",
                                        R"({"input":1,"inputs":[2]})", R"({"input":1,"in\u0070uts":[2]})"}) {
        EXPECT_FALSE(split_item(body, kFields)) << body;
    }
}

TEST(BatchJsonTest, ResultsComeApartByIndexByteForByte) {
    const auto bare = split_results(" [ 0.10 , {\"a\" : [ ]} ,\"]\" ] ", ones(3), kBare);
    ASSERT_TRUE(bare);
    EXPECT_EQ(*(*bare)[0], "0.10");
    EXPECT_EQ(*(*bare)[1], "{\"a\" : [ ]}");
    EXPECT_EQ(*(*bare)[2], "\"]\"");
    const auto fields = split_results(R"({"took":3,"outputs":[{"s":1},{"s":2}],"x":[9]})", ones(2), kFields);
    ASSERT_TRUE(fields);
    EXPECT_EQ(*(*fields)[0], R"({"output":{"s":1}})");
    EXPECT_EQ(*(*fields)[1], R"({"output":{"s":2}})");
}

TEST(BatchJsonTest, AnItemsErrorIsItsOwn) {
    const auto answers =
        split_results(R"({"outputs":[{"s":1},{"error":"too long"},{"error":null,"s":3},"error"]})", ones(4), kFields);
    ASSERT_TRUE(answers);
    EXPECT_TRUE((*answers)[0]);
    ASSERT_FALSE((*answers)[1]);
    EXPECT_EQ((*answers)[1].error().message, R"({"error":"too long"})");
    EXPECT_EQ((*answers)[1].error().code, ErrorCode::kFailedValidation);
    EXPECT_TRUE((*answers)[2]);
    EXPECT_TRUE((*answers)[3]);
}

TEST(BatchJsonTest, WhatIsNotExactlyAsDeclaredIsAnErrorForAll) {
    for (const std::string_view answer :
         {"", "[]", "[1]", "[1,2,3]", "{\"a\":1}", "[1,2", "[1,2]]", "1", "null", "<html>", "[1,NaN]"}) {
        const auto answers = split_results(answer, ones(2), kBare);
        ASSERT_FALSE(answers) << answer;
        EXPECT_EQ(answers.error().code, ErrorCode::kDataLoss);
    }
    for (const std::string_view answer :
         {R"([1,2])", R"({})", R"({"outputs":{}})", R"({"outputs":[1]})", R"({"outputs":[1,2],"outputs":[3,4]})",
          R"({"outputs":[1,2],"o\u0075tputs":[3,4]})", R"({"outputs":[1,2]} x)"}) {
        EXPECT_FALSE(split_results(answer, ones(2), kFields)) << answer;
    }
}

// Any items go in and come out as they were, whatever else stands beside them.
TEST(BatchJsonTest, MergingAndSplittingIsTheIdentity) {
    const std::vector<std::string> kinds{"1.500", "\"a\\\",]\"", "[ [ ] , 2]",           "{\"x\": {\"y\" : []}}",
                                         "null",  "true",        "\"\xf0\x9f\x98\x80\"", "-0.0e-1"};
    SeededRandom dice(12);
    const BatchFormat echo{.item_field = "input", .items_field = "inputs", .results_field = "inputs"};
    for (int round = 0; round < 500; ++round) {
        std::vector<std::string> items;
        for (std::uint64_t n = 1 + dice.next_u64() % 40; n > 0; --n)
            items.push_back(kinds[dice.next_u64() % kinds.size()]);
        const std::string body = merge_items(items, round % 2 == 0 ? "" : R"("model":"m")", echo);
        ASSERT_TRUE(json::parse(body)) << body;
        const auto answers = split_results(body, ones(items.size()), echo);
        ASSERT_TRUE(answers);
        for (std::size_t i = 0; i < items.size(); ++i) ASSERT_EQ(*(*answers)[i], items[i]);
    }
}

TEST(BatchJsonTest, ClientsWithListsOfTheirOwnGetListsOfTheirOwn) {
    // The form of an embeddings service: places and shared members in the answer, and sums that are nobody's own.
    const BatchFormat lists{.items_field = "input",
                            .results_field = "data",
                            .lists = true,
                            .index_field = "index",
                            .answer_fields = {"object", "model", "absent"}};
    ASSERT_TRUE(check(lists));
    const auto two = split_item(R"({"model":"m","input":[ "a" , "b"]})", lists);
    ASSERT_TRUE(two);
    EXPECT_EQ(two->item, R"("a" , "b")");
    EXPECT_EQ(two->others, R"("model":"m")");
    EXPECT_EQ(two->count, 2U);
    const auto one = split_item(R"({"input":"c","model":"m"})", lists);
    ASSERT_TRUE(one);
    EXPECT_EQ(one->item, R"("c")");
    EXPECT_EQ(one->count, 1U);
    EXPECT_EQ(merge_items({std::string(two->item), std::string(one->item)}, two->others, lists),
              R"({"model":"m","input":["a" , "b","c"]})");
    const std::vector<std::uint32_t> counts{2, 1};
    const auto answers = split_results(
        R"({"object":"list","data":[{"index":0,"e":[1]},{"index": 1,"e":[2]},{"e":[3],"index":2}],"model":"m","usage":{"n":9}})",
        counts, lists);
    ASSERT_TRUE(answers);
    EXPECT_EQ(*(*answers)[0], R"({"object":"list","model":"m","data":[{"index":0,"e":[1]},{"index": 1,"e":[2]}]})");
    EXPECT_EQ(*(*answers)[1], R"({"object":"list","model":"m","data":[{"e":[3],"index":0}]})");
    EXPECT_FALSE(split_results(R"({"data":[1,2]})", counts, lists)) << "two results for three items";
    for (const char* body : {R"({"input":[]})", R"({"model":"m"})", R"([1])", R"({"input":[1],"input":[2]})"}) {
        EXPECT_FALSE(split_item(body, lists)) << body;
    }
    const BatchFormat bare{.lists = true};
    EXPECT_EQ(split_item("[1, 2]", bare)->count, 2U);
    EXPECT_FALSE(split_item("1", bare));
    EXPECT_EQ(*(*split_results("[[1],[2],[3]]", counts, bare))[0], "[[1],[2]]");
}

TEST(BatchJsonTest, AFormatThatContradictsItselfIsRefused) {
    EXPECT_TRUE(check(kBare));
    EXPECT_TRUE(check(kFields));
    EXPECT_FALSE(check({.item_field = "x"}));
    EXPECT_FALSE(check({.item_field = "x", .items_field = "y", .lists = true}));
    EXPECT_FALSE(check({.items_field = "y", .error_field = "e", .lists = true}));
    EXPECT_FALSE(check({.answer_fields = {"model"}}));
    EXPECT_FALSE(check({.results_field = "r", .result_field = "model", .answer_fields = {"model"}}));
}

}  // namespace
}  // namespace tidegate::upstream
