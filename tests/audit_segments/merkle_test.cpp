#include "audit/segments/merkle.h"

#include <gtest/gtest.h>

#include "audit_segments/segments_fixture.h"

namespace tidegate::audit::segments {
namespace {

std::vector<std::uint8_t> from_hex(std::string_view hex) {
    std::vector<std::uint8_t> bytes;
    for (std::size_t i = 0; i < hex.size(); i += 2) {
        const auto digit = [](char c) { return c <= '9' ? c - '0' : c - 'a' + 10; };
        bytes.push_back(static_cast<std::uint8_t>(digit(hex[i]) * 16 + digit(hex[i + 1])));
    }
    return bytes;
}

// The test vectors that Certificate Transparency's implementations share.
TEST(MerkleStack, GivesTheKnownRootsOfCertificateTransparency) {
    const std::vector<std::string> inputs{
        "", "00", "10", "2021", "3031", "40414243", "5051525354555657", "606162636465666768696a6b6c6d6e6f"};
    const std::vector<std::string> roots{"e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
                                         "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
                                         "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
                                         "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
                                         "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
                                         "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
                                         "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
                                         "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
                                         "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328"};
    MerkleStack tree;
    EXPECT_EQ(to_hex(tree.root()), roots[0]);
    for (std::size_t i = 0; i < inputs.size(); ++i) {
        tree.add(leaf_hash(from_hex(inputs[i])));
        EXPECT_EQ(to_hex(tree.root()), roots[i + 1]) << i;
    }
}

TEST(MerkleStack, EqualsTheDefinitionAtEverySizeAndAfterARestore) {
    std::vector<Sha256> leaves;
    MerkleStack tree;
    for (std::size_t size = 1; size <= 130; ++size) {
        leaves.push_back(leaf_hash(bytes_of(std::to_string(size))));
        tree.add(leaves.back());
        ASSERT_EQ(tree.root(), tree_head(leaves)) << size;
        auto again = MerkleStack::restore(tree.size(), tree.peaks());
        ASSERT_TRUE(again);
        ASSERT_EQ(again->root(), tree.root());
        tree = *again;
    }
    EXPECT_FALSE(MerkleStack::restore(5, tree.peaks().first(1)));
}

TEST(LeafHash, IsTheSameWithThePrefixInFront) {
    const std::string record("\0record", 7);
    EXPECT_EQ(leaf_hash_prefixed(bytes_of(record)), leaf_hash(bytes_of("record")));
}

}  // namespace
}  // namespace tidegate::audit::segments
