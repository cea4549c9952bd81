#include "base/html.h"

#include <gtest/gtest.h>

namespace tidegate {
namespace {

TEST(Html, WhatIsTextStaysText) {
    EXPECT_EQ(escape_html("a < b & \"c\" > 'd'"), "a &lt; b &amp; &quot;c&quot; &gt; &#39;d&#39;");
    EXPECT_EQ(escape_html("<script>alert(1)</script>"), "&lt;script&gt;alert(1)&lt;/script&gt;");
    EXPECT_EQ(escape_html(""), "");
    EXPECT_EQ(escape_html("Zürich 東京 😀\n\tx"), "Zürich 東京 😀\n\tx");
}

TEST(Html, BytesThatAreNoTextAreReplaced) {
    EXPECT_EQ(escape_html("a\xFF"
                          "b"),
              "a\xEF\xBF\xBD"
              "b");
    EXPECT_EQ(escape_html(std::string_view("a\0b\x1B\x7F", 5)),
              "a\xEF\xBF\xBD"
              "b\xEF\xBF\xBD\xEF\xBF\xBD");
    // A sequence cut off at the end: nothing is left that could take along what follows it in the page.
    EXPECT_EQ(escape_html("x\xE6\x9D"), "x\xEF\xBF\xBD\xEF\xBF\xBD");
}

}  // namespace
}  // namespace tidegate
