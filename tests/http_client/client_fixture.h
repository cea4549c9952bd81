// ClientTest: a client on a loop that the test turns itself, and a handler that writes down what it hears.
#pragma once

#include <gtest/gtest.h>

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "http/client/client_counters.h"
#include "http/client/make_client.h"
#include "http_client/scripted_server.h"
#include "support/loop_driver.h"

namespace tidegate::http {

using std::chrono::milliseconds;
using std::chrono::seconds;
using Kind = CallFailure::Kind;
using Stage = CallFailure::Stage;

class Heard final : public CallHandler {
  public:
    std::vector<int> interims;
    std::optional<ResponseHead> head;
    std::optional<ResponseHead> tunnel;
    std::string body;
    std::uint64_t body_bytes = 0;
    int pieces = 0;
    int ends = 0;
    int writables = 0;
    std::optional<CallFailure> failure;
    bool keep_body = true;
    std::function<void()> when_head = [] {};
    std::function<bool()> when_body = [] { return true; };
    std::function<void()> when_over = [] {};
    std::function<void()> when_writable = [] {};

    bool over() const { return ends > 0 || failure.has_value(); }

    void on_interim(int status, const Headers&) override { interims.push_back(status); }
    void on_head(ResponseHead got) override {
        EXPECT_FALSE(over() || head);
        head = std::move(got);
        when_head();
    }
    bool on_body(std::string_view bytes) override {
        EXPECT_FALSE(over());
        EXPECT_TRUE(head || tunnel);
        if (keep_body) body.append(bytes);
        body_bytes += bytes.size();
        ++pieces;
        return when_body();
    }
    void on_end() override {
        EXPECT_FALSE(over());
        ++ends;
        when_over();
    }
    void on_failure(const CallFailure& got) override {
        EXPECT_FALSE(over());
        failure = got;
        when_over();
    }
    void on_writable() override {
        ++writables;
        when_writable();
    }
    void on_tunnel(ResponseHead got) override {
        EXPECT_FALSE(over() || tunnel);
        tunnel = std::move(got);
        when_head();
    }
};

class ClientTest : public ::testing::Test {
  protected:
    ClientTest() { make({}); }
    void make(const ClientOptions& options, NameCache::Fetch look_up = look_up_addresses) {
        client.reset();
        client = make_client(driver.loop(), pool, options, counters, std::move(look_up));
    }
    static Origin origin(std::uint16_t port) {
        Origin out;
        out.host = "127.0.0.1";
        out.port = port;
        return out;
    }
    static ClientRequest get(std::string target = "/", std::string method = "GET") {
        ClientRequest request;
        request.method = std::move(method);
        request.target = std::move(target);
        return request;
    }
    /// Starts a call and waits for its end.
    std::shared_ptr<Heard> ask(const Origin& to, ClientRequest request, const CallTimes& times = {}) {
        auto heard = std::make_shared<Heard>();
        client->start(to, std::move(request), times, heard);
        EXPECT_FALSE(heard->over()) << "no callback from inside start()";
        EXPECT_TRUE(driver.until([&] { return heard->over(); }));
        return heard;
    }
    std::shared_ptr<Heard> ask(const ScriptedServer& server, ClientRequest request = get(),
                               const CallTimes& times = {}) {
        return ask(origin(server.port()), std::move(request), times);
    }
    static void expect_failure(const Heard& heard, Kind kind, Stage stage, bool safe) {
        ASSERT_TRUE(heard.failure.has_value()) << "ended well";
        EXPECT_EQ(to_string(heard.failure->kind), to_string(kind)) << heard.failure->detail;
        EXPECT_EQ(to_string(heard.failure->stage), to_string(stage)) << heard.failure->detail;
        EXPECT_EQ(heard.failure->safe_to_retry, safe) << heard.failure->detail;
        EXPECT_FALSE(heard.failure->detail.empty());
    }
    /// The counter has this value, and not only because what happened has not been shown yet.
    template <class Number>
    bool counted(const std::atomic<Number>& counter, Number value) {
        driver.turn_for(2 * runtime::TimerWheel::kTick);
        return driver.until([&] { return counter.load() == value; });
    }
    bool failed(Kind kind, std::uint64_t times) {
        return counted(counters.failures[static_cast<std::size_t>(kind)], times);
    }

    testing::LoopDriver driver;
    runtime::WorkerPool pool{"names", 2, 64};
    ClientCounters counters;
    std::unique_ptr<Client> client;
};

}  // namespace tidegate::http
