// What stands on the log gives the same answers whatever its home: look-ups, history, proofs, retention, gaps.
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <future>
#include <thread>

#include "audit/keep/log_key.h"
#include "audit/keep/retention.h"
#include "audit/views/columns.h"
#include "audit/views/kinds.h"
#include "audit/views/log_history.h"
#include "audit/views/spend_scan.h"
#include "audit_postgres/forms.h"

namespace tidegate::audit {
namespace {

using keep::ProofKeeper;
using keep::Retention;

constexpr UnixMillis kStart = 1'772'366'400'000;

template <class Form>
class BothViews : public ::testing::Test {
  protected:
    void SetUp() override {
        if (!Form::available()) GTEST_SKIP() << "PostgreSQL is not installed";
        ASSERT_TRUE(form_.start());
        open();
    }
    void TearDown() override { close(); }

    void open(WhenFailing when = WhenFailing::kRefuse) {
        auto log = form_.open(clock_, random_, when);
        ASSERT_TRUE(log) << log.error().message;
        log_ = *std::move(log);
        kinds_ = std::make_unique<Kinds>();
        auto columns = Columns::open(std::make_unique<segments::SystemLogFolder>(folder_.file("columns")), {},
                                     log_->reader(), log_->log_id(), *kinds_);
        ASSERT_TRUE(columns) << columns.error().message;
        columns_ = *std::move(columns);
        history_ = std::make_unique<LogHistory>(log_->reader(), *columns_, log_->log_id());
        auto proofs = ProofKeeper::open(
            {.folder = folder_.file("log"), .interval = std::chrono::hours(1), .background = false},
            std::move(keep::open_log_key(folder_.file("key"), "log.example/both").value().key), log_->store(), clock_);
        ASSERT_TRUE(proofs) << proofs.error().message;
        proofs_ = *std::move(proofs);
        const auto followed = log_->follow({columns_.get(), proofs_.get()});
        ASSERT_TRUE(followed) << followed.error().message;
    }
    void close() {
        history_.reset();
        if (log_) log_->close();
        if (proofs_) proofs_->stop();
        proofs_.reset();
        columns_.reset();  // Before the log: its thread looks at the reader.
        kinds_.reset();
        log_.reset();
    }
    /// Each a millisecond after the one before, a few in a block or batch.
    void append(std::uint64_t count) {
        for (std::uint64_t i = 0; i < count; ++i) {
            clock_.advance(std::chrono::milliseconds(1));
            const std::uint64_t n = sent_.size();
            Decision one = segments::make_decision(random_, n, clock_.unix_ms() - static_cast<UnixMillis>(n));
            one.request_id = "request-" + std::to_string(n / 2);
            one.input_hash = sha256(std::to_string(n % 50));
            sent_.push_back(one);
            log_->append(std::move(one), [](const Result<void>& done) { EXPECT_TRUE(done); });
            if (sent_.size() % 8 == 0) log_->flush();
        }
        log_->flush();
        Form::settle(*log_);
    }
    Result<void> put(std::uint64_t n) {
        std::promise<Result<void>> promise;
        log_->append(segments::make_decision(random_, n),
                     [&](Result<void> done) { promise.set_value(std::move(done)); });
        return promise.get_future().get();
    }
    std::vector<std::uint64_t> leaves_where(const std::function<bool(const Decision&)>& wanted) const {
        std::vector<std::uint64_t> found;
        for (std::uint64_t leaf = 0; leaf < sent_.size(); ++leaf) {
            if (wanted(sent_[leaf])) found.push_back(leaf);
        }
        return found;
    }
    std::vector<Decision> events() const {
        std::vector<Decision> found;
        HistoryFilter filter;
        filter.kind = RecordKind::kEvent;
        const auto walked = history_->for_each(filter, [&](const Decision& one) {
            found.push_back(one);
            return true;
        });
        EXPECT_TRUE(walked) << walked.error().message;
        return found;
    }

    Form form_;
    store::TemporaryFolder folder_;
    ManualClock clock_{kStart};
    SeededRandom random_{31};
    std::vector<Decision> sent_;
    std::unique_ptr<typename Form::Log> log_;
    std::unique_ptr<Kinds> kinds_;
    std::unique_ptr<Columns> columns_;
    std::unique_ptr<LogHistory> history_;
    std::unique_ptr<ProofKeeper> proofs_;
};

using Forms = ::testing::Types<SegmentForm, PostgresForm>;
TYPED_TEST_SUITE(BothViews, Forms);

TYPED_TEST(BothViews, InputsAndRequestsAreFoundNewestFirstAsManyAsAskedForAndOnlyThoseWanted) {
    this->append(400);
    const LogReader& reader = this->log_->reader();
    const Sha256 input = this->sent_[7].input_hash;
    auto leaves = this->leaves_where([&](const Decision& one) { return one.input_hash == input; });
    std::ranges::reverse(leaves);
    const auto leaves_of = [](const Result<std::vector<segments::Record>>& found) {
        EXPECT_TRUE(found) << found.error().message;
        std::vector<std::uint64_t> all;
        if (found) std::ranges::transform(*found, std::back_inserter(all), &segments::Record::leaf);
        return all;
    };
    EXPECT_EQ(leaves_of(reader.find_input(input, 100, {})), leaves);
    EXPECT_EQ(leaves_of(reader.find_input(input, 3, {})), std::vector(leaves.begin(), leaves.begin() + 3));
    const auto even = [](std::uint64_t leaf) { return leaf % 100 == 7; };
    EXPECT_EQ(leaves_of(reader.find_input(input, 100, even)), (std::vector<std::uint64_t>{307, 207, 107, 7}));
    EXPECT_EQ(leaves_of(reader.find_request("request-60", 10)), (std::vector<std::uint64_t>{121, 120}));
    const auto first =
        reader.find_request_if("request-60", [&](const Decision& one) { return one.id == this->sent_[120].id; });
    ASSERT_TRUE(first && *first);
    EXPECT_EQ((*first)->leaf, 120U);
    EXPECT_EQ((*first)->decision, this->sent_[120]);
    const auto none = reader.find_request_if("request-60", [](const Decision&) { return false; });
    EXPECT_TRUE(none && !*none);
    EXPECT_TRUE(leaves_of(reader.find_input(sha256("nobody's"), 5, {})).empty());
}

TYPED_TEST(BothViews, AScanByTimeAndTenantMissesNothing) {
    this->append(300);
    segments::ZoneFilter filter;
    filter.from = this->sent_[100].time();
    filter.to = this->sent_[180].time();
    filter.tenant = "acme";
    const auto matches = [&](const Decision& one) {
        return one.time() >= *filter.from && one.time() < *filter.to && one.tenant == "acme";
    };
    std::vector<std::uint64_t> found;
    const auto scanned = this->log_->reader().scan_where(filter, [&](std::uint64_t leaf, segments::Bytes record) {
        if (matches(segments::to_decision(segments::decode(record).value()))) found.push_back(leaf);
        return true;
    });
    ASSERT_TRUE(scanned) << scanned.error().message;
    EXPECT_EQ(found, this->leaves_where(matches));
    const auto ranges = this->log_->reader().ranges_where(filter);
    ASSERT_TRUE(ranges) << ranges.error().message;
    for (const std::uint64_t leaf : found) {
        EXPECT_TRUE(std::ranges::any_of(*ranges, [leaf](const LeafRange& r) { return r.from <= leaf && leaf < r.to; }));
    }
    const auto spent = scan_spent(this->log_->reader(), this->sent_[200].time());
    ASSERT_TRUE(spent) << spent.error().message;
    EXPECT_EQ(spent->decisions, 100U);
}

TYPED_TEST(BothViews, HistoryGivesEveryPageEachRecordOnceAndTenantsApart) {
    this->append(350);
    for (const bool again : {false, true}) {
        if (again) {  // The columns made anew from the log.
            this->close();
            std::filesystem::remove_all(this->folder_.file("columns"));
            this->open();
        }
        for (const auto& tenant : {std::optional<std::string>(), std::optional<std::string>("acme")}) {
            HistoryQuery query;
            query.filter.tenant = tenant;
            query.filter.status = Status::kSuccess;
            query.limit = 40;
            auto wanted = this->leaves_where([&](const Decision& one) {
                return one.status == Status::kSuccess && (!tenant || one.tenant == *tenant);
            });
            std::ranges::reverse(wanted);
            std::vector<Decision> got;
            do {
                auto page = this->history_->page(query);
                ASSERT_TRUE(page) << page.error().message;
                EXPECT_EQ(page->total, wanted.size());
                std::ranges::move(page->items, std::back_inserter(got));
                query.cursor = page->next_cursor;
            } while (!query.cursor.empty());
            ASSERT_EQ(got.size(), wanted.size());
            for (std::size_t i = 0; i < got.size(); ++i) {
                EXPECT_EQ(got[i], this->sent_[wanted[i]]);
            }
        }
        const Decision& of_acme = this->sent_[5];
        EXPECT_TRUE(this->history_->get(of_acme.id, "acme"));
        EXPECT_EQ(this->history_->get(of_acme.id, "other").error().code, ErrorCode::kNotFound);
        EXPECT_EQ(this->history_->by_request(of_acme.request_id, "acme", 10)->size(), 1U);
        EXPECT_EQ(this->history_->by_input(of_acme.input_hash, "other", 10)->size(), 0U);
    }
}

TYPED_TEST(BothViews, AReceiptHoldsAndLostOrWrongTilesAreMadeAgainFromTheRecords) {
    this->append(300);
    ASSERT_TRUE(this->proofs_->sign_now().value());
    const auto check = [&] {
        const auto record = this->log_->reader().find_id(this->sent_[123].id);
        ASSERT_TRUE(record && *record);
        const auto receipt = this->proofs_->receipt(**record);
        ASSERT_TRUE(receipt) << receipt.error().message;
        const auto holds = proof::check_receipt(*receipt, {this->proofs_->verifier()});
        EXPECT_TRUE(holds) << holds.error().message;
    };
    check();
    const Sha256 root = this->log_->tree().root();
    this->close();
    std::filesystem::remove_all(this->folder_.file("log") + "/tiles");
    this->open();
    EXPECT_EQ(this->proofs_->health().rebuilt_leaves, 300U);
    check();
    this->append(50);
    ASSERT_TRUE(this->proofs_->sign_now().value());
    EXPECT_NE(this->log_->tree().root(), root);
    EXPECT_FALSE(this->proofs_->health().refuses);
    // What a tree is stated for is a beginning of the log.
    for (const std::uint64_t leaf : {350U, 200U, 1U, 0U}) {
        const auto stated = this->log_->reader().tree_before(leaf);
        ASSERT_TRUE(stated && *stated) << leaf;
        EXPECT_LE((*stated)->size(), leaf);
        const auto proven = proof::root_of(this->proofs_->tiles(), (*stated)->size());
        ASSERT_TRUE(proven) << proven.error().message;
        EXPECT_EQ(*proven, (*stated)->root());
    }
}

TYPED_TEST(BothViews, RetentionRemovesOnlyWhatIsOldSaysSoFirstAndAHoldStopsIt) {
    auto holds = keep::Holds::open(this->folder_.file("holds.db"), this->clock_);
    ASSERT_TRUE(holds) << holds.error().message;
    this->append(1'000);
    this->clock_.advance(std::chrono::hours(48));
    this->append(600);
    ASSERT_TRUE(this->proofs_->sign_now().value());
    Retention retention(
        {.age = std::chrono::hours(24), .interval = std::chrono::hours(1), .background = false},
        Retention::Parts{this->log_->store(), *this->log_, *this->proofs_, **holds, this->clock_, this->random_});
    keep::Hold hold;
    hold.reason = "a lawsuit";
    hold.tenant = "acme";
    hold.placed_by = "key:officer";
    const auto placed = retention.place(hold);
    ASSERT_TRUE(placed) << placed.error().message;
    auto plan = retention.run("key:officer");
    ASSERT_TRUE(plan) << plan.error().message;
    EXPECT_EQ(plan->held_by, placed->id);
    EXPECT_EQ(this->log_->reader().first_leaf(), 0U);
    ASSERT_TRUE(retention.release(placed->id, "key:officer"));
    const auto preview = retention.preview();
    ASSERT_TRUE(preview);
    EXPECT_EQ(this->log_->reader().first_leaf(), 0U) << "a preview drops nothing";
    plan = retention.run("key:officer");
    ASSERT_TRUE(plan) << plan.error().message;
    EXPECT_EQ(plan->drop_before, preview->drop_before);
    const std::uint64_t first = this->log_->reader().first_leaf();
    EXPECT_EQ(first, plan->drop_before);
    EXPECT_GT(first, 0U);
    EXPECT_LE(first, 1'000U);
    const auto check = [&] {
        const LogReader& reader = this->log_->reader();
        EXPECT_EQ(reader.first_leaf(), first);
        EXPECT_EQ(this->log_->health().first, first);
        EXPECT_EQ(reader.read(first - 1).error().code, ErrorCode::kNotFound);
        EXPECT_EQ(reader.scan(0, 10, [](std::uint64_t, segments::Bytes) { return true; }).error().code,
                  ErrorCode::kNotFound);
        EXPECT_EQ(reader.read(first)->decision, this->sent_[first]);
        const std::vector<std::uint64_t> several{first + 40, first, first - 1, reader.end_leaf(), first + 1};
        std::vector<std::uint64_t> given;
        EXPECT_TRUE(reader.read_each(several, [&](std::uint64_t leaf, const segments::RecordView& record) {
            EXPECT_EQ(segments::to_decision(record), this->sent_[leaf]);
            given.push_back(leaf);
            return given.size() < 3;
        }));
        EXPECT_EQ(given, (std::vector<std::uint64_t>{first + 40, first, first + 1}));
        const auto gone = reader.find_id(this->sent_[first - 1].id);
        EXPECT_TRUE(gone && !*gone);
        const auto by_request = reader.find_request(this->sent_[0].request_id, 10);
        EXPECT_TRUE(by_request && by_request->empty());
        const auto kept = reader.find_request(this->sent_[1'200].request_id, 10);
        EXPECT_TRUE(kept && kept->size() == 2);
        HistoryQuery query;
        query.limit = 500;
        std::size_t seen = 0;
        do {
            const auto page = this->history_->page(query);
            ASSERT_TRUE(page) << page.error().message;
            seen += page->items.size();
            query.cursor = page->next_cursor;
        } while (!query.cursor.empty());
        EXPECT_EQ(seen, this->sent_.size() - first);
    };
    check();
    std::vector<std::string> said;
    for (const Decision& event : this->events()) said.push_back(event.operation);
    EXPECT_EQ(said, (std::vector<std::string>{"retention/drop", "hold/release", "hold/place"}));
    const auto tree = this->log_->tree();
    this->close();
    this->open();
    EXPECT_EQ(TypeParam::tree(*this->log_), tree);
    check();
    this->append(10);
    ASSERT_TRUE(this->proofs_->sign_now().value());
    EXPECT_FALSE(this->proofs_->health().refuses);
}

TYPED_TEST(BothViews, WhoGoesOnWithoutItsHomeIsToldHowManyAreMissingByAnEventInTheLog) {
    this->close();
    this->open(WhenFailing::kGoOn);
    ASSERT_TRUE(this->put(0));
    this->form_.take_away();
    std::uint64_t lost = 0;
    for (; lost < 3; ++lost) {
        const auto done = this->put(100 + lost);
        EXPECT_TRUE(done) << done.error().message;
    }
    EXPECT_TRUE(this->log_->health().degraded);
    EXPECT_EQ(this->log_->health().gap_records, lost);
    EXPECT_EQ(this->log_->health().gap_unlogged, lost);
    this->form_.give_back();
    while (this->log_->health().gap_unlogged > 0) {
        const std::uint64_t before = this->log_->health().appended;
        ASSERT_TRUE(this->put(200));
        if (this->log_->health().appended == before) ++lost;
        std::this_thread::yield();
    }
    this->log_->flush();
    const std::vector<Decision> events = this->events();
    std::uint64_t said = 0;
    for (const Decision& event : events) {
        EXPECT_EQ(event.service + " " + event.operation, "audit gap");
        const std::size_t at = event.output.find("\"records_lost\":");
        ASSERT_NE(at, std::string::npos) << event.output;
        said += std::stoull(event.output.substr(at + 15));
    }
    EXPECT_EQ(said, this->log_->health().gap_records);
    EXPECT_GE(said, 3U);
    EXPECT_FALSE(this->log_->health().degraded);
}

TYPED_TEST(BothViews, WhatIsSubmittedIsTakenAtOnceAndLiesInTheLogAfterwards) {
    std::vector<Decision> group{segments::make_decision(this->random_, 0), segments::make_decision(this->random_, 1)};
    std::promise<Result<void>> taken;
    this->log_->submit(group, [&](Result<void> one) { taken.set_value(std::move(one)); });
    EXPECT_TRUE(taken.get_future().get());
    this->log_->flush();
    EXPECT_EQ(this->log_->reader().read(1)->decision, group[1]);
    std::promise<Result<void>> refused;
    this->log_->submit({}, [&](Result<void> one) { refused.set_value(std::move(one)); });
    EXPECT_EQ(refused.get_future().get().error().code, ErrorCode::kInvalidArgument);
}

TYPED_TEST(BothViews, AnAppendIsToldTheLeafOfItsFirstRecord) {
    for (std::uint64_t n = 0; n < 12; n += 3) {
        std::vector<Decision> group;
        for (std::uint64_t i = n; i < n + 3; ++i) group.push_back(segments::make_decision(this->random_, i));
        std::promise<Result<std::uint64_t>> placed;
        this->log_->store().append_group(group, [&](Result<std::uint64_t> leaf) { placed.set_value(std::move(leaf)); });
        const auto leaf = placed.get_future().get();
        ASSERT_TRUE(leaf) << leaf.error().message;
        EXPECT_EQ(*leaf, n);
        EXPECT_EQ(this->log_->reader().read(n + 2)->decision, group[2]);
    }
}

}  // namespace
}  // namespace tidegate::audit
