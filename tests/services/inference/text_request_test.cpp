// The forms in which texts come, as each protocol's own server reads them.
#include "services/inference/text_request.h"

#include <gtest/gtest.h>

namespace tidegate::inference {
namespace {

using ReadItems = Result<TextItems> (*)(json::Value, std::string_view, std::size_t);

/// In short: `one:` before a single, texts in quotes, pairs with a slash, tokens in brackets.
std::string shown(ReadItems read, std::string_view text) {
    const auto document = json::parse(text);
    if (!document) return "no JSON";
    const auto items = read(document->root(), "input", 3);
    if (!items) return items.error().message;
    std::string out = items->single ? "one:" : "";
    for (const TextItem& item : items->items) {
        if (item.is_tokens) {
            out += "[";
            for (const std::uint32_t token : item.tokens) out += std::to_string(token) + " ";
            out += "]";
        } else {
            out += "'" + std::string(item.text) + (item.second ? "/" + std::string(*item.second) : "") + "'";
        }
    }
    return out;
}

TEST(TextRequest, EmbeddingsTakeTextsAndTokensAloneOrInLists) {
    const std::string forms = "`input` must be a text, a list of texts, a list of token ids or a list of such lists";
    EXPECT_EQ(shown(read_texts, R"("a")"), "one:'a'");
    EXPECT_EQ(shown(read_texts, R"("")"), "one:''");
    EXPECT_EQ(shown(read_texts, R"(["a","b"])"), "'a''b'");
    EXPECT_EQ(shown(read_texts, R"([1,2])"), "one:[1 2 ]");
    EXPECT_EQ(shown(read_texts, R"([[1,2],[4294967295]])"), "[1 2 ][4294967295 ]");
    EXPECT_EQ(shown(read_texts, R"([])"), "`input` must not be empty");
    EXPECT_EQ(shown(read_texts, R"([[]])"), "`input` holds an empty list of token ids");
    EXPECT_EQ(shown(read_texts, R"(["a","b","c","d"])"), "`input` has more than 3 elements");
    for (const char* bad :
         {"7", "{}", "null", R"(["a",1])", R"([1,"a"])", "[-1]", "[4294967296]", "[1.5]", R"([[1],"a"])"}) {
        EXPECT_EQ(shown(read_texts, bad), forms) << bad;
    }
}

TEST(TextRequest, ClassesTakeTextsAndPairsAsTextEmbeddingsInferenceDoes) {
    EXPECT_EQ(shown(read_sequences, R"("a")"), "one:'a'");
    EXPECT_EQ(shown(read_sequences, R"(["a"])"), "one:'a'");
    EXPECT_EQ(shown(read_sequences, R"(["a","b"])"), "one:'a/b'");
    EXPECT_EQ(shown(read_sequences, R"([["a"],["b","c"]])"), "'a''b/c'");
    for (const char* bad : {R"(["a","b","c"])", "[[1]]", R"([["a"],"b"])", "7", "[]", R"([[]])"}) {
        EXPECT_EQ(shown(read_sequences, bad),
                  "`input` must be a text, a list of one text, a pair of texts, or a list of such lists")
            << bad;
    }
}

}  // namespace
}  // namespace tidegate::inference
