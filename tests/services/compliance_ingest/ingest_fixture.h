// A log in memory with the index that follows it, and an intake over both.
#pragma once

#include <gtest/gtest.h>

#include <fmt/format.h>

#include <future>

#include "audit/segment_decision_log.h"
#include "audit_segments/segments_fixture.h"
#include "services/compliance/ingest/intake.h"

namespace tidegate::compliance::ingest {

class IngestFixture : public ::testing::Test {
  protected:
    using Kind = Outcome::Kind;

    void SetUp() override { open(); }
    void TearDown() override { close(); }

    void open(IngestIndex::Options options = {.first_capacity = 64, .capacity_max = 1024, .save_leaves = 1'000'000}) {
        audit::SegmentDecisionLogOptions of_log;
        of_log.segments = audit::segments::small_options();
        of_log.segments.segment_bytes = segment_bytes_;
        log_ = audit::SegmentDecisionLog::open(std::make_unique<audit::segments::TestFolder>(disk_), of_log, clock_,
                                               random_)
                   .value();
        index_ = IngestIndex::open(std::make_unique<audit::segments::TestFolder>(index_disk_), options,
                                   log_->segments().log_id(), log_->segments().tree().size())
                     .value();
        ASSERT_TRUE(log_->follow({index_.get()}));
        intake_ = std::make_unique<Intake>(Intake::Parts{
            .log = log_->segments(), .index = *index_, .privacy = nullptr, .digest_key = audit::privacy::Key(key_)});
    }
    void close() {
        if (log_) log_->close();
        if (index_) index_->stop();
        intake_.reset();
        log_.reset();
        index_.reset();
    }

    Incoming incoming(std::string_view text, std::string_view tenant = {}) const {
        auto made = read_decision(text, {.tenant = tenant, .now = clock_.unix_ms(), .privacy = nullptr});
        EXPECT_TRUE(made) << text << (made ? "" : ": " + made.error().front().field + made.error().front().message);
        return made ? *std::move(made) : Incoming{};
    }
    static std::string decision(std::uint64_t n, std::string_view output = "yes") {
        return fmt::format(
            R"({{"request_id":"r-{}","timestamp":"2026-03-01T12:00:00.{:03}Z","input":"question {}","source":"credit",)"
            R"("model":"scorer","model_version":"2","output":{{"answer":"{}"}},"confidence_scores":0.75}})",
            n, n % 1000, n, output);
    }
    std::vector<Outcome> take(std::vector<Incoming> incoming) {
        std::promise<std::vector<Outcome>> promise;
        intake_->take(std::move(incoming),
                      [&](std::vector<Outcome> outcomes) { promise.set_value(std::move(outcomes)); });
        return promise.get_future().get();
    }
    Outcome take(std::string_view text, std::string_view tenant = {}) {
        std::vector<Incoming> one;
        one.push_back(incoming(text, tenant));
        return take(std::move(one)).front();
    }
    std::uint64_t records() const { return log_->segments().tree().size(); }

    std::uint64_t segment_bytes_ = 64 * 1024;
    audit::segments::TestDisk disk_;
    audit::segments::TestDisk index_disk_;
    SystemClock clock_;
    SeededRandom random_{3};
    std::array<std::uint8_t, 32> key_{1, 2, 3};
    std::unique_ptr<IngestIndex> index_;
    std::unique_ptr<audit::SegmentDecisionLog> log_;
    std::unique_ptr<Intake> intake_;
};

}  // namespace tidegate::compliance::ingest
