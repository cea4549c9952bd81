// A folder is read beside the server that writes it, and says the same as the server.
#include "audit/keep/folder_view.h"

#include <atomic>
#include <thread>

#include "audit_keep/keep_fixture.h"

namespace tidegate::audit::keep {
namespace {

using View = KeepTest;

TEST_F(View, FindsEachRecordWhileTheLogIsOpenAndAfterIt) {
    open();
    append(1'000);
    for (const bool running : {true, false}) {
        if (!running) close();
        const auto view = FolderView::open(log_folder());
        ASSERT_TRUE(view) << view.error().message;
        EXPECT_EQ((*view)->reader().end_leaf(), 1'000U);
        for (const std::size_t n : {std::size_t{0}, std::size_t{500}, std::size_t{999}}) {
            const auto found = (*view)->reader().find_id(decisions_[n].id);
            ASSERT_TRUE(found && *found);
            EXPECT_EQ((*found)->leaf, n);
            EXPECT_EQ((*found)->decision, decisions_[n]);
        }
    }
}

TEST_F(View, AFolderWithoutALogIsNotFoundAndADamagedOneIsNoAnswer) {
    EXPECT_EQ(FolderView::open(folder_).error().code, ErrorCode::kNotFound);
    open();
    append(1'000);
    log_->segments().settle();
    close();
    std::filesystem::remove(log_folder() + "/000000000002.segment");
    EXPECT_EQ(FolderView::open(log_folder()).error().code, ErrorCode::kDataLoss);
}

TEST_F(View, ATailGivesEachRecordOnceAcrossSegments) {
    open();
    append(10);
    const auto tail = LogTail::open(log_folder(), 5);
    ASSERT_TRUE(tail) << tail.error().message;
    std::vector<std::uint64_t> leaves;
    const auto take = [&](std::uint64_t leaf, segments::Bytes record) {
        EXPECT_EQ(segments::decode(record)->id, decisions_[leaf].id);
        leaves.push_back(leaf);
        return true;
    };
    for (int i = 0; i < 8; ++i) {
        ASSERT_TRUE((*tail)->poll(take));
        append(150);
    }
    ASSERT_GT(log_->reader().segments()->size(), 3U);
    ASSERT_TRUE((*tail)->poll(take));
    EXPECT_EQ((*tail)->poll(take).value(), 0U);
    ASSERT_EQ(leaves.size(), 1'205U);
    for (std::size_t i = 0; i < leaves.size(); ++i) ASSERT_EQ(leaves[i], i + 5);
    EXPECT_EQ((*tail)->taken_back(), 0U);
}

TEST_F(View, APollThatIsEndedGoesOnAtTheNextRecord) {
    open();
    append(100);
    const auto tail = LogTail::open(log_folder(), 0);
    ASSERT_TRUE(tail);
    std::uint64_t last = 0;
    const auto until = [&](std::uint64_t stop) {
        return [&last, stop](std::uint64_t leaf, segments::Bytes) {
            last = leaf;
            return leaf != stop;
        };
    };
    ASSERT_EQ((*tail)->poll(until(30)).value(), 31U);
    ASSERT_EQ((*tail)->poll(until(1'000)).value(), 69U);
    EXPECT_EQ(last, 99U);
}

TEST_F(View, ATailOfAnEmptyFolderWaitsForTheFirstRecord) {
    open();
    const auto tail = LogTail::open(log_folder(), 0);
    ASSERT_TRUE(tail);
    const auto count = [](std::uint64_t, segments::Bytes) { return true; };
    EXPECT_EQ((*tail)->poll(count).value(), 0U);
    append(3);
    EXPECT_EQ((*tail)->poll(count).value(), 3U);
}

TEST_F(View, AVerifierFindsNothingInALogThatIsBeingWritten) {
    open(true, 50);
    append(100);
    ASSERT_TRUE(proofs_->sign_now());
    std::atomic<bool> done{false};
    std::atomic<unsigned> times{0};
    std::thread writer([&] {
        append(6'000);
        // As long as the verifier has not looked twice, where that takes longer.
        for (int more = 0; more < 600 && times < 2; ++more) append(100);
        done = true;
    });
    do {
        const auto report = verify_log();
        EXPECT_FALSE(report.integrity_broken || report.completeness_broken) << verify::to_text(report);
        EXPECT_EQ(report.exit_code(), 0);
        const auto view = FolderView::open(log_folder());
        EXPECT_TRUE(view) << view.error().message;
        ++times;
    } while (!done && !HasFailure());
    writer.join();
    EXPECT_GT(times.load(), 1U);
}

}  // namespace
}  // namespace tidegate::audit::keep
