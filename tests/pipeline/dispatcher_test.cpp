// What the way of a request promises: one answer always, refusals in the contract's shape, no answer without
// its record.
#include "pipeline/dispatcher.h"

#include <gtest/gtest.h>

#include <future>
#include <latch>

#include "base/strings.h"
#include "support/fake_exchange.h"

namespace tidegate::pipeline {
namespace {

using testing::FakeExchange;
using testing::FakeLog;

class DispatcherTest : public ::testing::Test {
  protected:
    static Route route(http::Method method, std::string path, Handler handler) {
        Route r;
        r.method = method;
        r.path = std::move(path);
        r.operation = "op";
        r.family = "test";
        r.handler = std::move(handler);
        return r;
    }

    void SetUp() override {
        logger_ = std::move(observe::Logger::open({.level = observe::Level::kOff}, clock_)).value();
        std::vector<Route> routes;
        routes.push_back(
            route(http::Method::kGet, "/hello", [](const ContextPtr& c) { c->reply_json(R"({"hello":true})"); }));
        routes.push_back(route(http::Method::kGet, "/big", [](const ContextPtr& c) {
            c->reply_json("{\"big\":\"" + std::string(5000, 'x') + "\"}");
        }));
        routes.push_back(route(http::Method::kGet, "/drop", [](const ContextPtr&) {}));
        Route fixed = route(http::Method::kGet, "/fixed", [](const ContextPtr& c) { c->reply_json(R"({"fixed":1})"); });
        fixed.cache = CachePolicy::kRevalidate;
        routes.push_back(std::move(fixed));
        Route big = route(http::Method::kGet, "/fixed-big",
                          [](const ContextPtr& c) { c->reply_json("\"" + std::string(5000, 'x') + "\""); });
        big.cache = CachePolicy::kRevalidate;
        routes.push_back(std::move(big));
        Route busy = route(http::Method::kGet, "/busy", [](const ContextPtr& c) {
            for (int i = 0; i < 100; ++i) c->end_stage("work");
            c->reply_json(c->trace().trace_id == observe::TraceId{} ? "0" : "1");
        });
        busy.work = Work::kCpu;
        routes.push_back(std::move(busy));
        routes.push_back(route(http::Method::kGet, "/broken-stream", [](const ContextPtr& c) {
            c->start_stream({});
            c->fail_stream({ErrorCode::kUnavailable, "the disk is gone"});
        }));
        Route echo = route(http::Method::kPost, "/items/{id}", [](const ContextPtr& c) {
            auto decision = c->make_decision("test", "echo/text", c->body().find("text")->as_string());
            std::vector<audit::Decision> decisions;
            decisions.push_back(std::move(decision));
            std::string body;
            JsonWriter writer(body);
            writer.begin_object().field("id", c->path_parameter("id")).field("n", c->query_int("n").value_or(-1));
            writer.field("warnings", static_cast<std::uint64_t>(c->warnings().size())).end_object();
            c->reply_recorded(std::move(decisions), std::move(body));
        });
        echo.work = Work::kCpu;
        echo.request = Schema::object({required("text", Schema::string().size(1, 10))});
        echo.body_bytes_max = 1000;
        echo.path_parameters = {{.name = "id", .schema = Schema::string().size(1, 4), .required = true}};
        echo.query = {{.name = "n", .schema = Schema::integer().range(0, 9)}};
        routes.push_back(std::move(echo));
        Route any = route({}, "/any", [](const ContextPtr& c) { c->reply_json("1"); });
        any.any_method = true;
        any.raw_body = true;
        routes.push_back(std::move(any));
        dispatcher_ = std::make_unique<Dispatcher>(Parts{clock_, random_, metrics_, *logger_, log_, cpu_, blocking_},
                                                   PipelineSettings{}, std::move(routes));
    }

    // A worker may still hold the last exchange: it must be gone before the dispatcher that it reports to.
    void TearDown() override {
        cpu_.stop();
        blocking_.stop();
    }

    std::shared_ptr<FakeExchange> ask(http::Method method, std::string path, std::string body = {},
                                      std::vector<std::pair<std::string, std::string>> headers = {}) {
        http::RequestHead head;
        head.method = method;
        const std::size_t question = path.find('?');
        head.path = path.substr(0, question);
        if (question != std::string::npos) head.query = path.substr(question + 1);
        head.target = path;
        if (!body.empty()) head.content_length = body.size();
        for (const auto& [name, value] : headers) head.headers.add(name, value);
        auto exchange = std::make_shared<FakeExchange>(std::move(head), std::move(body));
        dispatcher_->on_head(exchange);
        if (!exchange->answered()) dispatcher_->on_request(exchange);
        exchange->wait();
        return exchange;
    }
    static json::Document parsed(const http::Response& response) {
        return std::move(json::parse(response.body)).value();
    }

    SystemClock clock_;
    SeededRandom random_{7};
    observe::Registry metrics_;
    std::unique_ptr<observe::Logger> logger_;
    FakeLog log_;
    runtime::WorkerPool cpu_{"cpu", 2, 16};
    runtime::WorkerPool blocking_{"blocking", 1, 16};
    std::unique_ptr<Dispatcher> dispatcher_;
};

TEST_F(DispatcherTest, AnswersAndReturnsTheCallersRequestId) {
    const auto exchange = ask(http::Method::kGet, "/hello", "", {{"X-Request-Id", "abc-1"}});
    EXPECT_EQ(exchange->answer().status, 200);
    EXPECT_EQ(exchange->answer().body, R"({"hello":true})");
    EXPECT_EQ(exchange->answer().headers.get("X-Request-Id"), "abc-1");
    EXPECT_EQ(exchange->answer().headers.get("Cache-Control"), "no-store");
}

TEST_F(DispatcherTest, MakesARequestIdWhenTheCallersIsUnfit) {
    for (const std::string& bad : {std::string("has space"), std::string(129, 'x'), std::string()}) {
        const auto exchange = ask(http::Method::kGet, "/hello", "", {{"X-Request-Id", bad}});
        EXPECT_TRUE(parse_uuid(*exchange->answer().headers.get("X-Request-Id")).has_value());
    }
}

TEST_F(DispatcherTest, UnknownPathAndMethodAreToldApart) {
    EXPECT_EQ(ask(http::Method::kGet, "/nowhere")->answer().status, 404);
    const auto wrong = ask(http::Method::kPost, "/hello");
    EXPECT_EQ(wrong->answer().status, 405);
    EXPECT_EQ(wrong->answer().headers.get("Allow"), "GET, HEAD, OPTIONS");
    const auto options = ask(http::Method::kOptions, "/hello");
    EXPECT_EQ(options->answer().status, 204);
    EXPECT_EQ(options->answer().headers.get("Allow"), "GET, HEAD, OPTIONS");
    EXPECT_EQ(ask(http::Method::kHead, "/hello")->answer().status, 200);
}

TEST_F(DispatcherTest, RecordsTheDecisionBeforeItAnswers) {
    const auto exchange = ask(http::Method::kPost, "/items/42?n=3", R"({"text":"hi","more":1})",
                              {{"Content-Type", "application/json; charset=utf-8"}});
    ASSERT_EQ(exchange->answer().status, 200) << exchange->answer().body;
    EXPECT_EQ(exchange->answer().body, R"({"id":"42","n":3,"warnings":1})");
    ASSERT_EQ(log_.kept.size(), 1U);
    EXPECT_EQ(log_.kept[0].input_hash, sha256("hi"));
    EXPECT_EQ(log_.kept[0].request_id, exchange->answer().headers.get("X-Request-Id"));
}

TEST_F(DispatcherTest, GivesNoAnswerThatCouldNotBeRecorded) {
    log_.failing = true;
    const auto exchange = ask(http::Method::kPost, "/items/42", R"({"text":"hi"})");
    EXPECT_EQ(exchange->answer().status, 503);
    EXPECT_TRUE(exchange->answer().headers.get("Retry-After").has_value());
    EXPECT_EQ(exchange->answer().body.find("\"id\""), std::string::npos);
}

TEST_F(DispatcherTest, RefusesABodyItCannotUse) {
    EXPECT_EQ(ask(http::Method::kPost, "/items/42", "text=hi", {{"Content-Type", "text/plain"}})->answer().status, 415);
    EXPECT_EQ(ask(http::Method::kPost, "/items/42", "{}", {{"Content-Type", "application/json; charset=latin-1"}})
                  ->answer()
                  .status,
              415);
    EXPECT_EQ(ask(http::Method::kPost, "/items/42", "x", {{"Content-Encoding", "gzip"}})->answer().status, 415);
    EXPECT_EQ(ask(http::Method::kPost, "/items/42", "{")->answer().status, 400);
    EXPECT_EQ(ask(http::Method::kPost, "/items/42")->answer().status, 400);
    EXPECT_EQ(ask(http::Method::kGet, "/hello", "surprise")->answer().status, 413);
    EXPECT_EQ(log_.kept.size(), 0U);
}

TEST_F(DispatcherTest, NamesEveryInvalidField) {
    const auto exchange = ask(http::Method::kPost, "/items/12345?n=10", R"({"text":""})");
    ASSERT_EQ(exchange->answer().status, 422);
    const auto document = parsed(exchange->answer());
    std::vector<std::string> fields;
    document.root().find("errors")->each([&](json::Value e) { fields.emplace_back(e.find("field")->as_string()); });
    EXPECT_EQ(fields, (std::vector<std::string>{"id", "n", "text"}));
    EXPECT_EQ(ask(http::Method::kPost, "/items/1?n=%zz", R"({"text":"a"})")->answer().status, 400);
}

TEST_F(DispatcherTest, AHandlerThatDropsItsRequestIsAnsweredFor) {
    EXPECT_EQ(ask(http::Method::kGet, "/drop")->answer().status, 500);
}

TEST_F(DispatcherTest, AFullPoolAnswers503) {
    std::promise<void> release;
    auto gate = release.get_future().share();
    // Both threads must be inside before the queue is filled: one that still wakes up would free a place later.
    std::latch inside(2);
    for (int i = 0; i < 2; ++i) {
        ASSERT_TRUE(cpu_.submit([gate, &inside] {
            inside.count_down();
            gate.wait();
        }));
    }
    inside.wait();
    while (cpu_.submit([] {})) {
    }
    const auto exchange = ask(http::Method::kPost, "/items/1", R"({"text":"a"})");
    EXPECT_EQ(exchange->answer().status, 503);
    EXPECT_EQ(exchange->answer().headers.get("Retry-After"), "1");
    release.set_value();
}

TEST_F(DispatcherTest, CompressesWhenAskedAndSaysSo) {
    const auto plain = ask(http::Method::kGet, "/big");
    EXPECT_FALSE(plain->answer().headers.get("Content-Encoding").has_value());
    EXPECT_EQ(plain->answer().headers.get("Vary"), "Accept-Encoding");
    const auto packed = ask(http::Method::kGet, "/big", "", {{"Accept-Encoding", "gzip"}});
    EXPECT_EQ(packed->answer().headers.get("Content-Encoding"), "gzip");
    EXPECT_LT(packed->answer().body.size(), 500U);
    EXPECT_FALSE(
        ask(http::Method::kGet, "/hello", "", {{"Accept-Encoding", "gzip"}})->answer().headers.get("Content-Encoding"));
}

TEST_F(DispatcherTest, RevalidatesWithAStrongTag) {
    const auto first = ask(http::Method::kGet, "/fixed");
    const std::string tag(*first->answer().headers.get("ETag"));
    EXPECT_TRUE(tag.starts_with('"'));
    const auto again = ask(http::Method::kGet, "/fixed", "", {{"If-None-Match", "\"other\", " + tag}});
    EXPECT_EQ(again->answer().status, 304);
    EXPECT_TRUE(again->answer().body.empty());
    EXPECT_EQ(again->answer().headers.get("ETag"), tag);
    EXPECT_EQ(ask(http::Method::kGet, "/fixed", "", {{"If-None-Match", "\"other\""}})->answer().status, 200);
}

// What every browser and curl --compressed does: the tag that came with the packed form is sent back.
TEST_F(DispatcherTest, RevalidatesThePackedFormByItsOwnTag) {
    const auto ask_fixed = [&](const std::string& coding, const std::string& tag) {
        return ask(http::Method::kGet, "/fixed-big", "", {{"Accept-Encoding", coding}, {"If-None-Match", tag}});
    };
    const auto packed = ask_fixed("gzip", "\"none\"");
    ASSERT_EQ(packed->answer().headers.get("Content-Encoding"), "gzip");
    const std::string packed_tag(*packed->answer().headers.get("ETag"));
    const std::string plain_tag(*ask_fixed("identity", "\"none\"")->answer().headers.get("ETag"));
    EXPECT_NE(packed_tag, plain_tag);
    const auto again = ask_fixed("gzip", packed_tag);
    EXPECT_EQ(again->answer().status, 304);
    EXPECT_TRUE(again->answer().body.empty());
    EXPECT_EQ(again->answer().headers.get("ETag"), packed_tag);
    EXPECT_EQ(again->answer().headers.get("Vary"), "Accept-Encoding");
    EXPECT_FALSE(again->answer().headers.get("Content-Encoding").has_value());
    EXPECT_EQ(ask_fixed("gzip", plain_tag)->answer().status, 200);
}

// A client that leaves is logged on the loop while a worker goes on (the thread sanitizer sees what this is about).
TEST_F(DispatcherTest, AClientMayLeaveWhileAWorkerIsAtWork) {
    for (int i = 0; i < 20; ++i) {
        http::RequestHead head;
        head.method = http::Method::kGet;
        head.path = "/busy";
        const auto exchange = std::make_shared<FakeExchange>(std::move(head));
        dispatcher_->on_head(exchange);
        dispatcher_->on_request(exchange);
        exchange->leave();
        exchange->wait();
        EXPECT_EQ(exchange->answer().status, 200);
    }
}

TEST_F(DispatcherTest, AStreamThatWeCutIsNotCountedAsAClientThatLeft) {
    http::RequestHead head;
    head.method = http::Method::kGet;
    head.path = "/broken-stream";
    const auto exchange = std::make_shared<FakeExchange>(std::move(head));
    dispatcher_->on_head(exchange);
    dispatcher_->on_request(exchange);
    exchange->leave();
    const std::string text = metrics_.render(observe::Exposition::kPrometheusText);
    EXPECT_NE(text.find(R"(handler="/broken-stream",status="503"} 1)"), std::string::npos) << text;
}

TEST_F(DispatcherTest, ShowsItsStagesWhenAsked) {
    const auto exchange = ask(http::Method::kPost, "/items/1", R"({"text":"a"})", {{"X-Trace", "true"}});
    const std::string timing(exchange->answer().headers.get("Server-Timing").value_or(""));
    for (const char* stage : {"receive;dur=", "queue;dur=", "validate;dur=", "render;dur=", "record;dur="}) {
        EXPECT_NE(timing.find(stage), std::string::npos) << timing;
    }
    EXPECT_FALSE(ask(http::Method::kGet, "/hello")->answer().headers.get("Server-Timing").has_value());
}

TEST_F(DispatcherTest, CountsEveryAnswerUnderItsRouteAndUnknownPathsUnderOne) {
    ask(http::Method::kGet, "/hello");
    ask(http::Method::kGet, "/hello");
    ask(http::Method::kGet, "/scan/1");
    ask(http::Method::kGet, "/scan/2");
    const std::string text = metrics_.render(observe::Exposition::kPrometheusText);
    EXPECT_NE(text.find("http_requests_total{method=\"GET\",handler=\"/hello\",status=\"200\"} 2"), std::string::npos)
        << text;
    EXPECT_NE(text.find("handler=\"unmatched\",status=\"404\"} 2"), std::string::npos) << text;
    EXPECT_EQ(text.find("/scan"), std::string::npos);
}

TEST_F(DispatcherTest, ARouteForEveryMethodIsCountedUnderNoOneOfThem) {
    for (const http::Method method : {http::Method::kGet, http::Method::kPost, http::Method::kOther})
        ask(method, "/any");
    const std::string text = metrics_.render(observe::Exposition::kPrometheusText);
    EXPECT_NE(text.find("http_requests_total{method=\"ANY\",handler=\"/any\",status=\"200\"} 3"), std::string::npos)
        << text;
    EXPECT_EQ(text.find("method=\"GET\",handler=\"/any\""), std::string::npos);
}

TEST_F(DispatcherTest, ProtocolErrorsHaveTheSameShape) {
    const http::Response response = dispatcher_->on_protocol_error(nullptr, 431, "too many header fields");
    EXPECT_EQ(response.status, 431);
    const auto document = parsed(response);
    EXPECT_EQ(document.root().find("status")->as_int(), 431);
    EXPECT_TRUE(response.headers.get("X-Request-Id").has_value());
}

}  // namespace
}  // namespace tidegate::pipeline
