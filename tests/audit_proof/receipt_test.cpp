#include "audit/proof/receipt.h"

#include <gtest/gtest.h>

#include "audit/proof/base64.h"
#include "audit_proof/known_tree.h"

namespace tidegate::audit::proof {
namespace {

class ReceiptTest : public ::testing::Test {
  protected:
    ReceiptTest() {
        const LeafReader tree(leaves_);
        receipt_.record = "record 17";
        receipt_.leaf = 17;
        receipt_.path = inclusion_proof(tree, 17, leaves_.size()).value();
        const TreeHead head{leaves_.size(), root_of(tree, leaves_.size()).value()};
        receipt_.checkpoint = sign_checkpoint(head, 1'700'000'000'000, key_);
    }
    bool holds(std::string_view text) const {
        const auto receipt = parse_receipt(text);
        return receipt && check_receipt(*receipt, {key_.verifier()});
    }

    const HashPath leaves_ = made_leaves(100);
    const SigningKey key_ = SigningKey::from_seed(std::string(32, 'k'), "log.example").value();
    Receipt receipt_;
};

TEST_F(ReceiptTest, ProvesItsRecord) {
    const std::string text = to_text(receipt_);
    EXPECT_TRUE(text.starts_with("c2sp.org/tlog-proof@v1\nextra " + encode_base64("record 17") + "\nindex 17\n"));
    EXPECT_EQ(parse_receipt(text).value(), receipt_);
    EXPECT_EQ(check_receipt(receipt_, {key_.verifier()})->head.size, 100U);
}

TEST_F(ReceiptTest, NoChangedBitIsBelieved) {
    const std::string text = to_text(receipt_);
    ASSERT_TRUE(holds(text));
    for (std::size_t bit = 0; bit < text.size() * 8; ++bit) {
        std::string changed = text;
        changed[bit / 8] = static_cast<char>(changed[bit / 8] ^ (1 << (bit % 8)));
        EXPECT_FALSE(holds(changed)) << "bit " << bit % 8 << " of byte " << bit / 8;
    }
}

TEST_F(ReceiptTest, NoCutTextIsBelieved) {
    const std::string text = to_text(receipt_);
    for (std::size_t size = 0; size < text.size(); ++size) EXPECT_FALSE(holds(text.substr(0, size))) << size;
    EXPECT_FALSE(holds(text + "\n"));
}

TEST_F(ReceiptTest, AnotherRecordOrPlaceIsDataLossAndAnotherKeyIsNoWitness) {
    Receipt other = receipt_;
    other.record = "record 18";
    EXPECT_EQ(check_receipt(other, {key_.verifier()}).error().code, ErrorCode::kDataLoss);
    other = receipt_;
    other.leaf = 18;
    EXPECT_EQ(check_receipt(other, {key_.verifier()}).error().code, ErrorCode::kDataLoss);
    const SigningKey stranger = SigningKey::from_seed(std::string(32, 's'), "log.example").value();
    EXPECT_EQ(check_receipt(receipt_, {stranger.verifier()}).error().code, ErrorCode::kPermissionDenied);
}

TEST_F(ReceiptTest, TooManyHashesAndTooManyBytesAreRefused) {
    Receipt large = receipt_;
    large.path.assign(kPathMax + 1, Sha256{});
    EXPECT_FALSE(parse_receipt(to_text(large)));
    large = receipt_;
    large.record.assign(Receipt::kBytesMax, 'r');
    EXPECT_FALSE(parse_receipt(to_text(large)));
}

}  // namespace
}  // namespace tidegate::audit::proof
