// Columns are derived: whatever becomes of their files, a search finds what is in the log.
#include <gtest/gtest.h>

#include <fstream>

#include "audit_views/log_history_fixture.h"
#include "base/file.h"

namespace tidegate::audit {
namespace {

constexpr std::uint64_t kColumnsEnd = kChunkLeaves + 5000;
// Rare decisions that a look through all must find in either chunk.
constexpr std::array<std::uint64_t, 3> kRare{7, kChunkLeaves - 1, kChunkLeaves + 11};

class ColumnsTest : public ::testing::Test {
  protected:
    static void SetUpTestSuite() {
        made_ = std::make_unique<TestLog>(16U * 1024 * 1024);
        made_->open();
        std::vector<Decision> batch;
        for (std::uint64_t n = 0; n < kColumnsEnd; ++n) {
            Decision d = decision_at(n);
            if (std::ranges::find(kRare, n) != kRare.end()) d.tenant = "rare";
            batch.push_back(std::move(d));
            if (batch.size() == 2000 || n + 1 == kColumnsEnd) made_->append(std::exchange(batch, {}));
        }
        made_->columns->settle();
        made_->close();
    }
    static void TearDownTestSuite() { made_.reset(); }

    TestLog& log() { return *made_; }
    void TearDown() override { made_->close(); }

    std::vector<std::uint64_t> find_rare() {
        std::vector<std::uint64_t> leaves;
        const auto done = log().history->for_each({.tenant = "rare"}, {.order = Order::kOldestFirst},
                                                  [&](std::uint64_t leaf, const Decision&) {
                                                      leaves.push_back(leaf);
                                                      return true;
                                                  });
        EXPECT_TRUE(done.has_value());
        return leaves;
    }
    void expect_all_found() {
        EXPECT_EQ(find_rare(), std::vector<std::uint64_t>(kRare.begin(), kRare.end()));
        const auto page = log().history->page({.filter = {.tenant = "rare"}, .limit = 2});
        ASSERT_TRUE(page.has_value());
        EXPECT_EQ(page->items.size(), 2U);
        EXPECT_EQ(page->total, 3U);
        EXPECT_FALSE(page->next_cursor.empty());
        const auto events = log().history->page({.filter = {.kind = RecordKind::kEvent}, .limit = 1});
        ASSERT_TRUE(events.has_value());
        EXPECT_EQ(events->total, kColumnsEnd / 50);
    }
    std::string read_file() { return SystemDisk().read(log().columns_file(0), 1U << 30U).value(); }
    void write_file(const std::string& bytes) { std::ofstream(log().columns_file(0), std::ios::binary) << bytes; }

    static inline std::unique_ptr<TestLog> made_;
};

TEST_F(ColumnsTest, AFullChunkIsReadFromItsFileAndTheRestFromTheLog) {
    log().open();
    EXPECT_EQ(log().position_at_open, kChunkLeaves);
    EXPECT_EQ(log().columns->position(), kColumnsEnd);
    expect_all_found();
    EXPECT_EQ(log().columns->health().rebuilt, 0U);
}

TEST_F(ColumnsTest, AChunkWithoutAMatchIsNotLoaded) {
    log().open();
    ASSERT_TRUE(log().history->page({.filter = {.tenant = "nobody"}}).has_value());
    ASSERT_TRUE(log().history->page({.filter = {.to = kTestBegin - 1}}).has_value());
    EXPECT_EQ(log().columns->health().loads, 0U);
    expect_all_found();
    EXPECT_EQ(log().columns->health().loads, 1U) << "once for the search, then it stays loaded";
}

TEST_F(ColumnsTest, ALostFileIsMadeAgainFromTheLog) {
    std::filesystem::remove(log().columns_file(0));
    log().open();
    EXPECT_EQ(log().position_at_open, 0U) << "nothing survived: the log hands everything on";
    expect_all_found();
    log().columns->settle();
    EXPECT_TRUE(std::filesystem::exists(log().columns_file(0)));
}

TEST_F(ColumnsTest, AFileLostOrRottenWhileItIsUsedIsMadeAgain) {
    for (const bool lost : {true, false}) {
        log().open();
        if (lost) {
            std::filesystem::remove(log().columns_file(0));
        } else {
            std::string bytes = read_file();
            bytes[bytes.size() - 100] ^= 1;
            write_file(bytes);
        }
        expect_all_found();
        EXPECT_EQ(log().columns->health().rebuilt, 1U);
        log().columns->settle();
        log().close();
        log().open();
        EXPECT_EQ(log().position_at_open, kChunkLeaves);
        expect_all_found();
        EXPECT_EQ(log().columns->health().rebuilt, 0U) << "what was made again was written";
        log().close();
    }
}

TEST_F(ColumnsTest, ARottenHeadACutFileOrAnotherLogsFileIsNotBelieved) {
    const std::string good = read_file();
    const auto broken = [&](std::size_t at) {
        std::string bytes = good;
        bytes[at] ^= 0x10;
        return bytes;
    };
    // Magic, log, number, rows, kinds, times, last id, checksum, dictionary.
    for (const std::size_t at : {0U, 10U, 24U, 32U, 36U, 50U, 70U, 93U, 120U}) {
        write_file(broken(at));
        log().open();
        EXPECT_EQ(log().position_at_open, 0U) << at;
        log().columns->settle();
        log().close();
    }
    for (const std::size_t size : {std::size_t{0}, std::size_t{50}, std::size_t{100}, good.size() - 1}) {
        write_file(good.substr(0, size));
        log().open();
        expect_all_found();
        log().columns->settle();
        log().close();
        EXPECT_EQ(read_file(), good) << "made again the same";
    }
}

TEST_F(ColumnsTest, ColumnsOfALogThatWentOnOtherwiseAreNotBelieved) {
    // Another log of the same name would need the same id: the check by the last record is what tells it.
    log().open();
    const auto list = log().columns->list();
    ASSERT_FALSE(list->empty());
    ChunkSummary summary = *list->front().summary;
    const auto chunk = log().columns->load(list->front()).value();
    summary.last_id = decision_at(99).id;
    const std::string bytes = encode_chunk(log().log->segments().log_id(), 0, *chunk, summary, *log().kinds);
    log().close();
    write_file(bytes);
    log().open();
    EXPECT_EQ(log().position_at_open, 0U);
    log().columns->settle();
}

TEST_F(ColumnsTest, ADiskThatTakesNoFileLosesNothing) {
    std::filesystem::remove(log().columns_file(0));
    // A folder of that name in its place: writing the file fails.
    std::filesystem::create_directories(log().columns_file(0) + "/in_the_way");
    log().open({.loaded_max = 1, .retry_interval = std::chrono::milliseconds(5)});
    log().columns->settle();
    EXPECT_GE(log().columns->health().failures, 1U);
    EXPECT_FALSE(log().columns->health().reason.empty());
    expect_all_found();
    std::filesystem::remove_all(log().columns_file(0));
    for (int i = 0; i < 30'000 && log().columns->health().unsaved > 0; ++i) {
        std::this_thread::sleep_for(std::chrono::milliseconds(2));
    }
    EXPECT_EQ(log().columns->health().unsaved, 0U);
    expect_all_found();
}

TEST_F(ColumnsTest, WhatRetentionRemovesIsNotFoundAndItsFileGoes) {
    log().open();
    const std::uint64_t first_before = log().log->reader().first_leaf();
    ASSERT_EQ(first_before, 0U);
    log().log->segments().drop_before(100'000);
    log().log->segments().settle();
    const std::uint64_t first = log().log->reader().first_leaf();
    ASSERT_GT(first, 0U);
    EXPECT_EQ(find_rare(), (std::vector<std::uint64_t>{kRare[1], kRare[2]}));
    const auto page = log().history->page({.filter = {.kind = RecordKind::kEvent}, .limit = 1});
    ASSERT_TRUE(page.has_value());
    EXPECT_EQ(page->total, kColumnsEnd / 50 - first / 50) << "part of the chunk is gone";
    std::filesystem::remove(log().columns_file(0));
    log().close();
    log().open();
    EXPECT_EQ(find_rare(), (std::vector<std::uint64_t>{kRare[1], kRare[2]})) << "made again without what is gone";
    log().columns->settle();
    log().log->segments().drop_before(kChunkLeaves + 4000);
    log().log->segments().settle();
    log().close();
    log().open();
    if (log().log->reader().first_leaf() >= kChunkLeaves) {
        EXPECT_FALSE(std::filesystem::exists(log().columns_file(0)));
    }
}

}  // namespace
}  // namespace tidegate::audit
