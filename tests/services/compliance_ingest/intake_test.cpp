// One request of one tenant is one record, whoever sends it how often, also over restarts and from many threads.
#include "services/compliance/ingest/intake.h"

#include <thread>

#include "services/compliance_ingest/ingest_fixture.h"

namespace tidegate::compliance::ingest {
namespace {

using IntakeTest = IngestFixture;

TEST_F(IntakeTest, ADecisionIsRecordedAsItCameAndMarked) {
    const Outcome first = take(decision(1), "north");
    ASSERT_EQ(first.kind, Kind::kRecorded);
    const auto record = log_->reader().read(first.leaf);
    ASSERT_TRUE(record);
    const audit::Decision& kept = record->decision;
    EXPECT_EQ(kept.id, first.id);
    EXPECT_EQ(kept.time(), parse_rfc3339("2026-03-01T12:00:00.001Z").value());
    EXPECT_EQ(kept.tenant, "north");
    EXPECT_EQ(kept.request_id, "r-1");
    EXPECT_EQ(kept.input_hash, sha256("question 1"));
    EXPECT_EQ(kept.output, R"({"output":{"answer":"yes"},"confidence_scores":0.75})");
    ASSERT_EQ(kept.tags.size(), 1U);
    EXPECT_EQ(kept.tags[0].name, kIngestTag);
    EXPECT_EQ(kept.tags[0].value.size(), 32U);
    // Nobody who lacks the key can try contents against it.
    EXPECT_NE(kept.tags[0].value, to_hex(incoming(decision(1)).content).substr(0, 32));
}

TEST_F(IntakeTest, TheSameAgainIsADuplicateAndAnotherContentAConflict) {
    const Outcome first = take(decision(1));
    const Outcome again = take(decision(1));
    EXPECT_EQ(again.kind, Kind::kDuplicate);
    EXPECT_EQ(again.id, first.id);
    EXPECT_EQ(again.leaf, first.leaf);
    const Outcome other = take(decision(1, "no"));
    EXPECT_EQ(other.kind, Kind::kConflict);
    EXPECT_EQ(other.id, first.id);
    EXPECT_EQ(records(), 1U);
    EXPECT_NE(log_->reader().read(0)->decision.output.find("yes"), std::string::npos);
    const IntakeHealth health = intake_->health();
    EXPECT_EQ(health.recorded, 1U);
    EXPECT_EQ(health.duplicates, 1U);
    EXPECT_EQ(health.conflicts, 1U);
    EXPECT_EQ(health.under_way, 0U);
}

TEST_F(IntakeTest, ASecondSendIsKnownAfterARestartWithAndWithoutItsIndex) {
    std::vector<Incoming> many;
    for (std::uint64_t n = 0; n < 300; ++n) many.push_back(incoming(decision(n)));
    const auto first = take(std::move(many));
    for (const bool keep_index : {true, false}) {
        close();
        if (!keep_index) index_disk_.restore({});
        open();
        EXPECT_EQ(index_->position(), 300U);
        for (std::uint64_t n = 0; n < 300; n += 7) {
            const Outcome again = take(decision(n));
            ASSERT_EQ(again.kind, Kind::kDuplicate) << n;
            EXPECT_EQ(again.id, first[n].id);
        }
        EXPECT_EQ(take(decision(5, "no")).kind, Kind::kConflict);
        EXPECT_EQ(records(), 300U);
    }
}

TEST_F(IntakeTest, ASecondSendOfTheNewestIsAnsweredWithoutLookingIntoTheLog) {
    const Outcome first = take(decision(1), "north");
    const Outcome again = take(decision(1), "north");
    EXPECT_EQ(again.kind, Kind::kDuplicate);
    EXPECT_EQ(again.id, first.id);
    EXPECT_EQ(again.leaf, first.leaf);
    EXPECT_EQ(take(decision(1, "no"), "north").kind, Kind::kConflict);
    // The same request id of another tenant is another request.
    EXPECT_EQ(take(decision(1), "south").kind, Kind::kRecorded);
    EXPECT_EQ(intake_->health().looked_up, 0U);
    EXPECT_EQ(index_->health().recent, 2U);
}

TEST(RecentRequests, HoldTheNewestAndNoMoreThanTheyMay) {
    RecentRequests recent(160);
    std::vector<KnownRequest> known(1'000);
    std::vector<RequestKey> keys(known.size());
    for (std::size_t i = 0; i < known.size(); ++i) {
        keys[i] = request_key({}, "north", "r-" + std::to_string(i));
        known[i] = {.id = decision_id(keys[i], 1'772'366'400'000 + static_cast<UnixMillis>(i)), .leaf = i};
        recent.add(known[i]);
        ASSERT_LE(recent.size(), 160U);
        const auto found = recent.find(keys[i]);
        ASSERT_TRUE(found);
        EXPECT_EQ(found->leaf, i);
        EXPECT_EQ(found->id, known[i].id);
    }
    std::size_t held = 0;
    for (std::size_t i = 0; i < known.size(); ++i) {
        const auto found = recent.find(keys[i]);
        if (!found) continue;
        ++held;
        EXPECT_EQ(found->leaf, i);
        EXPECT_GT(i, 500U);  // Sixteen parts, filled evenly enough.
    }
    EXPECT_EQ(held, 160U);
    EXPECT_FALSE(recent.find(request_key({}, "south", "r-999")));
}

TEST_F(IntakeTest, RecordsThatAnotherTenantHasUnderTheIdDoNotHideADecisionFromItsSender) {
    const Outcome first = take(decision(1), "north");
    // Of the gate's own: their clients choose the request id.
    std::vector<audit::Decision> flood(5'000);
    for (audit::Decision& one : flood) {
        one.id = make_uuid7(clock_, random_);
        one.request_id = "r-1";
        one.tenant = "south";
        one.service = "provenance";
        one.operation = "detect/text";
    }
    for (std::size_t at = 0; at < flood.size(); at += 100) {
        std::promise<Result<void>> durable;
        const auto begin = flood.begin() + static_cast<std::ptrdiff_t>(at);
        log_->append_batch({begin, begin + 100}, [&](Result<void> done) { durable.set_value(std::move(done)); });
        ASSERT_TRUE(durable.get_future().get());
    }
    const Outcome again = take(decision(1), "north");
    EXPECT_EQ(again.kind, Kind::kDuplicate) << (again.error ? again.error->message : "");
    EXPECT_EQ(again.id, first.id);
    EXPECT_EQ(take(decision(1, "no"), "north").kind, Kind::kConflict);
}

TEST_F(IntakeTest, OneRequestIdOfTwoTenantsIsTwoDecisions) {
    const Outcome north = take(decision(1), "north");
    const Outcome south = take(decision(1, "no"), "south");
    const Outcome none = take(decision(1, "perhaps"));
    for (const Outcome& one : {north, south, none}) EXPECT_EQ(one.kind, Kind::kRecorded);
    EXPECT_NE(north.id, south.id);
    EXPECT_EQ(take(decision(1), "north").id, north.id);
    EXPECT_EQ(take(decision(1, "no"), "south").kind, Kind::kDuplicate);
    EXPECT_EQ(take(decision(1), "south").kind, Kind::kConflict);
    EXPECT_EQ(records(), 3U);
}

TEST_F(IntakeTest, ADecisionOfTheServerItselfWithThatRequestIdIsNobodysDuplicate) {
    audit::Decision own = audit::segments::make_decision(random_, 1);
    own.request_id = "r-1";
    own.tenant.clear();
    std::promise<Result<void>> promise;
    log_->append(own, [&](Result<void> done) { promise.set_value(std::move(done)); });
    ASSERT_TRUE(promise.get_future().get());
    EXPECT_EQ(take(decision(1)).kind, Kind::kRecorded);
    EXPECT_EQ(records(), 2U);
}

TEST_F(IntakeTest, OfTwoInOneBatchTheFirstIsRecorded) {
    std::vector<Incoming> batch;
    batch.push_back(incoming(decision(1)));
    batch.push_back(incoming(decision(1)));
    batch.push_back(incoming(decision(1, "no")));
    batch.push_back(incoming(decision(2)));
    const auto outcomes = take(std::move(batch));
    ASSERT_EQ(outcomes.size(), 4U);
    EXPECT_EQ(outcomes[0].kind, Kind::kRecorded);
    EXPECT_EQ(outcomes[1].kind, Kind::kDuplicate);
    EXPECT_EQ(outcomes[1].id, outcomes[0].id);
    EXPECT_EQ(outcomes[2].kind, Kind::kConflict);
    EXPECT_EQ(outcomes[3].kind, Kind::kRecorded);
    EXPECT_EQ(records(), 2U);
}

TEST_F(IntakeTest, WithoutATimestampASecondSendIsTheSameDecision) {
    const Outcome first = take(R"({"request_id":"now","input":"a"})");
    const Outcome again = take(R"({"request_id":"now","input":"a"})");
    EXPECT_EQ(again.kind, Kind::kDuplicate);
    EXPECT_EQ(again.id, first.id);
}

TEST_F(IntakeTest, EightSendersOfOverlappingRequestsMakeOneRecordEach) {
    constexpr std::uint64_t kRequests = 600;
    std::array<std::atomic<int>, 4> counts{};
    std::vector<std::jthread> senders;
    for (unsigned sender = 0; sender < 8; ++sender) {
        senders.emplace_back([&, sender] {
            // Each in another order and in batches of another size; half of the senders say something else of every tenth.
            const std::uint64_t step = std::array<std::uint64_t, 8>{1, 7, 11, 13, 17, 19, 23, 29}[sender];
            std::vector<Incoming> batch;
            for (std::uint64_t i = 0; i < kRequests; ++i) {
                const std::uint64_t n = i * step % kRequests;
                batch.push_back(incoming(decision(n, n % 10 == 0 && sender % 2 == 0 ? "no" : "yes")));
                if (batch.size() <= sender && i + 1 < kRequests) continue;
                for (const Outcome& outcome : take(std::exchange(batch, {})))
                    ++counts[static_cast<std::size_t>(outcome.kind)];
            }
        });
    }
    senders.clear();
    EXPECT_EQ(records(), kRequests);
    EXPECT_EQ(counts[static_cast<std::size_t>(Kind::kRecorded)].load(), static_cast<int>(kRequests));
    EXPECT_EQ(counts[static_cast<std::size_t>(Kind::kFailed)].load(), 0);
    // Of each tenth the four senders of the other side.
    EXPECT_EQ(counts[static_cast<std::size_t>(Kind::kConflict)].load(), 60 * 4);
    EXPECT_EQ(intake_->health().under_way, 0U);
    std::set<std::string> seen;
    ASSERT_TRUE(log_->reader().scan(0, kRequests, [&](std::uint64_t, audit::segments::Bytes bytes) {
        seen.insert(std::string(audit::segments::decode(bytes)->request_id));
        return true;
    }));
    EXPECT_EQ(seen.size(), kRequests);
}

TEST_F(IntakeTest, WhatTheDiskDoesNotTakeIsSaidAndCanBeSentAgain) {
    ASSERT_EQ(take(decision(1)).kind, Kind::kRecorded);
    // The log's threads ask for it until the fixture ends them.
    const auto failing = std::make_shared<std::atomic<bool>>(true);
    disk_.fail_when([failing](audit::segments::TestDisk::Step, const std::string&) { return failing->load(); });
    const Outcome lost = take(decision(2));
    EXPECT_EQ(lost.kind, Kind::kFailed);
    ASSERT_TRUE(lost.error.has_value());
    EXPECT_EQ(lost.error->code, ErrorCode::kUnavailable);
    *failing = false;
    Outcome again;
    // The log tries the disk again by itself each two milliseconds.
    const auto give_up = std::chrono::steady_clock::now() + std::chrono::minutes(1);
    while (again.kind == Kind::kFailed && std::chrono::steady_clock::now() < give_up) again = take(decision(2));
    EXPECT_EQ(again.kind, Kind::kRecorded);
    EXPECT_EQ(take(decision(1)).kind, Kind::kDuplicate);
    EXPECT_EQ(records(), 2U);
}

/// A log that says that it takes nothing, and takes it all the same: it has come back between the question and the append.
class JustBack final : public audit::LogStore {
  public:
    explicit JustBack(audit::LogStore& inner) : inner_(inner) {}
    void append_group(std::span<const audit::Decision> decisions, Placed placed) override {
        inner_.append_group(decisions, std::move(placed));
    }
    void flush() override { inner_.flush(); }
    void close() override { inner_.close(); }
    const audit::LogReader& reader() const noexcept override { return inner_.reader(); }
    audit::segments::MerkleStack tree() const override { return inner_.tree(); }
    const audit::segments::LogId& log_id() const noexcept override { return inner_.log_id(); }
    audit::LogHealth log_health() const override {
        audit::LogHealth health = inner_.log_health();
        health.degraded = true;
        health.reason = "in doubt";
        return health;
    }
    Result<void> remove_before(std::uint64_t leaf) override { return inner_.remove_before(leaf); }

  private:
    audit::LogStore& inner_;
};

TEST_F(IntakeTest, WhileTheLogMayStillFindARecordInDoubtNothingNewIsAppended) {
    const Outcome first = take(decision(1));
    JustBack log(log_->segments());
    intake_ = std::make_unique<Intake>(
        Intake::Parts{.log = log, .index = *index_, .privacy = nullptr, .digest_key = audit::privacy::Key(key_)});
    const Outcome fresh = take(decision(2));
    EXPECT_EQ(fresh.kind, Kind::kFailed);
    ASSERT_TRUE(fresh.error.has_value());
    EXPECT_EQ(fresh.error->code, ErrorCode::kUnavailable);
    // What is known is answered.
    EXPECT_EQ(take(decision(1)).id, first.id);
    EXPECT_EQ(take(decision(1, "no")).kind, Kind::kConflict);
    EXPECT_EQ(records(), 1U);
}

}  // namespace
}  // namespace tidegate::compliance::ingest
