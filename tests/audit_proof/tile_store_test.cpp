#include "audit/proof/tile_store.h"

#include <gtest/gtest.h>

#include <filesystem>

#include "audit_proof/known_tree.h"
#include "audit_proof/temp_folder.h"

namespace tidegate::audit::proof {
namespace {

namespace fs = std::filesystem;

class TileStoreTest : public ::testing::Test {
  protected:
    std::unique_ptr<TileStore> open() { return TileStore::open(folder()).value(); }
    std::string folder() const { return directory_.path() + "/tiles"; }
    void expect_whole(const TileStore& store, std::span<const Sha256> leaves) const {
        ASSERT_EQ(store.size(), leaves.size());
        const LeafReader wanted(leaves);
        EXPECT_EQ(root_of(store, leaves.size()).value(), root_of(wanted, leaves.size()).value());
        for (const std::uint64_t index : {std::uint64_t{0}, leaves.size() / 3, leaves.size() - 1}) {
            EXPECT_EQ(inclusion_proof(store, index, leaves.size()).value(),
                      inclusion_proof(wanted, index, leaves.size()).value());
        }
    }

    TempFolder directory_;
    // Two whole tiles of level 1 and some more.
    const HashPath leaves_ = made_leaves(2 * 65'536 + 3 * 256 + 5);
};

TEST_F(TileStoreTest, GivesRootsAndProofsOfAnySizeHoweverTheLeavesCame) {
    const auto store = open();
    std::size_t done = 0;
    for (std::size_t n = 1; done < leaves_.size(); n = n * 3 + 1) {
        const std::size_t count = std::min(n, leaves_.size() - done);
        ASSERT_TRUE(store->append(std::span(leaves_).subspan(done, count)));
        done += count;
        expect_whole(*store, std::span(leaves_).first(done));
    }
    const LeafReader wanted(leaves_);
    for (const std::uint64_t first : {1ULL, 255ULL, 256ULL, 300ULL, 65'536ULL, 65'537ULL, 131'072ULL}) {
        EXPECT_EQ(consistency_proof(*store, first, store->size()).value(),
                  consistency_proof(wanted, first, leaves_.size()).value());
    }
}

TEST_F(TileStoreTest, ServesWholeAndPartialTiles) {
    const auto store = open();
    ASSERT_TRUE(store->append(std::span(leaves_).first(300)));
    EXPECT_EQ(store->read({0, 0, 256}).value().size(), 8192U);
    EXPECT_EQ(store->read({0, 1, 44}).value(),
              std::string(reinterpret_cast<const char*>(&leaves_[256]), 44 * sizeof(Sha256)));
    EXPECT_EQ(store->read({0, 1, 17}).value().size(), 17 * sizeof(Sha256)) << "an older checkpoint's partial tile";
    const Sha256 above = perfect_root(std::span(leaves_).first(256));
    EXPECT_EQ(store->read({1, 0, 1}).value(), std::string(reinterpret_cast<const char*>(&above), sizeof above));
    EXPECT_EQ(store->read({0, 1, 45}).error().code, ErrorCode::kNotFound);
    EXPECT_EQ(store->read({0, 2, 1}).error().code, ErrorCode::kNotFound);
    EXPECT_EQ(store->read({2, 0, 1}).error().code, ErrorCode::kNotFound);
}

TEST_F(TileStoreTest, GoesOnWhereItWasAfterAStart) {
    {
        const auto store = open();
        ASSERT_TRUE(store->append(std::span(leaves_).first(70'000)));
        ASSERT_TRUE(store->sync());
    }
    const auto store = open();
    expect_whole(*store, std::span(leaves_).first(70'000));
    ASSERT_TRUE(store->append(std::span(leaves_).subspan(70'000)));
    expect_whole(*store, leaves_);
}

TEST_F(TileStoreTest, MakesUpperLevelsAgainThatACrashHasLost) {
    ASSERT_TRUE(open()->append(leaves_));
    fs::resize_file(folder() + "/1/000000.hashes", 100 * sizeof(Sha256) + 7);
    fs::remove(folder() + "/2/000000.hashes");
    expect_whole(*open(), leaves_);
}

TEST_F(TileStoreTest, CutsALeafThatWasHalfWritten) {
    ASSERT_TRUE(open()->append(std::span(leaves_).first(600)));
    fs::resize_file(folder() + "/0/000000.hashes", 511 * sizeof(Sha256) + 31);
    const auto store = open();
    expect_whole(*store, std::span(leaves_).first(511));
    ASSERT_TRUE(store->append(std::span(leaves_).subspan(511, 400)));
    expect_whole(*store, std::span(leaves_).first(911));
}

TEST_F(TileStoreTest, ForgetsAndTakesOtherLeaves) {
    const auto store = open();
    HashPath wrong(leaves_.begin(), leaves_.begin() + 1000);
    wrong[700][0] ^= 1U;
    ASSERT_TRUE(store->append(wrong));
    EXPECT_NE(root_of(*store, 1000).value(), root_of(LeafReader(leaves_), 1000).value());
    ASSERT_TRUE(store->truncate(700));
    ASSERT_TRUE(store->append(std::span(leaves_).subspan(700, 300)));
    expect_whole(*store, std::span(leaves_).first(1000));
    EXPECT_EQ(store->truncate(1001).error().code, ErrorCode::kInvalidArgument);
}

TEST_F(TileStoreTest, KeepsItsOneFileWhenPruned) {
    const auto store = open();
    ASSERT_TRUE(store->append(std::span(leaves_).first(1000)));
    ASSERT_TRUE(store->prune(1000));
    expect_whole(*store, std::span(leaves_).first(1000));
}

}  // namespace
}  // namespace tidegate::audit::proof
