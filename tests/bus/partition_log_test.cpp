// A partition's log: each record once, over restarts, blocks that come again, senders that lost their place, and messages that are no blocks.
#include "bus/partition_log.h"

#include <thread>

#include "base/file.h"
#include "bus/bus_fixture.h"
#include "bus/source_marks.h"

namespace tidegate::bus {
namespace {

class PartitionLogTest : public ::testing::Test {
  protected:
    std::unique_ptr<PartitionLog> open() {
        auto opened = PartitionLog::open(partition_options(folder()), clock_, random_);
        EXPECT_TRUE(opened.has_value()) << opened.error().message;
        return opened ? *std::move(opened) : nullptr;
    }
    static void take(PartitionLog& log, std::uint64_t offset, const std::string& message) {
        const auto taken = log.take(offset, bytes_of(message));
        EXPECT_TRUE(taken.has_value()) << taken.error().message;
    }
    std::string folder() const { return folder_.path() + "/partition"; }

    BusFolder folder_;
    ManualClock clock_{1'800'000'000'000};
    SeededRandom random_{5};
};

TEST_F(PartitionLogTest, GoesOnAtTheOffsetThatItsLogStates) {
    for (std::uint64_t offset = 0; offset < 40; ++offset) {
        auto log = open();
        EXPECT_EQ(log->next_offset(), offset == 0 ? std::nullopt : std::optional(offset));
        take(*log, offset, block_of(numbers_from_to(offset * 5, offset * 5 + 5), offset * 5, offset * 5 + 5));
    }
    EXPECT_EQ(requests_in(folder()), requests_from_to(0, 200));
}

TEST_F(PartitionLogTest, TheOffsetIsFoundWithoutTheFileOfMarks) {
    {
        auto log = open();
        for (std::uint64_t i = 0; i < 300; ++i)
            take(*log, 10 + i, block_of(numbers_from_to(i * 9, i * 9 + 9), i * 9, i * 9 + 9));
        ASSERT_TRUE(log->flush());
        EXPECT_TRUE(std::filesystem::exists(folder() + "/000000000002.segment")) << "the test wants more than one";
    }
    ASSERT_TRUE(std::filesystem::remove(folder() + "/sources"));
    auto log = open();
    EXPECT_EQ(log->next_offset(), 310U);
    // And so are the labels: the last block comes again under a new offset.
    take(*log, 310, block_of(numbers_from_to(299 * 9, 300 * 9), 299 * 9, 300 * 9));
    EXPECT_EQ(log->health().duplicate_blocks, 1U);
    log->close();
    EXPECT_EQ(requests_in(folder()), requests_from_to(0, 2700));
}

TEST_F(PartitionLogTest, ASaveOfTheMarksIsTheEndOfNoWalk) {
    auto options = partition_options(folder());
    options.save_marks_records = 20;
    for (int life = 0; life < 3; ++life) {
        auto log = PartitionLog::open(options, clock_, random_);
        ASSERT_TRUE(log);
        const std::uint64_t begin = (*log)->next_offset().value_or(0);
        EXPECT_EQ(begin, static_cast<std::uint64_t>(life) * 10);
        for (std::uint64_t i = begin; i < begin + 10; ++i)
            take(**log, i, block_of(numbers_from_to(i * 7, i * 7 + 7), i * 7, i * 7 + 7));
    }
    EXPECT_EQ(requests_in(folder()), requests_from_to(0, 210));
}

// What a sender does that dies between an acknowledgement and noting it down: the round again, cut the same way.
TEST_F(PartitionLogTest, ARoundThatIsSentAgainIsTakenOnce) {
    const std::vector<std::string> round{block_of({0, 2, 4}, 0, 6), block_of({1, 3, 5}, 0, 6)};
    for (std::size_t arrived = 0; arrived <= round.size(); ++arrived) {
        BusFolder own;
        auto log = PartitionLog::open(partition_options(own.path() + "/p"), clock_, random_);
        ASSERT_TRUE(log);
        std::uint64_t offset = 0;
        for (std::size_t i = 0; i < arrived; ++i) take(**log, offset++, round[i]);
        log->reset();
        log = PartitionLog::open(partition_options(own.path() + "/p"), clock_, random_);
        ASSERT_TRUE(log);
        for (const std::string& block : round) take(**log, offset++, block);
        take(**log, offset++, block_of({6, 7}, 6, 8));
        EXPECT_EQ((*log)->health().duplicate_blocks, arrived);
        EXPECT_EQ((*log)->health().duplicate_records, 0U);
        log->reset();
        auto requests = requests_in(own.path() + "/p");
        std::ranges::sort(requests);
        EXPECT_EQ(requests, requests_from_to(0, 8));
    }
}

// Its position file is gone: it cuts its rounds anew, from the start, across the old ones.
TEST_F(PartitionLogTest, ASenderThatHasLostItsPlaceDoublesNothing) {
    {
        auto log = open();
        take(*log, 0, block_of(numbers_from_to(0, 10), 0, 10));
        take(*log, 1, block_of(numbers_from_to(10, 15), 10, 15));
    }
    auto log = open();
    take(*log, 2, block_of(numbers_from_to(0, 7), 0, 7));
    take(*log, 3, block_of(numbers_from_to(7, 18), 7, 18));
    take(*log, 4, block_of({18}, 18, 19));
    EXPECT_EQ(log->health().duplicate_records, 7U + 8U);
    log->close();
    EXPECT_EQ(requests_in(folder()), requests_from_to(0, 19));
}

TEST_F(PartitionLogTest, SendersDoNotHideEachOther) {
    auto log = open();
    for (std::uint64_t i = 0; i < 50; ++i) {
        const auto sender = static_cast<std::uint8_t>(i % 2);
        take(*log, i, block_of({1000 * (i % 2) + i / 2}, i / 2, i / 2 + 1 + 1000 * (i % 2), origin_id(sender)));
    }
    log.reset();
    EXPECT_EQ(requests_in(folder()).size(), 50U);
    log = open();
    EXPECT_EQ(log->next_offset(), 50U);
}

TEST_F(PartitionLogTest, AMessageThatIsNoBlockIsSetAsideAndSaidSo) {
    const std::string poison = "this is not a block";
    {
        auto log = open();
        take(*log, 0, poison);
        take(*log, 1, block_of({1}, 1, 2));
        EXPECT_EQ(log->health().dead_letters, 1U);
    }
    EXPECT_EQ(*SystemDisk().read(folder() + "/dead/00000000000000000000.message", 1000), poison);
    std::vector<std::string> events;
    ASSERT_TRUE(audit::verify::walk_records(folder(), [&](std::uint64_t, audit::verify::Bytes bytes) {
        const auto view = *audit::segments::decode(bytes);
        if (view.kind == audit::RecordKind::kEvent)
            events.push_back(std::string(view.operation) + std::string(view.output));
        return true;
    }));
    ASSERT_EQ(events.size(), 1U);
    EXPECT_TRUE(events[0].starts_with("dead_letter{")) << events[0];
    EXPECT_NE(events[0].find(R"("offset":0)"), std::string::npos) << events[0];
    EXPECT_EQ(open()->next_offset(), 2U);
}

TEST_F(PartitionLogTest, MessagesThatTheBrokerLetGoAreAnEvent) {
    auto log = open();
    take(*log, 4, block_of({1}, 1, 2));
    ASSERT_TRUE(log->note_lost(5, 9));
    take(*log, 9, block_of({2}, 2, 3));
    EXPECT_EQ(log->health().lost_messages, 4U);
    log.reset();
    EXPECT_EQ(open()->next_offset(), 10U);
}

TEST_F(PartitionLogTest, AMessageThatComesTooEarlyIsRefused) {
    auto log = open();
    log->begin_at(3);
    EXPECT_EQ(log->take(4, bytes_of(block_of({1}, 1, 2))).error().code, ErrorCode::kDataLoss);
    take(*log, 3, block_of({1}, 1, 2));
    EXPECT_EQ(log->take(5, bytes_of(block_of({3}, 3, 4))).error().code, ErrorCode::kDataLoss);
    take(*log, 4, block_of({2}, 2, 3));
    ASSERT_TRUE(log->flush());
    EXPECT_EQ(log->next_offset(), 5U);
    log->close();
    EXPECT_EQ(requests_in(folder()), requests_from_to(1, 3));
}

TEST_F(PartitionLogTest, ASecondWorkerIsRefusedByTheFolder) {
    const auto first = open();
    const auto second = PartitionLog::open(partition_options(folder()), clock_, random_);
    ASSERT_FALSE(second);
    EXPECT_EQ(second.error().code, ErrorCode::kConflict);
}

TEST_F(PartitionLogTest, AFolderHoldsOnePartitionOfOneTopic) {
    open().reset();
    auto options = partition_options(folder(), 4);
    EXPECT_EQ(PartitionLog::open(options, clock_, random_).error().code, ErrorCode::kConflict);
    options = partition_options(folder());
    options.topic = "another";
    EXPECT_EQ(PartitionLog::open(options, clock_, random_).error().code, ErrorCode::kConflict);
    // Without the file of marks the batches still say it.
    auto log = open();
    take(*log, 0, block_of({1}, 1, 2));
    log.reset();
    std::filesystem::remove(folder() + "/sources");
    EXPECT_EQ(PartitionLog::open(partition_options(folder(), 4), clock_, random_).error().code, ErrorCode::kConflict);
}

TEST_F(PartitionLogTest, ALogThatWasCutShortIsNotGoneOnWith) {
    {
        auto log = open();
        for (std::uint64_t i = 0; i < 20; ++i) take(*log, i, block_of({i}, i, i + 1));
    }
    // The marks of a longer log.
    auto marks = *decode_sources(*SystemDisk().read(folder() + "/sources", 10'000));
    marks.leaf += 5;
    ASSERT_TRUE(SystemDisk().write_atomic(folder() + "/sources", encode_sources(marks)));
    EXPECT_EQ(PartitionLog::open(partition_options(folder()), clock_, random_).error().code, ErrorCode::kDataLoss);
}

TEST_F(PartitionLogTest, OffsetsThatWereTakenAreNotTakenAgain) {
    auto log = open();
    take(*log, 0, block_of({0}, 0, 1));
    take(*log, 0, block_of({5}, 5, 6));
    log->close();
    EXPECT_EQ(requests_in(folder()), requests_from_to(0, 1));
}

TEST(SourceMarks, AreOneTextAndBack) {
    SourceMarks marks{
        .topic = "t", .partition = 7, .leaf = 99, .next_offset = 5, .origins = {}, .last_origin = origin_id(2)};
    marks.origins[origin_id(2)] = {1, 2, 1, 0};
    marks.origins[origin_id(9)] = {4, 8, 6, 4};
    const std::string text = encode_sources(marks);
    ASSERT_TRUE(decode_sources(text));
    EXPECT_EQ(*decode_sources(text), marks);
    for (std::size_t i = 0; i < text.size(); ++i) {
        std::string damaged = text;
        damaged[i] = static_cast<char>(damaged[i] ^ 1);
        EXPECT_FALSE(decode_sources(damaged)) << i;
    }
}

TEST(Judge, ALaterRoundIsNewTheSameByItsPlaceAnythingElseUnclear) {
    const LogId id = origin_id(1);
    EXPECT_EQ(judge(std::nullopt, {id, 5, 9, 5}), Seen::kNew);
    const OriginMark mark{5, 9, 6, 0};
    EXPECT_EQ(judge(mark, {id, 9, 12, 9}), Seen::kNew);
    EXPECT_EQ(judge(mark, {id, 5, 9, 7}), Seen::kNew);
    EXPECT_EQ(judge(mark, {id, 5, 9, 6}), Seen::kTaken);
    EXPECT_EQ(judge(mark, {id, 5, 9, 5}), Seen::kTaken);
    EXPECT_EQ(judge(mark, {id, 5, 12, 7}), Seen::kUnclear);
    EXPECT_EQ(judge(mark, {id, 0, 5, 0}), Seen::kUnclear);
    // A round that went back stays unclear as far as others reached before.
    const OriginMark back = advance(mark, {id, 0, 7, 0});
    EXPECT_EQ(back.covered, 9U);
    EXPECT_EQ(judge(back, {id, 0, 7, 3}), Seen::kUnclear);
    EXPECT_EQ(judge(back, {id, 7, 10, 7}), Seen::kUnclear);
    EXPECT_EQ(judge(back, {id, 9, 10, 9}), Seen::kNew);
}

}  // namespace
}  // namespace tidegate::bus
