// The packed dashboard is read whole or not at all.
#include "app/dashboard_routes.h"

#include <gtest/gtest.h>

namespace tidegate::app {
namespace {

TEST(Dashboard, FilesAreReadAsTheyWerePacked) {
    const std::string pack =
        R"({"files":[{"path":"index.html","type":"text/html","bytes":3},{"path":"a/b.js","type":"text/javascript","bytes":2}]})"
        "\nabcde";
    const auto files = unpack_dashboard(pack);
    ASSERT_TRUE(files) << files.error().message;
    ASSERT_EQ(files->size(), 2U);
    EXPECT_EQ(files->at(0).path, "index.html");
    EXPECT_EQ(files->at(0).body, "abc");
    EXPECT_EQ(files->at(1).type, "text/javascript");
    EXPECT_EQ(files->at(1).body, "de");
}

TEST(Dashboard, ABinaryWithoutOneHasNoFiles) {
    const auto files = unpack_dashboard("");
    ASSERT_TRUE(files);
    EXPECT_TRUE(files->empty());
}

TEST(Dashboard, WhatDoesNotAddUpIsRefused) {
    const std::string entry = R"({"path":"index.html","type":"text/html","bytes":)";
    for (const std::string& pack : {std::string("no line"), std::string("[]\n"), std::string("{}\n"),
                                    std::string("{\"files\":[1]}\nx"), "{\"files\":[" + entry + "4}]}\nabc",
                                    "{\"files\":[" + entry + "2}]}\nabc", "{\"files\":[" + entry + "-1}]}\nabc",
                                    std::string(R"({"files":[{"path":1,"type":"t","bytes":1}]})") + "\nx"}) {
        EXPECT_FALSE(unpack_dashboard(pack)) << pack;
    }
}

}  // namespace
}  // namespace tidegate::app
