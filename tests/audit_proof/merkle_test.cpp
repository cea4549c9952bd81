#include "audit/proof/merkle.h"

#include <gtest/gtest.h>

#include "audit_proof/known_tree.h"

namespace tidegate::audit::proof {
namespace {

TEST(Merkle, GivesThePublishedRoots) {
    const HashPath leaves = known_leaves();
    const LeafReader tree(leaves);
    for (std::size_t size = 0; size < kKnownRoots.size(); ++size) {
        EXPECT_EQ(to_hex(root_of(tree, size).value()), kKnownRoots[size]) << size;
    }
}

TEST(Merkle, GivesThePublishedProofs) {
    const HashPath leaves = known_leaves();
    const LeafReader tree(leaves);
    EXPECT_EQ(inclusion_proof(tree, 0, 8).value(),
              hashes_of_hex({"96a296d224f285c67bee93c30f8a309157f0daa35dc5b87e410b78630a09cfc7",
                             "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
                             "6b47aaf29ee3c2af9af889bc1fb9254dabd31177f16232dd6aab035ca39bf6e4"}));
    EXPECT_EQ(inclusion_proof(tree, 5, 8).value(),
              hashes_of_hex({"bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b",
                             "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0",
                             "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7"}));
    EXPECT_EQ(consistency_proof(tree, 6, 8).value(),
              hashes_of_hex({"0ebc5d3437fbe2db158b9f126a1d118e308181031d0a949f8dededebc558ef6a",
                             "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0",
                             "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7"}));
    EXPECT_EQ(consistency_proof(tree, 2, 5).value(),
              hashes_of_hex({"5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
                             "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b"}));
}

TEST(Merkle, EveryInclusionProofHoldsAndNoChangedOneDoes) {
    const HashPath leaves = made_leaves(70);
    const LeafReader tree(leaves);
    for (std::uint64_t size = 1; size <= leaves.size(); ++size) {
        const TreeHead head{size, root_of(tree, size).value()};
        for (std::uint64_t index = 0; index < size; ++index) {
            HashPath path = inclusion_proof(tree, index, size).value();
            ASSERT_TRUE(inclusion_holds(leaves[index], index, head, path)) << index << " of " << size;
            ASSERT_FALSE(inclusion_holds(leaves[(index + 1) % leaves.size()], index, head, path));
            for (const std::uint64_t other : {index + 1, index - 1, size}) {
                ASSERT_FALSE(inclusion_holds(leaves[index], other, head, path)) << index << " of " << size;
            }
            for (Sha256& hash : path) {
                hash[7] ^= 0x10U;
                ASSERT_FALSE(inclusion_holds(leaves[index], index, head, path)) << index << " of " << size;
                hash[7] ^= 0x10U;
            }
            path.push_back(leaves[0]);
            ASSERT_FALSE(inclusion_holds(leaves[index], index, head, path)) << "one hash too many";
            path.resize(path.size() - 1);
            if (path.empty()) continue;
            path.pop_back();
            ASSERT_FALSE(inclusion_holds(leaves[index], index, head, path)) << "one hash too few";
        }
    }
}

TEST(Merkle, EveryConsistencyProofHoldsAndNoChangedOneDoes) {
    const HashPath leaves = made_leaves(50);
    const LeafReader tree(leaves);
    for (std::uint64_t second = 0; second <= leaves.size(); ++second) {
        const TreeHead head{second, root_of(tree, second).value()};
        for (std::uint64_t first = 0; first <= second; ++first) {
            const TreeHead before{first, root_of(tree, first).value()};
            HashPath path = consistency_proof(tree, first, second).value();
            ASSERT_TRUE(consistency_holds(before, head, path)) << first << " to " << second;
            TreeHead forked = before;
            forked.root[0] ^= 1U;
            ASSERT_FALSE(consistency_holds(forked, head, path)) << first << " to " << second;
            for (Sha256& hash : path) {
                hash[31] ^= 0x80U;
                ASSERT_FALSE(consistency_holds(before, head, path)) << first << " to " << second;
                hash[31] ^= 0x80U;
            }
            path.push_back(leaves[0]);
            ASSERT_FALSE(consistency_holds(before, head, path)) << "one hash too many";
            ASSERT_FALSE(consistency_holds({second + 1, head.root}, before, path)) << "the larger one first";
        }
    }
}

TEST(Merkle, RefusesProofsOfWhatIsNotInTheTree) {
    const HashPath leaves = made_leaves(5);
    const LeafReader tree(leaves);
    EXPECT_EQ(inclusion_proof(tree, 5, 5).error().code, ErrorCode::kInvalidArgument);
    EXPECT_EQ(consistency_proof(tree, 6, 5).error().code, ErrorCode::kInvalidArgument);
    EXPECT_EQ(inclusion_proof(tree, 0, 6).error().code, ErrorCode::kNotFound) << "the sixth leaf is not there";
    EXPECT_FALSE(inclusion_holds(leaves[0], 0, {0, empty_root()}, {}));
}

}  // namespace
}  // namespace tidegate::audit::proof
