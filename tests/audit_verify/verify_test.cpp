// What is whole is called whole, and what cannot be judged is said to be so.
#include "audit/verify/verify.h"

#include "audit/verify/layout.h"
#include "audit_verify/log_folder.h"
#include "base/json.h"

namespace tidegate::audit::verify {
namespace {

using Verify = LogFolderTest;

TEST_F(Verify, AWholeLogIsSoundAndComplete) {
    const TestLog log = signed_log();
    const Report report = verify(log);
    EXPECT_EQ(report.exit_code(), 0) << to_text(report);
    EXPECT_EQ(report.records, 45U);
    EXPECT_EQ(report.end_leaf, 45U);
    EXPECT_EQ(report.segments, 3U);
    EXPECT_EQ(report.checkpoints, 4U);
    EXPECT_EQ(report.checkpoints_proven, 4U);
    const Hash root = log.root(45);
    EXPECT_EQ(report.root, hex_of(root));
}

TEST_F(Verify, LogsOfManySizesAreWhole) {
    for (std::size_t segments = 1; segments < 4; ++segments) {
        for (std::size_t records = 1; records < 20; records += 3) {
            TestLog log = make_log(segments, records);
            for (std::uint64_t size = 0; size <= log.size(); size += 1 + size / 3) log.sign(key_, size);
            std::filesystem::remove_all(folder_);
            std::filesystem::create_directory(folder_);
            const Report report = verify(log);
            ASSERT_EQ(report.exit_code(), 0) << segments << " x " << records << "\n" << to_text(report);
            ASSERT_EQ(report.checkpoints_proven, report.checkpoints);
        }
    }
}

TEST_F(Verify, AnEmptyFolderAndOneWithPreparedFilesHoldNothingAndMissNothing) {
    EXPECT_EQ(verify().exit_code(), 3);
    write_bytes(segment(1), std::string(65'536, '\0'));
    EXPECT_EQ(verify().exit_code(), 3);
    EXPECT_EQ(verify().findings_total, 0U);
}

TEST_F(Verify, WithoutAKeyCompletenessIsNotJudged) {
    signed_log().write(folder_);
    const Report report = verify_log({folder_, {}, {}}).value();
    EXPECT_EQ(report.exit_code(), 3) << to_text(report);
    EXPECT_EQ(report.integrity(), Verdict::kHolds);
    EXPECT_EQ(report.completeness(), Verdict::kNotJudged);
    EXPECT_EQ(report.checkpoints_proven, 4U) << "compared all the same";
}

TEST_F(Verify, WithoutCheckpointsCompletenessIsNotJudged) {
    EXPECT_EQ(verify(make_log(2, 4)).exit_code(), 3);
}

TEST_F(Verify, RecordsBehindTheLastCheckpointAreToldAndNoFault) {
    TestLog log = make_log(2, 4);
    log.sign(key_, 10);
    const Report report = verify(log);
    EXPECT_EQ(report.exit_code(), 0) << to_text(report);
    EXPECT_NE(to_text(report).find("the last 14 record(s) are under no checkpoint yet"), std::string::npos);
}

TEST_F(Verify, ATornEndBehindTheLastCheckpointIsNoFault) {
    TestLog log = make_log(2, 4);
    log.sign(key_, 20);
    log.write(folder_);
    flip(segment(2), 4096 + 2 * 4096 + 300, 3);  // The third batch of the open segment: leaves 20 to 23.
    const Report report = verify();
    EXPECT_EQ(report.exit_code(), 0) << to_text(report);
    EXPECT_EQ(report.end_leaf, 20U);
}

TEST_F(Verify, WhatAFailedWriteLeftBehindTheNextSegmentsFirstLeafIsNoFault) {
    // The second segment ends after two batches, and its third one, never acknowledged, is in the file all the same.
    TestLog log = make_log(3, 4);
    log.segments[1].sealed = false;
    TestLog with_rest = log;
    log.segments[1].batches.pop_back();
    for (const std::uint64_t size : {12, 20, 32}) log.sign(key_, size);
    with_rest.write(folder_);
    const std::string rest = read_bytes(segment(2));
    log.write(folder_);
    write_bytes(segment(2), rest);
    const Report report = verify();
    EXPECT_EQ(report.exit_code(), 0) << to_text(report);
    EXPECT_EQ(report.records, 32U);
}

TEST_F(Verify, PaddingIsNoPartOfTheLog) {
    signed_log().write(folder_);
    flip(segment(1), 2 * 4096 - 1, 0);
    const Report report = verify();
    EXPECT_EQ(report.exit_code(), 0) << to_text(report);
    EXPECT_NE(to_text(report).find("padding"), std::string::npos);
}

/// As retention leaves a log: its first segment gone, and HEAD says so.
void remove_front(const std::string& folder) {
    std::filesystem::remove(segment_path(folder, 1));
    std::string head = read_bytes(folder + "/HEAD");
    head.replace(head.find("kept 1 0"), 8, "kept 2 15");
    head.resize(head.find("crc32c "));
    const std::string crc = le(crc32c_bitwise(head), 4);
    head += "crc32c ";
    for (std::size_t i = 4; i-- > 0;) {
        const std::uint8_t byte = static_cast<std::uint8_t>(crc[i]);
        head += hex_of({&byte, 1});
    }
    write_bytes(folder + "/HEAD", head + "\n");
}

TEST_F(Verify, ALogOfTheRetentionsMakingIsCompleteFromItsFirstLeafOn) {
    signed_log().write(folder_);
    remove_front(folder_);
    const Report report = verify();
    EXPECT_EQ(report.exit_code(), 0) << to_text(report);
    EXPECT_EQ(report.records, 30U);
    EXPECT_EQ(report.checkpoints_proven, 3U);
    EXPECT_NE(to_text(report).find("completeness is judged from leaf 15 on"), std::string::npos);
}

TEST_F(Verify, OtherPeaksThanThoseOfTheRemovedRecordsDoNotLeadToASignedRoot) {
    signed_log().write(folder_);
    remove_front(folder_);
    std::string bytes = read_bytes(segment(2));
    bytes[128] = static_cast<char>(bytes[128] ^ 1);
    put_le(bytes, 4092, crc32c_bitwise(std::string_view(bytes).substr(0, 4092)), 4);
    write_bytes(segment(2), bytes);
    const Report report = verify();
    EXPECT_EQ(report.exit_code(), 1) << to_text(report);
    EXPECT_TRUE(found(report, Kind::kRootMismatch)) << to_text(report);
}

TEST_F(Verify, AHeaderThatStatesAnotherTreeThanTheRecordsBeforeItIsFound) {
    signed_log().write(folder_);
    std::string bytes = read_bytes(segment(2));
    bytes[96] = static_cast<char>(bytes[96] ^ 1);
    put_le(bytes, 4092, crc32c_bitwise(std::string_view(bytes).substr(0, 4092)), 4);
    write_bytes(segment(2), bytes);
    EXPECT_TRUE(found(verify(), Kind::kHeaderDamaged));
}

TEST_F(Verify, ACheckpointKeptElsewhereIsProvenToo) {
    const TestLog log = signed_log();
    const Report report = verify(log, {key_.checkpoint(29, log.root(29))});
    EXPECT_EQ(report.exit_code(), 0) << to_text(report);
    EXPECT_EQ(report.checkpoints_proven, 5U);
}

TEST_F(Verify, TheReportIsJson) {
    TestLog log = signed_log();
    log.checkpoints += "nonsense\n\nnonsense\n\n";
    const Report report = verify(log);
    const auto document = json::parse(to_json(report)).value();
    EXPECT_EQ(document.root().find("integrity")->as_string(), "broken");
    EXPECT_EQ(document.root().find("completeness")->as_string(), "complete");
    EXPECT_EQ(document.root().find("findings")->size(), 1U);
}

TEST_F(Verify, WalksOverTheRecordsInOrder) {
    TestLog log = signed_log();
    log.write(folder_);
    std::uint64_t next = 0;
    ASSERT_TRUE(walk_records(folder_, [&](std::uint64_t leaf, Bytes record) {
        EXPECT_EQ(leaf, next);
        const std::string& wanted = log.record(next++);
        EXPECT_EQ(std::string(record.begin(), record.end()), wanted);
        return leaf != 40;
    }));
    EXPECT_EQ(next, 41U);
}

}  // namespace
}  // namespace tidegate::audit::verify
