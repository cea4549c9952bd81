#include "services/compliance/reports/span_root.h"

#include <gtest/gtest.h>

namespace tidegate::compliance {
namespace {

std::vector<Sha256> leaves_of(std::size_t count) {
    std::vector<Sha256> leaves;
    for (std::size_t i = 0; i < count; ++i) leaves.push_back(audit::proof::leaf_hash(std::to_string(i)));
    return leaves;
}

Sha256 root_of(const std::vector<Sha256>& leaves) {
    const audit::proof::LeafReader all(leaves);
    return audit::proof::root_of(all, leaves.size()).value();
}

TEST(SpanRoot, AnySpanWithTheKeptHashesAroundItLeadsToTheRoot) {
    for (std::size_t size = 1; size <= 40; ++size) {
        const auto leaves = leaves_of(size);
        const audit::proof::LeafReader kept(leaves);
        for (std::size_t from = 0; from <= size; ++from) {
            for (std::size_t to = from; to <= size; ++to) {
                SpanRoot root(kept);
                ASSERT_TRUE(root.skip_to(from));
                for (std::size_t i = from; i < to; ++i) root.add(leaves[i]);
                ASSERT_TRUE(root.skip_to(size));
                EXPECT_EQ(root.root(), root_of(leaves)) << size << " from " << from << " to " << to;
            }
        }
    }
}

TEST(SpanRoot, TwoSpansWithAStretchBetweenThemLeadToTheRoot) {
    const auto leaves = leaves_of(1000);
    const audit::proof::LeafReader kept(leaves);
    SpanRoot root(kept);
    for (const auto& [from, to] : std::vector<std::pair<std::size_t, std::size_t>>{{3, 77}, {301, 302}, {700, 999}}) {
        ASSERT_TRUE(root.skip_to(from));
        for (std::size_t i = from; i < to; ++i) root.add(leaves[i]);
    }
    ASSERT_TRUE(root.skip_to(1000));
    EXPECT_EQ(root.root(), root_of(leaves));
}

TEST(SpanRoot, AnotherLeafLeadsToAnotherRoot) {
    const auto leaves = leaves_of(100);
    const audit::proof::LeafReader kept(leaves);
    for (std::size_t wrong = 20; wrong < 30; ++wrong) {
        SpanRoot root(kept);
        ASSERT_TRUE(root.skip_to(20));
        for (std::size_t i = 20; i < 30; ++i) root.add(i == wrong ? audit::proof::leaf_hash("x") : leaves[i]);
        ASSERT_TRUE(root.skip_to(100));
        EXPECT_NE(root.root(), root_of(leaves)) << wrong;
    }
}

// Whoever changes the kept hashes cannot make a changed record pass, nor hide that they were changed.
TEST(SpanRoot, AWrongKeptHashLeadsToAnotherRoot) {
    const auto leaves = leaves_of(100);
    auto changed = leaves;
    changed[5] = audit::proof::leaf_hash("x");
    const audit::proof::LeafReader kept(changed);
    SpanRoot root(kept);
    ASSERT_TRUE(root.skip_to(20));
    for (std::size_t i = 20; i < 30; ++i) root.add(leaves[i]);
    ASSERT_TRUE(root.skip_to(100));
    EXPECT_NE(root.root(), root_of(leaves));
}

}  // namespace
}  // namespace tidegate::compliance
