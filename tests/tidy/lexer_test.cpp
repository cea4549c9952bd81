#include "tidy/lexer.h"

#include <gtest/gtest.h>

namespace tidegate::tidy {
namespace {

TEST(CodeOnly, BlanksCommentsAndEmptiesLiterals) {
    EXPECT_EQ(code_only("a; // b\nc /* d\ne */ f"), "a;     \nc     \n     f");
    EXPECT_EQ(code_only(R"(f("a\"b", 'c', '\''))"), R"(f("    ", ' ', '  '))");
    EXPECT_EQ(code_only("\"// no comment\" x"), "\"             \" x");
}

TEST(CodeOnly, KnowsDigitSeparatorsAndRawStrings) {
    EXPECT_EQ(code_only("10'000'000 + 'x'"), "10'000'000 + ' '");
    EXPECT_EQ(code_only("R\"x(a \" )\" )x\" + b"), "R\"" + std::string(11, ' ') + "\" + b");
}

TEST(CodeOnly, EndsOnTextThatIsNotClosed) {
    for (const char* text : {"\"", "'", "/*", "R\"(", "R\"", "//", "\"\\"}) {
        EXPECT_EQ(code_only(text).size(), std::string_view(text).size()) << text;
    }
}

TEST(FindWord, WantsABorderOnBothSides) {
    EXPECT_EQ(find_word("xnew new_ new", "new"), 10U);
    EXPECT_EQ(find_word("std::mutexes std::mutex", "std::mutex"), 13U);
    EXPECT_EQ(find_word("srand(", "rand("), std::string_view::npos);
    EXPECT_EQ(find_word("rand(1)", "rand("), 0U);
}

}  // namespace
}  // namespace tidegate::tidy
