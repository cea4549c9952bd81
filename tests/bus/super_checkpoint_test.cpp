// Checkpoints over partitions: what is signed is what is there, and never less than before.
#include "bus/super_checkpoint.h"

#include "bus/bus_fixture.h"

namespace tidegate::bus {
namespace {

TreeHead head_of(std::uint64_t size) {
    return {size, sha256("root " + std::to_string(size))};
}

TEST(SuperCheckpoint, ComesBackAsItWasSignedAndNotChanged) {
    const BusFolder folder;
    const auto key = FolderKey::open(folder.path(), "example.org/log");
    ASSERT_TRUE(key);
    const auto signer = key->super();
    ASSERT_TRUE(signer);
    const PartitionHeads heads{{0, head_of(3)}, {2, head_of(5)}, {10, head_of(7)}};
    const std::string note = sign_super(heads, 1'800'000'000'000, *signer);
    const auto opened = open_super(note, {signer->verifier()});
    ASSERT_TRUE(opened) << opened.error().message;
    EXPECT_EQ(opened->heads, heads);
    EXPECT_EQ(opened->origin, "example.org/log");
    for (std::size_t i = 0; i < note.size(); ++i) {
        std::string changed = note;
        changed[i] = static_cast<char>(changed[i] ^ 1);
        EXPECT_FALSE(open_super(changed, {signer->verifier()})) << i;
    }
    const BusFolder other;
    EXPECT_FALSE(open_super(note, {FolderKey::open(other.path(), "example.org/log")->super()->verifier()}));
}

class SignersTest : public ::testing::Test {
  protected:
    void sign(std::uint32_t partition, std::uint64_t size) {
        std::filesystem::create_directories(partition_folder(folder_.path(), partition));
        auto signer = HeadSigner::open(key_, folder_.path(), partition, size);
        ASSERT_TRUE(signer) << signer.error().message;
        ASSERT_TRUE(signer->sign(head_of(size), 1));
    }
    SuperCheckpoint newest() {
        const auto note = SystemDisk().read(folder_.path() + "/super-checkpoint", 100'000);
        EXPECT_TRUE(note.has_value());
        const auto opened = open_super(*note, {key_.super()->verifier()});
        EXPECT_TRUE(opened.has_value());
        return *opened;
    }
    BusFolder folder_;
    FolderKey key_ = *FolderKey::open(folder_.path(), "tidegate/decisions");
};

TEST_F(SignersTest, TheNewestHeadsOfAllPartitionsAreUnderIt) {
    sign(0, 4);
    sign(1, 6);
    SuperSigner super(key_, folder_.path());
    EXPECT_TRUE(*super.sign(1));
    EXPECT_EQ(newest().heads, (PartitionHeads{{0, head_of(4)}, {1, head_of(6)}}));
    EXPECT_FALSE(*super.sign(2)) << "nothing is new";
    sign(1, 9);
    EXPECT_TRUE(*super.sign(3));
    EXPECT_EQ(newest().heads.at(1), head_of(9));
}

TEST_F(SignersTest, OneSignsAtATime) {
    sign(0, 4);
    SuperSigner first(key_, folder_.path());
    SuperSigner second(key_, folder_.path());
    EXPECT_TRUE(*first.sign(1));
    sign(0, 5);
    EXPECT_FALSE(*second.sign(2));
    EXPECT_TRUE(*first.sign(3));
}

TEST_F(SignersTest, NothingIsSignedOverAPartitionThatShrankOrWent) {
    sign(0, 4);
    sign(1, 6);
    {
        SuperSigner super(key_, folder_.path());
        EXPECT_TRUE(*super.sign(1));
    }
    const std::string folder = partition_folder(folder_.path(), 1);
    const auto before = *SystemDisk().read(folder + "/latest-checkpoint", 10'000);
    std::filesystem::remove_all(folder);
    {
        SuperSigner super(key_, folder_.path());
        EXPECT_EQ(super.sign(2).error().code, ErrorCode::kDataLoss);
    }
    sign(1, 5);
    SuperSigner super(key_, folder_.path());
    EXPECT_EQ(super.sign(3).error().code, ErrorCode::kDataLoss);
    ASSERT_TRUE(SystemDisk().write_atomic(folder + "/latest-checkpoint", before));
    EXPECT_FALSE(*super.sign(4)) << "as it was: nothing is new";
}

TEST_F(SignersTest, ALogShorterThanItsCheckpointIsNotSigned) {
    sign(0, 4);
    EXPECT_EQ(HeadSigner::open(key_, folder_.path(), 0, 3).error().code, ErrorCode::kDataLoss);
}

TEST_F(SignersTest, TheVerifierKeysLieBesideIt) {
    sign(0, 4);
    SuperSigner super(key_, folder_.path());
    EXPECT_TRUE(*super.sign(1));
    const auto text = SystemDisk().read(folder_.path() + "/checkpoint.keys", 10'000);
    ASSERT_TRUE(text);
    const auto keys = audit::proof::parse_verifier_keys(*text);
    ASSERT_TRUE(keys);
    ASSERT_EQ(keys->size(), 2U);
    EXPECT_EQ((*keys)[1].name(), "tidegate/decisions/partition-0");
}

}  // namespace
}  // namespace tidegate::bus
