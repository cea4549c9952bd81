// Lines however they are cut: each is taken once or refused by its number, in whole commits, in bounded memory.
#include "services/content/import.h"

#include <gtest/gtest.h>

#include "store/temporary_folder.h"

namespace tidegate::content {
namespace {

class ImportTest : public ::testing::Test {
  protected:
    void SetUp() override {
        library_ = Library::open({.path = folder_.file("content.db"), .trains_itself = false}, clock_, random_).value();
    }
    std::int64_t count() { return library_->count("t").value(); }
    static std::string line(int number, std::size_t bytes = 4) {
        return "{\"content_id\":\"" + std::to_string(number) + "\",\"body\":\"" + std::string(bytes, 'w') + "\"}\n";
    }

    ManualClock clock_;
    SeededRandom random_{3};
    store::TemporaryFolder folder_;
    std::unique_ptr<Library> library_;
};

TEST_F(ImportTest, WhereverTheLinesAreCutTheSameIsTaken) {
    const std::string text = line(1) + "\n" + "not json\n" + line(2) + "{\"body\":7}\r\n  \n" + line(3) +
                             "{\"content_id\":\"4\",\"body\":\"w\"}";
    for (const std::size_t size : {1U, 2U, 3U, 7U, 31U, 1000U}) {
        Import import(*library_, "t", 100);
        for (std::size_t at = 0; at < text.size(); at += size) {
            ASSERT_TRUE(import.add(std::string_view(text).substr(at, size)));
        }
        ASSERT_TRUE(import.finish());
        const ImportReport& report = import.report();
        EXPECT_EQ(report.received, 6U) << size;
        EXPECT_EQ(report.stored + report.unchanged, 4U) << size;
        EXPECT_EQ(report.ids, (std::vector<std::string>{"1", "2", "3", "4"}));
        ASSERT_EQ(report.faults.size(), 2U);
        EXPECT_EQ(report.faults[0].line, 3U);
        EXPECT_EQ(report.faults[1].line, 5U);
        EXPECT_EQ(report.committed_line, 8U);
    }
}

TEST_F(ImportTest, WhatIsLeftInTheMiddleIsThereInWholeCommits) {
    Import import(*library_, "t", 100'000);
    for (int i = 1; i <= 1'700; ++i) ASSERT_TRUE(import.add(line(i)));
    EXPECT_EQ(count(), 1'500);
    EXPECT_EQ(import.report().stored, 1'500U);
    EXPECT_EQ(import.report().committed_line, 1'500U);
    EXPECT_EQ(stored_so_far(import.report()),
              "Of it 1500 were stored, 0 updated and 0 unchanged, up to line 1500; nothing behind that.");
}

TEST_F(ImportTest, LongTextsAreCommittedBeforeTheyAreFiveHundred) {
    Import import(*library_, "t", 100);
    for (int i = 1; i <= 9; ++i) ASSERT_TRUE(import.add(line(i, 900'000)));
    EXPECT_EQ(count(), 5);  // 4.5 MB of text.
    ASSERT_TRUE(import.finish());
    EXPECT_EQ(count(), 9);
}

TEST_F(ImportTest, ALineWithoutEndIsAnErrorOfItsOwnAndHoldsNoMemory) {
    Import import(*library_, "t", 100);
    ASSERT_TRUE(import.add(line(1)));
    const std::string piece(1'000'000, 'x');
    for (int i = 0; i < 40; ++i) ASSERT_TRUE(import.add(piece));
    ASSERT_TRUE(import.add("\n" + line(3)));
    ASSERT_TRUE(import.add(std::string(kImportLineBytesMax + 1, ' ') + "\n"));
    ASSERT_TRUE(import.finish());
    ASSERT_EQ(import.report().faults.size(), 2U);
    EXPECT_EQ(import.report().faults[0].line, 2U);
    EXPECT_EQ(import.report().faults[0].error.type, "too_long");
    EXPECT_EQ(import.report().faults[1].line, 4U);
    EXPECT_EQ(import.report().ids, (std::vector<std::string>{"1", "3"}));
}

TEST_F(ImportTest, TheOneTooManyEndsItWithThoseBeforeStored) {
    Import import(*library_, "t", 3);
    ASSERT_TRUE(import.add(line(1) + "oops\n" + line(3)));
    const auto refused = import.add(line(4));
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().code, ErrorCode::kTooLarge);
    EXPECT_EQ(count(), 2);
    EXPECT_EQ(import.report().committed_line, 3U);
}

TEST_F(ImportTest, LinesThatAreTooLongAreCountedAndEndItToo) {
    const std::string overlong = std::string(kImportLineBytesMax + 1, 'x') + "\n";
    for (const std::size_t cut : {overlong.size(), overlong.size() / 3}) {
        Import import(*library_, "t", 2);
        ASSERT_TRUE(import.add(line(1) + line(2)));
        Result<void> taken;
        for (std::size_t at = 0; taken && at < overlong.size(); at += cut) {
            taken = import.add(std::string_view(overlong).substr(at, cut));
        }
        ASSERT_FALSE(taken) << cut;
        EXPECT_EQ(taken.error().code, ErrorCode::kTooLarge);
        EXPECT_EQ(import.report().received, 2U);
        EXPECT_EQ(import.report().committed_line, 2U);
        EXPECT_EQ(count(), 2);
        EXPECT_FALSE(import.add(line(3)));
        EXPECT_EQ(count(), 2);
    }
}

TEST(StoredSoFar, SaysNothingForCertainOfACommitWithoutAnAnswer) {
    const Error lost = uncertain_commit("the connection was lost");
    EXPECT_TRUE(is_uncertain_commit(lost));
    EXPECT_FALSE(is_uncertain_commit({ErrorCode::kUnavailable, "the database was lost in the middle of it"}));
    ImportReport report;
    EXPECT_EQ(stored_so_far(report), "Nothing of it was stored.");
    report.uncertain = true;
    EXPECT_EQ(stored_so_far(report), "Before that nothing was stored.");
    report.stored = report.committed_line = 500;
    EXPECT_EQ(stored_so_far(report), "Before that 500 were stored, 0 updated and 0 unchanged, up to line 500.");
}

TEST_F(ImportTest, OfVeryManyTheFirstIdsAreNamedAndTheOthersCounted) {
    Import import(*library_, "t", 100'000);
    std::string lines;
    for (int i = 0; i < 10'020; ++i) lines += line(i % 10);  // The same again is no work.
    ASSERT_TRUE(import.add(lines));
    ASSERT_TRUE(import.finish());
    EXPECT_EQ(import.report().received, 10'020U);
    EXPECT_EQ(import.report().ids.size(), kImportIdsMax);
    EXPECT_EQ(import.report().ids_left_out, 20U);
}

}  // namespace
}  // namespace tidegate::content
