#include "telemetry/exporter.h"

#include <gtest/gtest.h>

#include <deque>

#include "support/otlp_check.h"

namespace tidegate::telemetry {
namespace {

using namespace std::chrono_literals;

/// A collector that answers as the test says, at once and on the exporter's thread; without a script: 200.
class Collector {
  public:
    Send function() {
        return [this](std::string body, std::function<void(Answer)> done) {
            std::optional<Answer> answer = Answer{.status = 200, .retry = {}, .body = "{}"};
            {
                const Lock lock(mutex_);
                bodies_.push_back(std::move(body));
                if (!script_.empty()) {
                    answer = script_.front();
                    script_.pop_front();
                }
                changed_.notify_all();
            }
            if (answer) done(*std::move(answer));
        };
    }
    /// Nothing: it never answers.
    void then(std::optional<Answer> answer) {
        const Lock lock(mutex_);
        script_.push_back(std::move(answer));
    }
    bool wait_asked(std::size_t count) {
        const Lock lock(mutex_);
        for (int i = 0; i < 6000 && bodies_.size() < count; ++i) changed_.wait_for(mutex_, 10ms);
        return bodies_.size() >= count;
    }
    std::vector<std::string> bodies() {
        const Lock lock(mutex_);
        return bodies_;
    }

  private:
    Mutex mutex_;
    Condition changed_;
    std::deque<std::optional<Answer>> script_ TG_GUARDED_BY(mutex_);
    std::vector<std::string> bodies_ TG_GUARDED_BY(mutex_);
};

class ExporterTest : public ::testing::Test {
  protected:
    std::unique_ptr<Exporter> make(ExporterOptions options = {}) {
        options.resource.service_name = "gate";
        if (options.interval == 1s) options.interval = 10ms;
        options.back_off_min = 1ms;
        return std::make_unique<Exporter>(std::move(options), clock_, random_, collector_.function());
    }
    observe::RequestSpan request() {
        observe::RequestSpan span;
        span.context = observe::start_trace(random_);
        span.context.flags = 1;
        span.method = "GET";
        span.ended_at = clock_.unix_ms();
        span.took = 5ms;
        span.stages.add("receive", 1ms);
        return span;
    }
    /// Waits until the exporter has counted so many.
    static bool wait_spans(const Exporter& exporter, Exporter::Outcome outcome, std::uint64_t count) {
        Mutex mutex;
        Condition never;
        const Lock lock(mutex);
        for (int i = 0; i < 6000 && exporter.spans(outcome) < count; ++i) never.wait_for(mutex, 10ms);
        return exporter.spans(outcome) >= count;
    }
    SystemClock clock_;
    SeededRandom random_{1};
    Collector collector_;
};

TEST_F(ExporterTest, WhatWaitsIsSentTogether) {
    const auto exporter = make();
    for (int i = 0; i < 5; ++i) exporter->submit(request());
    exporter->start();
    ASSERT_TRUE(wait_spans(*exporter, Exporter::kExported, 10));
    const testing::OtlpCheck seen(collector_.bodies().front());
    EXPECT_TRUE(seen.errors.empty()) << seen.errors.front();
    EXPECT_EQ(seen.spans.size(), 10U);
    EXPECT_EQ(exporter->waiting(), 0U);
}

TEST_F(ExporterTest, ABatchIsCut) {
    const auto exporter = make({.batch_max = 2});
    for (int i = 0; i < 5; ++i) exporter->submit(request());
    exporter->start();
    ASSERT_TRUE(wait_spans(*exporter, Exporter::kExported, 10));
    EXPECT_EQ(collector_.bodies().size(), 3U);
}

TEST_F(ExporterTest, OneThatIsFullDropsAndCounts) {
    const auto exporter = make({.queue_max = 3});
    for (int i = 0; i < 5; ++i) exporter->submit(request());
    EXPECT_EQ(exporter->waiting(), 3U);
    EXPECT_EQ(exporter->spans(Exporter::kDroppedFull), 4U);  // Two requests of two spans.
    exporter->start();
    EXPECT_TRUE(wait_spans(*exporter, Exporter::kExported, 6));
}

TEST_F(ExporterTest, ACollectorThatIsAwayForAMomentGetsTheSameBatchAgain) {
    for (const int status : {503, 0, 429, 504}) collector_.then(Answer{.status = status, .retry = {}, .body = ""});
    const auto exporter = make();
    exporter->submit(request());
    exporter->start();
    ASSERT_TRUE(wait_spans(*exporter, Exporter::kExported, 2));
    const auto bodies = collector_.bodies();
    ASSERT_EQ(bodies.size(), 5U);
    for (const std::string& body : bodies) EXPECT_EQ(body, bodies.front());
    EXPECT_EQ(exporter->retries(), 4U);
    EXPECT_EQ(exporter->spans(Exporter::kFailed), 0U);
}

TEST_F(ExporterTest, ItGivesUpAndGoesOnWithTheNext) {
    for (int i = 0; i < Exporter::kAttemptsMax; ++i) collector_.then(Answer{.status = 503, .retry = {}, .body = ""});
    const auto exporter = make({.batch_max = 1});
    exporter->submit(request());
    exporter->submit(request());
    exporter->start();
    ASSERT_TRUE(wait_spans(*exporter, Exporter::kExported, 2));
    EXPECT_EQ(exporter->spans(Exporter::kFailed), 2U);
    EXPECT_EQ(collector_.bodies().size(), static_cast<std::size_t>(Exporter::kAttemptsMax) + 1);
}

TEST_F(ExporterTest, ARefusalIsFinal) {
    collector_.then(Answer{.status = 400, .retry = {}, .body = ""});
    const auto exporter = make();
    exporter->submit(request());
    exporter->start();
    ASSERT_TRUE(wait_spans(*exporter, Exporter::kFailed, 2));
    EXPECT_EQ(collector_.bodies().size(), 1U);
    EXPECT_EQ(exporter->retries(), 0U);
}

TEST_F(ExporterTest, WhatTheCollectorRejectedIsNotCountedAsExported) {
    collector_.then(Answer{.status = 200, .retry = {}, .body = R"({"partialSuccess":{"rejectedSpans":"1"}})"});
    const auto exporter = make();
    exporter->submit(request());
    exporter->start();
    ASSERT_TRUE(wait_spans(*exporter, Exporter::kExported, 1));
    EXPECT_EQ(exporter->spans(Exporter::kRejected), 1U);
    EXPECT_EQ(exporter->spans(Exporter::kExported), 1U);
}

TEST_F(ExporterTest, AnAnswerThatNeverComesIsAFailure) {
    for (int i = 0; i < Exporter::kAttemptsMax; ++i) collector_.then(std::nullopt);
    const auto exporter = make({.timeout = 20ms});
    exporter->submit(request());
    exporter->start();
    ASSERT_TRUE(wait_spans(*exporter, Exporter::kFailed, 2));
}

TEST_F(ExporterTest, TheEndSendsWhatWaitsAndDropsWhatComesLater) {
    const auto exporter = make({.interval = 1h});
    exporter->start();
    for (int i = 0; i < 3; ++i) exporter->submit(request());
    exporter->stop();
    EXPECT_EQ(exporter->spans(Exporter::kExported), 6U);
    exporter->submit(request());
    EXPECT_EQ(exporter->spans(Exporter::kDroppedFull), 2U);
    exporter->stop();
}

TEST_F(ExporterTest, TheEndDoesNotWaitForADeadCollector) {
    for (int i = 0; i < 3; ++i) collector_.then(std::nullopt);
    const auto exporter = make({.batch_max = 1, .timeout = 1h});
    for (int i = 0; i < 3; ++i) exporter->submit(request());
    exporter->start();
    ASSERT_TRUE(collector_.wait_asked(1));
    exporter->stop();  // Without a bound the test's own limit of time ends it.
    EXPECT_EQ(exporter->spans(Exporter::kFailed), 6U);
}

}  // namespace
}  // namespace tidegate::telemetry
