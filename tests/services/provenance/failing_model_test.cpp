// A model that fails is an error to every caller, never an answer, and leaves no decision that looks like one.
#include <gtest/gtest.h>

#include "base/json.h"
#include "pipeline/dispatcher.h"
#include "services/provenance/provenance.h"
#include "support/fake_exchange.h"

namespace tidegate::provenance {
namespace {

class FailingModel final : public TextModel {
  public:
    Result<text::TextAnalysis> analyse(std::string_view, text::AnalysisObserver*) const override {
        return fail(ErrorCode::kUnavailable, "the model is gone");
    }
    const std::string& model_version() const noexcept override { return version_; }
    const std::string& calibration_version() const noexcept override { return version_; }

  private:
    const std::string version_ = "failing";
};

class FailingModelTest : public ::testing::Test {
  protected:
    void SetUp() override {
        logger_ = std::move(observe::Logger::open({.level = observe::Level::kOff}, clock_)).value();
        std::vector<pipeline::Route> routes;
        register_text_routes(routes, {.clock = clock_,
                                      .text_detector = model_,
                                      .history = nullptr,
                                      .statistics = nullptr,
                                      .settings = settings_});
        const pipeline::Parts parts{clock_, random_, metrics_, *logger_, log_, cpu_, blocking_};
        dispatcher_ = std::make_unique<pipeline::Dispatcher>(parts, pipeline::PipelineSettings{}, std::move(routes));
    }
    void TearDown() override {
        cpu_.stop();
        blocking_.stop();
    }
    std::shared_ptr<testing::FakeExchange> ask(std::string path, std::string body) {
        http::RequestHead head;
        head.method = http::Method::kPost;
        head.path = std::move(path);
        head.content_length = body.size();
        auto exchange = std::make_shared<testing::FakeExchange>(std::move(head), std::move(body));
        dispatcher_->on_head(exchange);
        dispatcher_->on_request(exchange);
        exchange->wait();
        return exchange;
    }

    SystemClock clock_;
    SeededRandom random_{7};
    observe::Registry metrics_;
    std::unique_ptr<observe::Logger> logger_;
    testing::FakeLog log_;
    FailingModel model_;
    ProvenanceSettings settings_;
    runtime::WorkerPool cpu_{"cpu", 1, 16};
    runtime::WorkerPool blocking_{"blocking", 1, 16};
    std::unique_ptr<pipeline::Dispatcher> dispatcher_;
};

TEST_F(FailingModelTest, TheSingleRouteAnswersTheFailure) {
    const auto exchange = ask("/api/v1/detect/text", R"({"text":"hello"})");
    EXPECT_EQ(exchange->answer().status, 503);
    EXPECT_EQ(exchange->answer().headers.get("Content-Type"), "application/problem+json");
    EXPECT_EQ(exchange->answer().body.find("confidence"), std::string::npos);
    EXPECT_TRUE(log_.kept.empty());
}

TEST_F(FailingModelTest, TheBatchNamesEachFailedItem) {
    const auto exchange =
        ask("/api/v1/batch/text", R"({"items":[{"item_id":"a","text":"x"},{"item_id":"b","text":"y"}]})");
    ASSERT_EQ(exchange->answer().status, 200);
    const auto document = std::move(json::parse(exchange->answer().body)).value();
    EXPECT_EQ(document.root().find("succeeded")->as_int(), 0);
    EXPECT_EQ(document.root().find("failed")->as_int(), 2);
    document.root().find("items")->each([](json::Value item) {
        EXPECT_EQ(item.find("status")->as_string(), "failed");
        EXPECT_EQ(item.find("result")->kind(), json::Kind::kNull);
        EXPECT_EQ(item.find("error")->find("error")->as_string(), "unavailable");
    });
    EXPECT_TRUE(log_.kept.empty());
}

}  // namespace
}  // namespace tidegate::provenance
