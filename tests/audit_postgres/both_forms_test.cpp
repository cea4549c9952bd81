// What a log promises, whatever its home: segments on disk, or blocks in PostgreSQL.
#include <gtest/gtest.h>

#include <algorithm>
#include <future>
#include <set>
#include <thread>

#include "audit_postgres/forms.h"
#include "base/strings.h"
#include "support/log_recorder.h"

namespace tidegate::audit {
namespace {

using segments::make_decision;

template <class Form>
class BothForms : public ::testing::Test {
  protected:
    using Log = typename Form::Log;

    void SetUp() override {
        if (!Form::available()) GTEST_SKIP() << "PostgreSQL is not installed";
        ASSERT_TRUE(form_.start());
    }
    std::unique_ptr<Log> open() {
        auto log = form_.open(clock_, random_);
        EXPECT_TRUE(log) << log.error().message;
        return log ? *std::move(log) : nullptr;
    }
    Result<void> put(Log& log, std::vector<Decision> decisions) {
        std::promise<Result<void>> promise;
        log.append_batch(std::move(decisions), [&](Result<void> done) { promise.set_value(std::move(done)); });
        return promise.get_future().get();
    }
    Result<void> put(Log& log, std::uint64_t n) { return put(log, std::vector<Decision>{make_decision(random_, n)}); }
    /// Appends until the log takes one, which is then in it; each refusal is as it should be.
    void put_until_taken(Log& log, std::uint64_t n) {
        for (auto done = put(log, n); !done; done = put(log, n)) {
            ASSERT_EQ(done.error().code, ErrorCode::kUnavailable) << done.error().message;
            std::this_thread::yield();
        }
    }
    static std::vector<std::string> all(Log& log) {
        std::vector<std::string> ids;
        const auto end = log.reader().scan(0, ~std::uint64_t{0}, [&](std::uint64_t leaf, segments::Bytes record) {
            EXPECT_EQ(leaf, ids.size());
            const auto view = segments::decode(record);
            EXPECT_TRUE(view);
            ids.emplace_back(view ? view->request_id : "");
            return true;
        });
        EXPECT_TRUE(end) << end.error().message;
        EXPECT_EQ(end.value_or(0), ids.size());
        return ids;
    }
    static std::vector<std::string> numbers(std::uint64_t from, std::uint64_t to) {
        std::vector<std::string> ids;
        for (std::uint64_t n = from; n < to; ++n) ids.push_back("request-" + std::to_string(n));
        return ids;
    }

    Form form_;
    StillClock clock_;
    SeededRandom random_{7};
};

using Forms = ::testing::Types<SegmentForm, PostgresForm>;
TYPED_TEST_SUITE(BothForms, Forms);

TYPED_TEST(BothForms, RecordsLieInTheOrderOfTheirAppendsAndAreFoundByLeafIdAndRequest) {
    const auto log = this->open();
    ASSERT_NE(log, nullptr);
    std::vector<Decision> sent;
    for (std::uint64_t n = 0; n < 200; ++n) {
        sent.push_back(make_decision(this->random_, n));
        log->append(sent.back(), {});
    }
    log->flush();
    EXPECT_EQ(this->all(*log), this->numbers(0, 200));
    for (const std::uint64_t leaf : {0U, 1U, 99U, 199U}) {
        const auto record = log->reader().read(leaf);
        ASSERT_TRUE(record) << record.error().message;
        EXPECT_EQ(record->decision, sent[leaf]);
        EXPECT_EQ(record->leaf, leaf);
        EXPECT_EQ(record->recorded, this->clock_.unix_ms());
        const auto by_id = log->reader().find_id(sent[leaf].id);
        ASSERT_TRUE(by_id && *by_id);
        EXPECT_EQ((*by_id)->leaf, leaf);
        const auto by_request = log->reader().find_request(sent[leaf].request_id, 10);
        ASSERT_TRUE(by_request) << by_request.error().message;
        ASSERT_EQ(by_request->size(), 1U);
        EXPECT_EQ(by_request->front().decision, sent[leaf]);
    }
    EXPECT_EQ(log->reader().read(200).error().code, ErrorCode::kNotFound);
    EXPECT_EQ(*log->reader().find_id(make_decision(this->random_, 5).id), std::nullopt);
    EXPECT_TRUE(log->reader().find_request("nobody", 10)->empty());
}

TYPED_TEST(BothForms, AScanGivesTheRangeItWasAskedForAndStopsWhenToldTo) {
    const auto log = this->open();
    ASSERT_NE(log, nullptr);
    for (std::uint64_t n = 0; n < 100; ++n) {
        ASSERT_TRUE(this->put(*log, n));
    }
    std::vector<std::uint64_t> leaves;
    const auto visit = [&](std::uint64_t leaf, segments::Bytes) {
        leaves.push_back(leaf);
        return leaves.size() < 20;
    };
    EXPECT_EQ(log->reader().scan(37, 41, visit).value_or(0), 41U);
    EXPECT_EQ(leaves, (std::vector<std::uint64_t>{37, 38, 39, 40}));
    leaves.clear();
    EXPECT_EQ(log->reader().scan(90, 1000, visit).value_or(0), 100U);
    EXPECT_EQ(leaves.size(), 10U);
    leaves.clear();
    EXPECT_EQ(log->reader().scan(0, 1000, visit).value_or(0), 20U);
    leaves.clear();
    EXPECT_EQ(log->reader().scan(100, 1000, visit).value_or(0), 100U);
    EXPECT_TRUE(leaves.empty());
}

TYPED_TEST(BothForms, AFollowerHasEachRecordOnceBeforeItIsAcknowledgedAndAgainAfterAStart) {
    {
        const auto log = this->open();
        ASSERT_NE(log, nullptr);
        Recorder recorder;
        ASSERT_TRUE(log->follow({&recorder}));
        for (std::uint64_t n = 0; n < 60; ++n) {
            ASSERT_TRUE(this->put(*log, n));
            ASSERT_EQ(recorder.position(), n + 1);
        }
        EXPECT_EQ(recorder.seen(), this->numbers(0, 60));
        log->close();
    }
    const auto log = this->open();
    ASSERT_NE(log, nullptr);
    Recorder whole;
    Recorder late(59);
    Recorder foreign(61);
    ASSERT_TRUE(log->follow({&whole, &late}));
    EXPECT_EQ(log->follow({&foreign}).error().code, ErrorCode::kDataLoss);
    ASSERT_TRUE(this->put(*log, 60));
    EXPECT_EQ(whole.seen(), this->numbers(0, 61));
    EXPECT_EQ(late.seen(), this->numbers(59, 61));
}

TYPED_TEST(BothForms, AFollowerThatFailedGetsWhatItMissed) {
    const auto log = this->open();
    ASSERT_NE(log, nullptr);
    Recorder sick;
    Recorder well;
    ASSERT_TRUE(log->follow({&sick, &well}));
    ASSERT_TRUE(this->put(*log, 0));
    sick.failing = true;
    for (std::uint64_t n = 1; n < 50; ++n) {
        ASSERT_TRUE(this->put(*log, n));
    }
    EXPECT_EQ(well.seen(), this->numbers(0, 50));
    EXPECT_TRUE(log->health().followers[0].behind);
    EXPECT_EQ(log->health().followers[0].reason, "the recorder is full");
    sick.failing = false;
    ASSERT_TRUE(this->put(*log, 50));
    EXPECT_EQ(sick.seen(), this->numbers(0, 51));
    EXPECT_FALSE(log->health().followers[0].behind);
}

TYPED_TEST(BothForms, AfterAStartTheLogGoesOnWhereItWas) {
    segments::MerkleStack before;
    {
        const auto log = this->open();
        ASSERT_NE(log, nullptr);
        for (std::uint64_t n = 0; n < 77; ++n) {
            log->append(make_decision(this->random_, n), {});
        }
        // What waits is written, and what comes now is refused.
        log->close();
        EXPECT_EQ(this->put(*log, 99).error().code, ErrorCode::kUnavailable);
        before = TypeParam::tree(*log);
        EXPECT_EQ(before.size(), 77U);
    }
    const auto log = this->open();
    ASSERT_NE(log, nullptr);
    EXPECT_EQ(TypeParam::tree(*log), before);
    ASSERT_TRUE(this->put(*log, 77));
    EXPECT_EQ(this->all(*log), this->numbers(0, 78));
    EXPECT_EQ(log->health().size, 78U);
}

TYPED_TEST(BothForms, AGroupLiesTogetherWhateverElseIsAppendedMeanwhile) {
    const auto log = this->open();
    ASSERT_NE(log, nullptr);
    std::vector<std::thread> threads;
    for (std::uint64_t thread = 0; thread < 4; ++thread) {
        threads.emplace_back([&, thread] {
            for (std::uint64_t group = 0; group < 12; ++group) {
                std::vector<Decision> decisions;
                for (std::uint64_t i = 0; i < 5; ++i) {
                    decisions.push_back(make_decision(this->random_, thread * 1000 + group * 10 + i));
                }
                log->append_batch(std::move(decisions), {});
            }
        });
    }
    for (std::thread& thread : threads) thread.join();
    log->flush();
    const std::vector<std::string> ids = this->all(*log);
    ASSERT_EQ(ids.size(), 4U * 12 * 5);
    EXPECT_EQ(std::set<std::string>(ids.begin(), ids.end()).size(), ids.size());
    for (std::size_t first = 0; first < ids.size(); first += 5) {
        const std::uint64_t n = parse_u64(std::string_view(ids[first]).substr(8)).value_or(1);
        EXPECT_EQ(n % 10, 0U);
        EXPECT_EQ(std::vector(ids.begin() + static_cast<std::ptrdiff_t>(first),
                              ids.begin() + static_cast<std::ptrdiff_t>(first + 5)),
                  this->numbers(n, n + 5));
    }
}

TYPED_TEST(BothForms, WhatIsNoDecisionIsRefusedAndSoIsNothing) {
    const auto log = this->open();
    ASSERT_NE(log, nullptr);
    Decision bad = make_decision(this->random_, 1);
    bad.request_id = "with a space";
    EXPECT_EQ(this->put(*log, {make_decision(this->random_, 0), bad}).error().code, ErrorCode::kInvalidArgument);
    EXPECT_EQ(this->put(*log, std::vector<Decision>{}).error().code, ErrorCode::kInvalidArgument);
    ASSERT_TRUE(this->put(*log, 0));
    EXPECT_EQ(this->all(*log), this->numbers(0, 1));
    EXPECT_EQ(log->health().refused_invalid, 2U);
}

TYPED_TEST(BothForms, WithoutItsHomeTheLogRefusesAndGoesOnByItselfWhenItIsThereAgain) {
    const auto log = this->open();
    ASSERT_NE(log, nullptr);
    Recorder recorder;
    ASSERT_TRUE(log->follow({&recorder}));
    std::uint64_t taken = 0;
    for (int round = 0; round < 3; ++round) {
        ASSERT_TRUE(this->put(*log, taken++));
        this->form_.take_away();
        const auto refused = this->put(*log, 999);
        ASSERT_FALSE(refused);
        EXPECT_EQ(refused.error().code, ErrorCode::kUnavailable);
        EXPECT_TRUE(log->health().degraded);
        EXPECT_NE(log->health().reason, "");
        EXPECT_EQ(this->put(*log, 999).error().code, ErrorCode::kUnavailable);
        this->form_.give_back();
        this->put_until_taken(*log, taken++);
        EXPECT_FALSE(log->health().degraded);
    }
    EXPECT_EQ(this->all(*log), this->numbers(0, taken));
    EXPECT_EQ(recorder.seen(), this->numbers(0, taken));
    EXPECT_EQ(TypeParam::tree(*log).size(), taken);
}

TYPED_TEST(BothForms, ALogHasOneWriterAndTheSecondIsToldSo) {
    auto first = this->form_.open_shared(this->clock_, this->random_);
    ASSERT_TRUE(first) << first.error().message;
    const auto second = this->form_.open_shared(this->clock_, this->random_);
    ASSERT_FALSE(second);
    EXPECT_EQ(second.error().code, ErrorCode::kConflict) << second.error().message;
    ASSERT_TRUE(this->put(**first, 0));
    first->reset();
    const auto third = this->form_.open_shared(this->clock_, this->random_);
    ASSERT_TRUE(third) << third.error().message;
    EXPECT_EQ(this->all(**third), this->numbers(0, 1));
}

TEST(BothFormsTogether, TheSameRecordsGiveTheSameTree) {
    NEED_POSTGRES();
    const StillClock clock;
    const auto root = [&clock](auto form) {
        SeededRandom random(11);
        EXPECT_TRUE(form.start());
        const auto log = form.open(clock, random);
        EXPECT_TRUE(log) << log.error().message;
        SeededRandom of_records(12);
        for (std::uint64_t n = 0; n < 500; ++n) {
            (*log)->append(make_decision(of_records, n), {});
        }
        (*log)->flush();
        EXPECT_EQ(form.tree(**log).size(), 500U);
        return to_hex(form.tree(**log).root());
    };
    EXPECT_EQ(root(SegmentForm()), root(PostgresForm()));
}

}  // namespace
}  // namespace tidegate::audit
