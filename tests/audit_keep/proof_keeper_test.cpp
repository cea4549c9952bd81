// Checkpoints are signed over what the log holds, and over nothing else.
#include "audit/keep/proof_keeper.h"

#include <sys/stat.h>

#include "audit_keep/keep_fixture.h"

namespace tidegate::audit::keep {
namespace {

using Proofs = KeepTest;

TEST_F(Proofs, SignsWhatTheLogHasComeToAndProvesEachRecordOfIt) {
    open();
    append(700);
    ASSERT_TRUE(proofs_->sign_now().value());
    EXPECT_FALSE(proofs_->sign_now().value());  // Nothing new.
    const auto head = proofs_->latest();
    ASSERT_NE(head, nullptr);
    EXPECT_EQ(head->head.size, 700U);
    EXPECT_EQ(head->head.root, log_->segments().tree().root());
    for (const std::size_t n : {std::size_t{0}, std::size_t{255}, std::size_t{256}, std::size_t{699}}) {
        const auto record = log_->reader().find_id(decisions_[n].id);
        ASSERT_TRUE(record && *record);
        const auto receipt = proofs_->receipt(**record);
        ASSERT_TRUE(receipt) << receipt.error().message;
        EXPECT_EQ(proof::check_receipt(*receipt, {proofs_->verifier()})->head.size, 700U);
    }
    append(1);
    const auto newest = log_->reader().find_id(decisions_.back().id);
    EXPECT_EQ(proofs_->receipt(**newest).error().code, ErrorCode::kUnavailable);
    close();
    EXPECT_EQ(verify_log().exit_code(), 0);
}

TEST_F(Proofs, ItsThreadSignsWhenTheSetNumberOfRecordsHasCome) {
    open(true, 100);
    append(99);
    EXPECT_EQ(proofs_->latest(), nullptr);  // The interval is an hour.
    append(200);
    for (int i = 0; i < 60'000 && proofs_->health().checkpoints == 0; ++i) {
        std::this_thread::sleep_for(std::chrono::milliseconds(1));
    }
    ASSERT_GT(proofs_->health().checkpoints, 0U);
    EXPECT_GE(proofs_->latest()->head.size, 100U);
}

TEST_F(Proofs, TheLastRecordsAreSignedWhenItStops) {
    open(true);
    append(10);
    close();
    const auto report = verify_log();
    EXPECT_EQ(report.exit_code(), 0) << verify::to_text(report);
    EXPECT_EQ(report.signed_leaves, 10U);
}

TEST_F(Proofs, ARestartGoesOnWithTheSameCheckpointAndTheSameKey) {
    open();
    append(300);
    ASSERT_TRUE(proofs_->sign_now().value());
    const std::string note = proofs_->latest()->note;
    close();
    open();
    EXPECT_EQ(proofs_->latest()->note, note);
    EXPECT_EQ(proofs_->health().rebuilt_leaves, 0U);
    append(300);
    ASSERT_TRUE(proofs_->sign_now().value());
    close();
    EXPECT_EQ(verify_log().exit_code(), 0);
}

TEST_F(Proofs, MissingTilesAreMadeAgainFromTheRecords) {
    open();
    append(1'000);
    ASSERT_TRUE(proofs_->sign_now().value());
    close();
    std::filesystem::remove_all(log_folder() + "/tiles");
    open();
    EXPECT_EQ(proofs_->health().rebuilt_leaves, 1'000U);
    EXPECT_FALSE(proofs_->health().degraded) << proofs_->health().reason;
    append(10);
    EXPECT_TRUE(proofs_->sign_now().value());
}

TEST_F(Proofs, ForkedTilesAreCutBackToWhereTheyAgreeAndMadeAgain) {
    open();
    append(1'000);
    ASSERT_TRUE(proofs_->sign_now().value());
    const auto segments = log_->reader().segments()->size();
    ASSERT_GT(segments, 3U);
    close();
    // A hash near the end is another one, as after a crash that left a page unwritten.
    const std::string file = log_folder() + "/tiles/0/000000.hashes";
    std::string bytes = read(file);
    ASSERT_EQ(bytes.size(), 32'000U);
    bytes[32 * 990] = static_cast<char>(bytes[32 * 990] ^ 1);
    write(file, bytes);
    open();
    EXPECT_FALSE(proofs_->health().degraded) << proofs_->health().reason;
    append(10);
    EXPECT_TRUE(proofs_->sign_now().value());
    const auto record = log_->reader().read(990);
    EXPECT_TRUE(proofs_->receipt(*record));
}

TEST_F(Proofs, ALogThatIsShorterThanItsCheckpointIsNotSignedAgain) {
    open();
    append(100);
    close();
    std::filesystem::copy(log_folder(), folder_ + "/old", std::filesystem::copy_options::recursive);
    open();
    append(100);
    ASSERT_TRUE(proofs_->sign_now().value());
    close();
    // The log is rolled back to a copy, its checkpoints are not.
    std::filesystem::copy(log_folder() + "/checkpoints", folder_ + "/old/checkpoints",
                          std::filesystem::copy_options::overwrite_existing);
    std::filesystem::remove_all(log_folder());
    std::filesystem::rename(folder_ + "/old", log_folder());
    open();
    EXPECT_TRUE(proofs_->health().refuses);
    EXPECT_NE(proofs_->health().reason.find("rolled back"), std::string::npos) << proofs_->health().reason;
    append(300);
    EXPECT_EQ(proofs_->sign_now().error().code, ErrorCode::kDataLoss);
}

TEST_F(Proofs, ALogWithOtherRecordsThanThoseThatWereSignedIsNotSignedAgain) {
    open();
    append(100);
    ASSERT_TRUE(proofs_->sign_now().value());
    close();
    const std::string checkpoints = read(log_folder() + "/checkpoints");
    std::filesystem::remove_all(log_folder());
    open();
    append(200);
    close();
    write(log_folder() + "/checkpoints", checkpoints);
    open();
    EXPECT_TRUE(proofs_->health().refuses);
    EXPECT_EQ(proofs_->sign_now().error().code, ErrorCode::kDataLoss);
    EXPECT_EQ(verify_log().exit_code(), 1);
}

TEST_F(Proofs, AnOlderCheckpointFileOfTheSameLogIsGoneOnWith) {
    open();
    append(100);
    ASSERT_TRUE(proofs_->sign_now().value());
    const std::string old = read(log_folder() + "/checkpoints");
    append(100);
    ASSERT_TRUE(proofs_->sign_now().value());
    close();
    write(log_folder() + "/checkpoints", old + "log.exa");  // And torn at its end.
    open();
    EXPECT_FALSE(proofs_->health().refuses) << proofs_->health().reason;
    ASSERT_TRUE(proofs_->sign_now().value());
    EXPECT_EQ(proofs_->latest()->head.size, 200U);
    close();
    EXPECT_EQ(verify_log().exit_code(), 0);
}

TEST_F(Proofs, ALongFileOfCheckpointsIsReadFromItsEnd) {
    open();
    for (int i = 0; i < 1'200; ++i) {
        append(1);
        ASSERT_TRUE(proofs_->sign_now().value());
    }
    const std::string note = proofs_->latest()->note;
    close();
    ASSERT_GT(std::filesystem::file_size(log_folder() + "/checkpoints"), 2U * proof::SignedNote::kBytesMax);
    open();
    EXPECT_EQ(proofs_->latest()->note, note);
    append(1);
    EXPECT_TRUE(proofs_->sign_now().value());
    close();
    EXPECT_EQ(verify_log().checkpoints_proven, 1'201U);
}

TEST_F(Proofs, AnotherKeyThanTheLastCheckpointsIsRefused) {
    open();
    append(10);
    ASSERT_TRUE(proofs_->sign_now().value());
    close();
    std::filesystem::remove(key_path());
    std::filesystem::remove(public_key_path(key_path()));
    open();
    EXPECT_TRUE(proofs_->health().refuses);
    append(1);
    EXPECT_FALSE(proofs_->sign_now());
}

TEST_F(Proofs, TheKeyIsMadeOnceAndAFileThatOthersMayReadIsRefused) {
    const auto made = open_log_key(key_path(), "log.example/keep");
    ASSERT_TRUE(made) << made.error().message;
    EXPECT_TRUE(made->made);
    const std::string text = made->key.verifier().to_text();
    EXPECT_EQ(read(public_key_path(key_path())), text + "\n");
    const auto again = open_log_key(key_path(), "log.example/keep");
    ASSERT_TRUE(again);
    EXPECT_FALSE(again->made);
    EXPECT_EQ(again->key.verifier().to_text(), text);
    EXPECT_EQ(open_log_key(key_path(), "log.example/other").error().code, ErrorCode::kConflict);
    ASSERT_EQ(::chmod(key_path().c_str(), 0644), 0);
    EXPECT_EQ(open_log_key(key_path(), "log.example/keep").error().code, ErrorCode::kPermissionDenied);
    ASSERT_EQ(::chmod(key_path().c_str(), 0600), 0);
    write(key_path(), "no key");
    EXPECT_FALSE(open_log_key(key_path(), "log.example/keep"));
}

}  // namespace
}  // namespace tidegate::audit::keep
