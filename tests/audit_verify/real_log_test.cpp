// The log's own writer and the proofs against the verifier: both were made from the same document, apart.
#include <gtest/gtest.h>

#include "app/audit_commands.h"
#include "audit/proof/checkpoint.h"
#include "audit/proof/tile_store.h"
#include "audit/segments/segment_log.h"
#include "audit/verify/layout.h"
#include "audit_segments/segments_fixture.h"
#include "audit_verify/log_folder.h"

namespace tidegate::audit::verify {
namespace {

using segments::DurableBatch;
using segments::SegmentLog;

class RealLog : public LogFolderTest {
  protected:
    /// Appends decisions [from, to), with a checkpoint of the whole every 100 records or so, tiles beside it.
    void append(std::uint64_t from, std::uint64_t to) {
        auto tiles = proof::TileStore::open(folder_ + "/tiles").value();
        auto checkpoints = proof::CheckpointFile::open(folder_ + "/checkpoints").value();
        auto options = segments::small_options();
        options.on_durable = [&](const DurableBatch& batch) {
            ASSERT_EQ(tiles->size(), batch.first_leaf);
            ASSERT_TRUE(tiles->append(batch.leaves));
            const std::uint64_t before = checkpoints.last() ? checkpoints.last()->size : 0;
            if (batch.after.size() < before + 100) return;
            ASSERT_TRUE(checkpoints.append(
                proof::sign_checkpoint({batch.after.size(), batch.after.root()}, 1'700'000'000'000, signer_)));
        };
        auto log =
            SegmentLog::open(std::make_unique<segments::SystemLogFolder>(folder_), options, clock_, random_).value();
        for (std::uint64_t n = from; n < to; ++n) {
            decisions_.push_back(segments::make_decision(random_, n));
            log->append(decisions_.back(), [](const Result<std::uint64_t>& leaf) { EXPECT_TRUE(leaf); });
            // More batches than one, whatever the machine's speed.
            if (n % 64 == 0) log->flush();
        }
        log->flush();
        log->settle();
        ASSERT_EQ(proof::root_of(*tiles, tiles->size()).value(), log->tree().root());
        log->close();
    }
    Report verify_real() const {
        return verify_log({folder_, parse_keys(signer_.verifier().to_text()).value(), {}}).value();
    }

    const proof::SigningKey signer_ = proof::SigningKey::from_seed(std::string(32, 'k'), "log.example/audit").value();
    SystemClock clock_;
    SeededRandom random_{7};
    std::vector<Decision> decisions_;
};

TEST_F(RealLog, IsSoundAndCompleteWithItsSegmentsSealedAndAfterAnotherStart) {
    append(0, 1'000);
    Report report = verify_real();
    EXPECT_EQ(report.exit_code(), 0) << to_text(report);
    EXPECT_EQ(report.records, 1'000U);
    EXPECT_GT(report.segments, 3U);
    EXPECT_GT(report.checkpoints_proven, 3U);
    append(1'000, 1'500);
    report = verify_real();
    EXPECT_EQ(report.exit_code(), 0) << to_text(report);
    EXPECT_EQ(report.records, 1'500U);
}

TEST_F(RealLog, GivesAReceiptOfAnyDecisionUnderTheCheckpoint) {
    append(0, 1'000);
    const Report report = verify_real();
    for (const std::size_t n : {std::size_t{0}, std::size_t{255}, std::size_t{256}, std::size_t{600},
                                std::size_t{report.signed_leaves - 1}}) {
        const auto receipt = app::make_receipt(folder_, decisions_[n].id);
        ASSERT_TRUE(receipt) << n << ": " << receipt.error().message;
        EXPECT_EQ(receipt->leaf, n);
        const auto read = proof::parse_receipt(proof::to_text(*receipt));
        ASSERT_TRUE(read);
        EXPECT_TRUE(proof::check_receipt(*read, {signer_.verifier()}));
    }
    EXPECT_EQ(app::make_receipt(folder_, make_uuid7(clock_, random_)).error().code, ErrorCode::kNotFound);
}

TEST_F(RealLog, AFlippedBitInAnySegmentIsFound) {
    append(0, 600);
    for (const auto& entry : std::filesystem::directory_iterator(folder_)) {
        const auto generation = parse_segment_name(entry.path().filename().string());
        if (!generation || *generation > 2) continue;
        flip(entry.path().string(), 4096 + 300, 2);
        EXPECT_EQ(verify_real().exit_code(), 1) << *generation;
        flip(entry.path().string(), 4096 + 300, 2);
    }
    EXPECT_EQ(verify_real().exit_code(), 0);
}

}  // namespace
}  // namespace tidegate::audit::verify
