// What a profile is written down as; `go tool pprof` itself reads it in tests/system/profile_test.cpp.
#include <gtest/gtest.h>

#include "base/json.h"
#include "observe/profile/flame.h"
#include "observe/profile/pprof.h"

namespace tidegate::profile {
namespace {

Profile two_stacks() {
    Profile profile;
    profile.types = {{"samples", "count"}, {"cpu", "nanoseconds"}};
    profile.period_type = {"cpu", "nanoseconds"};
    profile.period = 10;
    profile.taken_at = 1'700'000'000'000;
    profile.duration = std::chrono::seconds(2);
    profile.dropped = 3;
    // Addresses of nobody: named by themselves, the same everywhere.
    profile.samples = {{.stack = {1, 2, 3}, .values = {4, 40}, .thread = "cpu"},
                       {.stack = {2, 3}, .values = {1, 10}, .thread = "cpu"},
                       {.stack = {5}, .values = {2, 20}, .thread = "loop"}};
    return profile;
}

void check_sums(json::Value node) {
    std::int64_t below = 0;
    if (const auto children = node.find("children")) {
        std::string last;
        children->each([&](json::Value child) {
            check_sums(child);
            below += child.find("total")->as_int();
            EXPECT_LT(last, std::string(child.find("name")->as_string()));
            last = child.find("name")->as_string();
        });
    }
    EXPECT_EQ(node.find("total")->as_int(), node.find("self")->as_int() + below);
}

/// The first of a node's children.
json::Value first_child(json::Value node) {
    std::optional<json::Value> first;
    node.find("children")->each([&](json::Value child) {
        if (!first) first = child;
    });
    return first.value();
}

TEST(Flame, TotalsAreSums) {
    const SystemDisk disk;
    Symbols symbols(disk);
    const auto document = json::parse(to_flame(two_stacks(), 0, symbols));
    ASSERT_TRUE(document.has_value());
    const json::Value all = document->root();
    EXPECT_EQ(all.find("type")->as_string(), "samples");
    EXPECT_EQ(all.find("dropped")->as_int(), 3);
    EXPECT_EQ(all.find("seconds")->as_double(), 2.0);
    EXPECT_EQ(all.find("root")->find("total")->as_int(), 7);
    check_sums(*all.find("root"));
    const json::Value thread = first_child(*all.find("root"));
    EXPECT_EQ(thread.find("name")->as_string(), "cpu");
    EXPECT_EQ(thread.find("total")->as_int(), 5);
    // Outermost first: thread, [0x3], [0x2] with one sample of its own, [0x1].
    const json::Value two = first_child(first_child(thread));
    EXPECT_EQ(two.find("name")->as_string(), "[0x2]");
    EXPECT_EQ(two.find("self")->as_int(), 1);
    EXPECT_EQ(two.find("total")->as_int(), 5);
}

TEST(Pprof, HoldsEveryNameOnce) {
    const SystemDisk disk;
    Symbols symbols(disk);
    const std::string bytes = to_pprof(two_stacks(), symbols);
    for (const std::string name :
         {"[0x1]", "[0x2]", "[0x3]", "[0x5]", "samples", "nanoseconds", "samples dropped: 3"}) {
        const std::size_t first = bytes.find(name);
        ASSERT_NE(first, std::string::npos) << name;
        if (name != "samples") {
            EXPECT_EQ(bytes.find(name, first + 1), std::string::npos) << name;
        }
    }
    // sample_type, field 1: `samples` and `count` are the strings 1 and 2.
    EXPECT_EQ(bytes.substr(0, 6), std::string("\x0A\x04\x08\x01\x10\x02", 6));
}

TEST(Pprof, AnEmptyProfileIsOneToo) {
    const SystemDisk disk;
    Symbols symbols(disk);
    Profile profile;
    profile.types = {{"contentions", "count"}, {"delay", "nanoseconds"}};
    EXPECT_FALSE(to_pprof(profile, symbols).empty());
    EXPECT_TRUE(json::parse(to_flame(profile, 1, symbols)).has_value());
}

}  // namespace
}  // namespace tidegate::profile
