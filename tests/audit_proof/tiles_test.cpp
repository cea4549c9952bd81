#include "audit/proof/tiles.h"

#include <gtest/gtest.h>

namespace tidegate::audit::proof {
namespace {

TEST(TilePaths, AreThoseOfTheSpecification) {
    EXPECT_EQ(path_of({false, {0, 1'234'067, 256}}), "tile/0/x001/x234/067");
    EXPECT_EQ(path_of({false, {1, 0, 17}}), "tile/1/000.p/17");
    EXPECT_EQ(path_of({true, {0, 273, 112}}), "tile/entries/273.p/112");
}

TEST(TilePaths, ComeBackAsTheyWere) {
    for (const std::uint64_t index : {0ULL, 1ULL, 999ULL, 1'000ULL, 1'234'067ULL, (1ULL << 56U) - 1}) {
        for (const unsigned width : {1U, 255U, 256U}) {
            for (const bool entries : {false, true}) {
                const TilePath path{entries, {0, index, width}};
                EXPECT_EQ(parse_tile_path(path_of(path)), path) << path_of(path);
            }
        }
    }
    EXPECT_TRUE(parse_tile_path("tile/7/000"));
}

TEST(TilePaths, OtherSpellingsAreRefused) {
    for (const char* path : {"",
                             "tile/",
                             "tile/0",
                             "tile/0/",
                             "tile/00/000",
                             "tile/8/000",
                             "tile/-1/000",
                             "tile/0/0",
                             "tile/0/0000",
                             "tile/0/x000/001",
                             "tile/0/001/002",
                             "tile/0/x001",
                             "tile/0/000.p/0",
                             "tile/0/000.p/256",
                             "tile/0/000.p/01",
                             "tile/0/000.p/",
                             "tile/0/000/",
                             "/tile/0/000",
                             "tile/entries/000.p/300",
                             "tile/entry/000",
                             "tile/0/../000",
                             "tile/7/001",
                             "tile/0/x072/x057/x594/x037/x927/936",
                             "tile/0/x001/x001/x001/x001/x001/x001/x001/001"}) {
        EXPECT_FALSE(parse_tile_path(path)) << path;
    }
}

TEST(TileWidth, IsTheSpecificationsExample) {
    // "A tree of size 70,000 will be represented by 273 full level 0 tiles, one partial level 0 tile of width 112, one full level 1
    // tile, one partial level 1 tile of width 17, and one partial level 2 tile of width 1."
    EXPECT_EQ(tile_width(0, 272, 70'000), 256U);
    EXPECT_EQ(tile_width(0, 273, 70'000), 112U);
    EXPECT_EQ(tile_width(0, 274, 70'000), 0U);
    EXPECT_EQ(tile_width(1, 0, 70'000), 256U);
    EXPECT_EQ(tile_width(1, 1, 70'000), 17U);
    EXPECT_EQ(tile_width(2, 0, 70'000), 1U);
    EXPECT_EQ(tile_width(3, 0, 70'000), 0U);
    EXPECT_EQ(tile_width(0, 0, 256), 256U);
    EXPECT_EQ(tile_width(0, 1, 256), 0U);
    EXPECT_EQ(tile_width(1, 0, 256), 1U);
}

TEST(EntryBundle, HoldsRecordsOfAnySizeUpToItsLimit) {
    const std::string large(kBundleRecordMax, 'r');
    const std::vector<std::string_view> records{"", "one", large};
    const std::string bundle = entry_bundle(records).value();
    EXPECT_EQ(bundle.substr(0, 7), std::string("\x00\x00\x00\x03one", 7));
    EXPECT_EQ(split_entry_bundle(bundle, 3).value(), records);
    EXPECT_EQ(split_entry_bundle(bundle, 2).error().code, ErrorCode::kDataLoss);
    EXPECT_EQ(split_entry_bundle(bundle, 4).error().code, ErrorCode::kDataLoss);
    EXPECT_EQ(split_entry_bundle(bundle.substr(0, bundle.size() - 1), 3).error().code, ErrorCode::kDataLoss);
    const std::string too_large(kBundleRecordMax + 1, 'r');
    EXPECT_EQ(entry_bundle(std::vector<std::string_view>{too_large}).error().code, ErrorCode::kTooLarge);
}

}  // namespace
}  // namespace tidegate::audit::proof
