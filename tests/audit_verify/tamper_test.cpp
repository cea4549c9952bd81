// Whoever changes the log is found out: accidents in the bytes, and an attacker who makes every checksum anew.
#include "audit_verify/log_folder.h"

namespace tidegate::audit::verify {
namespace {

using Tamper = LogFolderTest;

constexpr std::size_t kBlockBytes = 4096;

TEST_F(Tamper, AnyFlippedBitOfASealedSegmentIsFound) {
    signed_log().write(folder_);
    const std::string whole = read_bytes(segment(1));
    // Header block, the data of the three batches (their padding is no part of the log), footer block.
    std::vector<std::size_t> places;
    for (std::size_t i = 0; i < kBlockBytes; i += 41) places.push_back(i);
    for (std::size_t batch = 0; batch < 3; ++batch) {
        const std::size_t at = (batch + 1) * kBlockBytes;
        const auto payload =
            static_cast<std::uint8_t>(whole[at + 56]) + 256U * static_cast<std::uint8_t>(whole[at + 57]);
        for (std::size_t i = 0; i < 128 + payload; i += i < 128 ? 3 : 17) places.push_back(at + i);
    }
    for (std::size_t i = 0; i < kBlockBytes; i += 29) places.push_back(whole.size() - kBlockBytes + i);
    for (const std::size_t place : places) {
        const unsigned bit = static_cast<unsigned>(place % 8);
        flip(segment(1), place, bit);
        const Report report = verify();
        ASSERT_EQ(report.exit_code(), 1) << "byte " << place;
        ASSERT_EQ(report.integrity(), Verdict::kBroken) << "byte " << place;
        flip(segment(1), place, bit);
    }
    EXPECT_EQ(verify().exit_code(), 0);
}

TEST_F(Tamper, AnyFlippedBitOfTheOpenSegmentsSignedRecordsIsFound) {
    signed_log().write(folder_);
    for (std::size_t batch = 0; batch < 3; ++batch) {
        for (std::size_t i = 0; i < 1000; i += 11) {
            flip(segment(3), (batch + 1) * kBlockBytes + i, 5);
            ASSERT_EQ(verify().exit_code(), 1) << batch << ", " << i;
            flip(segment(3), (batch + 1) * kBlockBytes + i, 5);
        }
    }
}

TEST_F(Tamper, AnyFlippedBitOfHeadOrOfACheckpointIsFound) {
    signed_log().write(folder_);
    for (const char* name : {"/HEAD", "/checkpoints"}) {
        const std::size_t size = read_bytes(folder_ + name).size();
        for (std::size_t i = 0; i < size; i += 2) {
            flip(folder_ + name, i, i % 7);
            const Report report = verify();
            // The last checkpoint without its empty lines is one that a crash has torn: told, and not believed.
            const bool torn = to_text(report).find("ends within a checkpoint") != std::string::npos;
            EXPECT_TRUE(report.exit_code() == 1 || (torn && report.checkpoints == 3)) << name << " byte " << i << "\n"
                                                                                      << to_text(report);
            flip(folder_ + name, i, i % 7);
        }
    }
}

TEST_F(Tamper, AChangedRecordIsFoundThoughEveryChecksumAndFooterWasMadeAnew) {
    for (const std::size_t leaf : {0, 14, 21, 44}) {
        TestLog log = signed_log();
        log.record(leaf)[96] ^= 1;  // A microsecond of latency.
        const Report report = verify(log);
        EXPECT_EQ(report.exit_code(), 1) << leaf;
        EXPECT_TRUE(found(report, Kind::kRootMismatch)) << to_text(report);
        EXPECT_EQ(report.completeness(), leaf < 7 ? Verdict::kNotJudged : Verdict::kHolds) << to_text(report);
    }
}

TEST_F(Tamper, TheReportSaysBetweenWhichCheckpointsTheChangeLies) {
    TestLog log = signed_log();
    log.record(25)[96] ^= 1;
    const Report report = verify(log);
    EXPECT_NE(to_text(report).find("signed for 33 leaves: records from leaf 20 on"), std::string::npos)
        << to_text(report);
}

TEST_F(Tamper, ADeletedRecordIsFound) {
    TestLog log = signed_log();
    log.segments[0].batches[1].erase(log.segments[0].batches[1].begin() + 2);
    const Report report = verify(log);
    EXPECT_EQ(report.exit_code(), 1);
    EXPECT_EQ(report.integrity(), Verdict::kBroken) << "other roots than were signed";
    EXPECT_TRUE(found(report, Kind::kTruncated)) << "and one record fewer than was signed: " << to_text(report);
}

TEST_F(Tamper, ADeletedRecordIsFoundWithoutAKeyWhereOnlyItsBatchWasMadeAnew) {
    signed_log().write(folder_);
    TestLog shorter = signed_log();
    shorter.segments[0].batches[2].pop_back();
    const std::string all = read_bytes(segment(1));
    shorter.write(folder_);
    std::string changed = read_bytes(segment(1));
    changed.replace(changed.size() - kBlockBytes, kBlockBytes, all.substr(all.size() - kBlockBytes));
    signed_log().write(folder_);
    write_bytes(segment(1), changed);
    const Report report = verify_log({folder_, {}, {}}).value();
    EXPECT_TRUE(found(report, Kind::kFooterWrong)) << to_text(report);
    EXPECT_TRUE(found(report, Kind::kRecordsMissing) || found(report, Kind::kBatchDamaged)) << to_text(report);
}

// Found by fuzz_audit_scan: the scan came back to such a batch for ever.
TEST_F(Tamper, ABatchOfRightChecksumWhoseRecordsDoNotFillItIsDamageAndEndsTheScan) {
    signed_log().write(folder_);
    std::string bytes = read_bytes(segment(1));
    const std::size_t at = 2 * kBlockBytes;
    const auto payload = static_cast<std::uint8_t>(bytes[at + 56]) + 256U * static_cast<std::uint8_t>(bytes[at + 57]);
    put_le(bytes, at + 12, 4, 4);  // Four records instead of five.
    put_le(bytes, at + 124, crc32c_bitwise(bytes.substr(at, 124) + bytes.substr(at + 128, payload)), 4);
    write_bytes(segment(1), bytes);
    EXPECT_TRUE(found(verify(), Kind::kBatchDamaged));
}

TEST_F(Tamper, SwappedRecordsAreFound) {
    TestLog log = signed_log();
    std::swap(log.record(22), log.record(23));
    EXPECT_TRUE(found(verify(log), Kind::kRootMismatch));
}

TEST_F(Tamper, SwappedBatchesAreFound) {
    signed_log().write(folder_);
    std::string bytes = read_bytes(segment(2));
    for (std::size_t i = 0; i < kBlockBytes; ++i) std::swap(bytes[kBlockBytes + i], bytes[2 * kBlockBytes + i]);
    write_bytes(segment(2), bytes);
    EXPECT_TRUE(found(verify(), Kind::kBatchDamaged));
}

TEST_F(Tamper, AnInsertedRecordIsFound) {
    TestLog log = signed_log();
    auto& batch = log.segments[1].batches[0];
    batch.insert(batch.begin() + 1, record_bytes({.number = 4711}));
    const Report report = verify(log);
    EXPECT_TRUE(found(report, Kind::kRootMismatch)) << to_text(report);
    EXPECT_EQ(report.end_leaf, 46U);
}

TEST_F(Tamper, ARecordThatBreaksARuleIsFoundThoughItWasSigned) {
    TestLog log = make_log(2, 5);
    log.record(3)[3] = 9;
    log.sign(key_, 30);
    EXPECT_TRUE(found(verify(log), Kind::kRecordMalformed));
}

TEST_F(Tamper, ACutTailIsFoundByTheLastCheckpoint) {
    TestLog log = signed_log();
    log.segments[2].batches.pop_back();
    const Report report = verify(log);
    EXPECT_EQ(report.integrity(), Verdict::kHolds) << to_text(report);
    EXPECT_EQ(report.completeness(), Verdict::kBroken);
    EXPECT_TRUE(found(report, Kind::kTruncated));
}

TEST_F(Tamper, ALostLastSegmentAndACutFileAreFound) {
    signed_log().write(folder_);
    const std::string last = read_bytes(segment(3));
    std::filesystem::remove(segment(3));
    EXPECT_TRUE(found(verify(), Kind::kTruncated));
    std::filesystem::remove(segment(2));
    EXPECT_TRUE(found(verify(), Kind::kTruncated));
    signed_log().write(folder_);
    std::filesystem::resize_file(segment(2), 3 * kBlockBytes);
    EXPECT_EQ(verify().exit_code(), 1);
}

TEST_F(Tamper, ALostMiddleSegmentAndALostFirstOneAreFound) {
    signed_log().write(folder_);
    std::filesystem::remove(segment(2));
    Report report = verify();
    EXPECT_TRUE(found(report, Kind::kSegmentMissing) && found(report, Kind::kRecordsMissing)) << to_text(report);
    signed_log().write(folder_);
    std::filesystem::remove(segment(1));
    report = verify();
    EXPECT_TRUE(found(report, Kind::kRecordsMissing)) << to_text(report);
}

TEST_F(Tamper, ARolledBackLogIsFoundByItsCheckpointsOrByOneKeptElsewhere) {
    const TestLog now = signed_log();
    TestLog earlier = make_log(2, 5);
    for (const std::uint64_t size : {7, 20}) earlier.sign(key_, size);
    TestLog with_new_checkpoints = earlier;
    with_new_checkpoints.checkpoints = now.checkpoints;
    EXPECT_TRUE(found(verify(with_new_checkpoints), Kind::kTruncated));
    std::filesystem::remove(segment(3));
    const std::string witness = key_.checkpoint(45, now.root(45));
    EXPECT_EQ(verify(earlier).exit_code(), 0) << "everything in the folder is old: only a witness can tell";
    const Report report = verify(earlier, {witness});
    EXPECT_EQ(report.integrity(), Verdict::kHolds) << to_text(report);
    EXPECT_TRUE(found(report, Kind::kTruncated)) << to_text(report);
}

TEST_F(Tamper, AForkedLogIsFoundBySignedCheckpointsThatContradictEachOther) {
    TestLog log = signed_log();
    TestLog other = log;
    other.record(10)[96] ^= 1;
    Report report = verify(log, {key_.checkpoint(30, other.root(30))});
    EXPECT_TRUE(found(report, Kind::kForked)) << to_text(report);
    EXPECT_FALSE(found(report, Kind::kRootMismatch));
    report = verify(log, {key_.checkpoint(7, other.root(7))});
    EXPECT_EQ(report.exit_code(), 0) << "before the fork both are one";

    log = make_log(3, 5);
    log.sign(key_, 20);
    log.checkpoints += key_.checkpoint(20, other.root(20)) + "\n";
    log.sign(key_, 45);
    EXPECT_TRUE(found(verify(log), Kind::kForked)) << "two roots of one size";
}

TEST_F(Tamper, AForeignCheckpointIsFound) {
    TestLog log = signed_log();
    const TestKey stranger("log.example/audit", 's');
    Report report = verify(log, {stranger.checkpoint(20, log.root(20))});
    EXPECT_TRUE(found(report, Kind::kForeignCheckpoint)) << "another key under our name: " << to_text(report);
    report = verify(log, {key_.checkpoint(20, log.root(20), "other.example/log")});
    EXPECT_TRUE(found(report, Kind::kForeignCheckpoint)) << "our key for another origin: " << to_text(report);
    log.sign(stranger, 45);
    EXPECT_TRUE(found(verify(log), Kind::kForeignCheckpoint)) << "in the file";
}

TEST_F(Tamper, CheckpointsOutOfOrderAreFound) {
    TestLog log = signed_log();
    log.sign(key_, 20);
    EXPECT_TRUE(found(verify(log), Kind::kCheckpointOrder));
}

TEST_F(Tamper, ASegmentOfAnotherLogIsFound) {
    TestLog other = signed_log();
    other.log_id = "another log's id";
    other.write(folder_);
    const std::string foreign = read_bytes(segment(2));
    signed_log().write(folder_);
    write_bytes(segment(2), foreign);
    EXPECT_TRUE(found(verify(), Kind::kForeignSegment));
}

TEST_F(Tamper, ALostHeadIsNoticed) {
    TestLog log = signed_log();
    log.with_head = false;
    const Report report = verify(log);
    EXPECT_EQ(report.integrity(), Verdict::kHolds);
    EXPECT_EQ(report.completeness(), Verdict::kBroken) << to_text(report);
}

}  // namespace
}  // namespace tidegate::audit::verify
