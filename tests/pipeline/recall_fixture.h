// A dispatcher with routes whose answers are kept, a loop that the test turns, and a handler that counts and can be held up.
#pragma once

#include <gtest/gtest.h>

#include <atomic>

#include "base/mutex.h"
#include "pipeline/dispatcher.h"
#include "support/fake_exchange.h"
#include "support/loop_driver.h"

namespace tidegate::pipeline {

/// Durations are real; civil time, of which ages and lifetimes are made, moves by hand only.
class ShiftedClock final : public Clock {
  public:
    SteadyTime now() const noexcept override { return system_.now() + std::chrono::milliseconds(ahead_ms.load()); }
    UnixMillis unix_ms() const noexcept override { return begin_ms_ + ahead_ms.load(); }
    std::atomic<std::int64_t> ahead_ms{0};

  private:
    const SystemClock system_;
    const UnixMillis begin_ms_ = system_.unix_ms();
};

class RecallFixture : public ::testing::Test {
  protected:
    using Fake = testing::FakeExchange;
    using Fields = std::vector<std::pair<std::string, std::string>>;

    void SetUp() override {
        logger_ = std::move(observe::Logger::open({.level = observe::Level::kOff}, clock_)).value();
        std::vector<Route> routes;
        routes.push_back(answer_route());
        Route rounded = answer_route();
        rounded.path = "/rounded";
        rounded.operation = "rounded";
        rounded.keep->decimals = 2;
        routes.push_back(std::move(rounded));
        Route list;
        list.path = "/list/{id}";
        list.operation = "list";
        list.family = "test";
        list.work = Work::kBlocking;
        list.keep = KeptAnswer{.ttl = std::chrono::seconds(60), .shared = true};
        list.path_parameters = {{.name = "id", .schema = Schema::string().size(1, 9), .required = true}};
        list.handler = [this](const ContextPtr& c) {
            c->reply_json("{\"run\":" + std::to_string(++runs_) + ",\"fill\":\"" + std::string(2000, 'x') + "\"}");
        };
        routes.push_back(std::move(list));
        Gate gate;
        gate.store = &store_;
        gate.flights = &flights_;
        gate.build = "1";
        gate.make_loop = [](runtime::EventLoop& loop, unsigned index) {
            return std::make_unique<LoopParts>(loop, index);
        };
        dispatcher_ = std::make_unique<Dispatcher>(Parts{clock_, random_, metrics_, *logger_, log_, cpu_, blocking_},
                                                   PipelineSettings{}, std::move(routes), std::move(gate));
        dispatcher_->prepare_loops(1);
        dispatcher_->on_loop_start(driver_.loop(), 0);
    }
    void TearDown() override {
        release();
        cpu_.stop();
        blocking_.stop();
        driver_.turn_for(std::chrono::milliseconds(1));
        dispatcher_->on_loop_stop(0);
    }

    /// POST /answer: `{"run": N}`, with `fail` an error, with `status` that one, with `stream` a stream, `hold` waits.
    Route answer_route() {
        Route route;
        route.method = http::Method::kPost;
        route.path = "/answer";
        route.operation = "answer";
        route.family = "test";
        route.work = Work::kCpu;
        route.request = Schema::object({}).open();
        route.body_bytes_max = 1 << 20;
        route.keep = KeptAnswer{.ttl = std::chrono::seconds(60), .tags = {"model:m"}, .version = "v1"};
        route.handler = [this](const ContextPtr& c) { answer(c); };
        return route;
    }
    void answer(const ContextPtr& c) {
        const int run = ++runs_;
        const json::Value asked = c->body();
        if (asked.find("hold")) hold();
        if (asked.find("fail")) return c->fail({ErrorCode::kUnavailable, "the model is away"});
        if (asked.find("drop")) return;
        if (asked.find("stream")) return c->start_stream({})->finish();
        const std::string body = "{\"run\":" + std::to_string(run) + "}";
        if (asked.find("status")) return c->reply_json(body, 207);
        auto decision = c->make_decision("test", "answer/text", "input");
        decision.model = "m";
        decision.band = "human";
        decision.output = body;
        decision.tags = {{"domain", "essay"}};
        std::vector<audit::Decision> decisions;
        decisions.push_back(std::move(decision));
        c->reply_recorded(std::move(decisions), body);
    }
    void hold() {
        const Lock lock(mutex_);
        ++held_;
        while (!released_) condition_.wait(mutex_);
    }
    void release() {
        const Lock lock(mutex_);
        released_ = true;
        condition_.notify_all();
    }
    bool until_held(int count = 1) {
        return driver_.until([&] {
            const Lock lock(mutex_);
            return held_ >= count;
        });
    }

    std::shared_ptr<Fake> start(http::Method method, const std::string& target, std::string body = {},
                                const Fields& headers = {}) {
        http::RequestHead head;
        head.method = method;
        head.path = target.substr(0, target.find('?'));
        if (head.path.size() < target.size()) head.query = target.substr(head.path.size() + 1);
        head.target = target;
        if (!body.empty()) head.content_length = body.size();
        for (const auto& [name, value] : headers) head.headers.add(name, value);
        auto exchange = std::make_shared<Fake>(std::move(head), std::move(body));
        exchange->use_loop(driver_.loop());
        dispatcher_->on_head(exchange);
        if (!exchange->responded) dispatcher_->on_request(exchange);
        return exchange;
    }
    std::shared_ptr<Fake> post(const std::string& body, const Fields& headers = {}) {
        return start(http::Method::kPost, "/answer", body, headers);
    }
    const http::Response& wait(const std::shared_ptr<Fake>& exchange) {
        EXPECT_TRUE(driver_.until([&] { return exchange->responded.load(); }));
        exchange->wait();
        // On a connection the answer goes through the loop, behind what keeps it.
        driver_.loop().turn({});
        return exchange->answer();
    }
    const http::Response& ask(const std::string& body, const Fields& headers = {}) {
        asked_.push_back(post(body, headers));
        return wait(asked_.back());
    }
    const http::Response& get(const std::string& target, const Fields& headers = {},
                              http::Method method = http::Method::kGet) {
        asked_.push_back(start(method, target, {}, headers));
        return wait(asked_.back());
    }
    static std::string body_of(const http::Response& response) {
        return response.shared_body ? *response.shared_body : response.body;
    }
    static std::string field(const http::Response& response, std::string_view name) {
        return std::string(response.headers.get(name).value_or(""));
    }

    ShiftedClock clock_;
    SeededRandom random_{7};
    observe::Registry metrics_;
    std::unique_ptr<observe::Logger> logger_;
    testing::FakeLog log_;
    cache::ResponseStore store_{{}};
    cache::Flights flights_{{}};
    runtime::WorkerPool cpu_{"cpu", 4, 64};
    runtime::WorkerPool blocking_{"blocking", 1, 16};
    testing::LoopDriver driver_;
    std::unique_ptr<Dispatcher> dispatcher_;
    std::vector<std::shared_ptr<Fake>> asked_;
    std::atomic<int> runs_{0};
    Mutex mutex_;
    Condition condition_;
    bool released_ TG_GUARDED_BY(mutex_) = false;
    int held_ TG_GUARDED_BY(mutex_) = 0;
};

}  // namespace tidegate::pipeline
