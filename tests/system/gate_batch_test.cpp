// Routes that merge: few calls for many requests, each with its own answer, failure, limit, price and Decision.
#include <algorithm>
#include <map>
#include <set>

#include "base/json_writer.h"
#include "support/recorded.h"
#include "system/gate.h"

namespace tidegate::testing {
namespace {

/// A POST under way.
class Asked {
  public:
    Asked(std::uint16_t port, std::string_view body, HeaderList headers = {}, std::string_view path = "/p")
        : client_(port) {
        headers.emplace_back("Content-Type", "application/json");
        client_.send(request_text("POST", path, body, headers));
    }
    RawResponse answer() { return client_.response(); }
    void leave() { client_.reset(); }

  private:
    RawClient client_;
};

/// The upstream of these tests doubles the numbers of a list. A call that holds the number 0 is held until let_go().
class GateBatch : public GateFixture {
  protected:
    void SetUp() override {
        upstream_.on("/list", [state = state_](UpstreamCall& call) {
            if (!call.read_body()) return;
            const json::Document document = parse_json(call.request().body);
            std::string results = "[";
            bool held = false;
            bool bad = false;
            document.root().each([&](json::Value item) {
                const std::int64_t x = item.as_int();
                held = held || x == 0;
                bad = bad || x == 666;
                if (results.size() > 1) results += ',';
                results += x == 13 ? R"({"error":"no luck with 13"})" : R"({"y":)" + std::to_string(2 * x) + "}";
            });
            {
                const Lock lock(state->mutex);
                state->calls.push_back(call.request());
            }
            if (held) state->wait_free();
            if (bad) return call.answer(422, R"({"detail":"666 is evil"})", "Content-Type: application/json\r\n");
            call.answer(200, results + "]", "Content-Type: application/json\r\nSet-Cookie: a=1\r\n");
        });
    }
    Process start_route(const std::string& more, const std::string& batch = {}, const std::string& groups = {},
                        std::vector<std::string> arguments = {}) {
        // A long wait: what is cut is cut by what the test says, not by the time that the machine takes.
        const std::string wait = batch.find("wait_ms") == std::string::npos ? ", wait_ms: 10000" : "";
        return start(settings("  p: {path: /p, upstream: app, " + more + "batch: {enabled: true, target: /list" + wait +
                                  batch + "}}\n",
                              groups),
                     std::move(arguments));
    }
    void let_go() { state_->free = true; }
    /// True once so many requests wait for company.
    static bool wait_waiting(std::uint16_t port, double count) {
        return ask_until([port] { return metric(port, "tidegate_batch_waiting"); },
                         [count](double waiting) { return waiting == count; }) == count;
    }
    std::vector<UpstreamRequest> calls() {
        const Lock lock(state_->mutex);
        return state_->calls;
    }
    /// Outlives the test with the scripts that use it.
    struct State {
        void wait_free() const {
            ask_until([this] { return free.load(); }, [](bool now) { return now; });
        }
        std::atomic<bool> free{false};
        Mutex mutex;
        std::vector<UpstreamRequest> calls TG_GUARDED_BY(mutex);
    };
    const std::shared_ptr<State> state_ = std::make_shared<State>();
};

TEST_F(GateBatch, ThirtyThreeRequestsCostTwoCallsAndEachGetsItsOwn) {
    const auto server = start_route("cost: \"1\", ", ", items_max: 32", "spend: {address_daily_cap: \"1000\"}\n");
    ASSERT_NE(server, nullptr);
    const std::uint16_t port = server->port();
    Asked first(port, "0");
    ASSERT_TRUE(upstream_.wait_asked("/list", 1));
    std::vector<Asked> others;
    for (int i = 1; i <= 32; ++i)
        others.emplace_back(port, std::to_string(i == 13 ? 1300 : i), HeaderList{{"X-Trace", "true"}});
    ASSERT_TRUE(upstream_.wait_asked("/list", 2)) << "32 are a full batch";
    let_go();
    EXPECT_EQ(first.answer().body, R"({"y":0})");
    std::set<std::string> ids;
    for (int i = 1; i <= 32; ++i) {
        const RawResponse answer = others[static_cast<std::size_t>(i - 1)].answer();
        ASSERT_EQ(answer.status, 200) << answer.body;
        EXPECT_EQ(answer.body, R"({"y":)" + std::to_string(2 * (i == 13 ? 1300 : i)) + "}");
        EXPECT_EQ(answer.header("content-type"), "application/json");
        EXPECT_EQ(answer.count("set-cookie"), 0U) << "what the answer says of all is nobody's own";
        EXPECT_NE(answer.header("server-timing").find("batch;"), std::string::npos) << answer.header("server-timing");
        EXPECT_NE(answer.header("server-timing").find("upstream;"), std::string::npos);
        EXPECT_EQ(answer.header("x-spend-cost"), "1");
        ids.insert(answer.header("x-request-id"));
    }
    EXPECT_EQ(ids.size(), 32U);
    EXPECT_EQ(upstream_.asked("/list"), 2U);
    EXPECT_EQ(metric(port, "tidegate_batch_sizes_total{route=\"p\",requests=\"17-32\"}"), 1);
    EXPECT_EQ(metric(port, "tidegate_batch_calls_total{route=\"p\",cut=\"full\"}"), 1);
    EXPECT_EQ(metric(port, "tidegate_batch_items_total"), 33);
    // The last answer may be out a moment before its call is over.
    constexpr std::string_view kOver =
        R"("batching":[{"route":"p","waiting":0,"calls_under_way":0,"requests":33,"calls":2)";
    const std::string upstreams = ask_until([&] { return to_text(*health(port).root().find("upstreams")); },
                                            [&](const std::string& now) { return now.contains(kOver); });
    EXPECT_TRUE(upstreams.contains(kOver)) << upstreams;
    ASSERT_EQ(server->stop(SIGTERM, 60), 0);
    // One Decision a request, with its own id, input and price; the call that it shared is named.
    const std::vector<audit::Decision> rows = recorded(folder_.path());
    ASSERT_EQ(rows.size(), 33U);
    std::set<std::string> decisions;
    std::set<std::string> requests;
    std::set<std::string> inputs;
    std::set<std::string> outputs;
    std::map<std::string, int> batches;
    for (const audit::Decision& row : rows) {
        const auto tag = [&row](std::string_view name) {
            const auto found = std::ranges::find(row.tags, name, &audit::Tag::name);
            return found == row.tags.end() ? std::string() : found->value;
        };
        decisions.insert(to_string(row.id));
        requests.insert(row.request_id);
        inputs.insert(to_hex(row.input_hash));
        EXPECT_EQ(row.spend_points, Points::whole(1));
        ++batches[tag("batch")];
        outputs.insert(row.output);
        EXPECT_EQ(tag("batch_requests"), std::to_string(row.output == R"({"y":0})" ? 1 : 32)) << row.output;
    }
    EXPECT_EQ(decisions.size(), 33U);
    EXPECT_EQ(requests.size(), 33U);
    EXPECT_EQ(inputs.size(), 33U);
    EXPECT_EQ(outputs.size(), 33U) << "each its own answer, as it was";
    EXPECT_TRUE(outputs.contains(R"({"y":2600})"));
    ASSERT_EQ(batches.size(), 2U);
    const UpstreamRequest call = calls().back();
    EXPECT_EQ(batches[call.header("x-request-id")], 32) << "the upstream knows the call by the same id";
    EXPECT_EQ(call.header("content-type"), "application/json");
    EXPECT_TRUE(call.has("traceparent"));
    EXPECT_FALSE(call.has("x-forwarded-for")) << "it is nobody's alone";
}

TEST_F(GateBatch, TimeCutsABatchThoughTheCallBeforeItHangs) {
    const auto server = start_route("", ", items_max: 4, wait_ms: 30");
    ASSERT_NE(server, nullptr);
    Asked first(server->port(), "0");
    ASSERT_TRUE(upstream_.wait_asked("/list", 1));
    const auto began = std::chrono::steady_clock::now();
    Asked second(server->port(), "1");
    EXPECT_EQ(second.answer().body, R"({"y":2})");
    EXPECT_GE(std::chrono::steady_clock::now() - began, std::chrono::milliseconds(30));
    EXPECT_EQ(metric(server->port(), "tidegate_batch_calls_total", "cut=\"time\""), 1);
    let_go();
    EXPECT_EQ(first.answer().status, 200);
}

TEST_F(GateBatch, AnErrorOfOneItemIsItsOwn) {
    const auto server = start_route("", ", error_field: error");
    ASSERT_NE(server, nullptr);
    Asked first(server->port(), "0");
    ASSERT_TRUE(upstream_.wait_asked("/list", 1));
    Asked good(server->port(), "1");
    Asked bad(server->port(), "13");
    ASSERT_TRUE(wait_waiting(server->port(), 2));
    let_go();
    EXPECT_EQ(good.answer().status, 200);
    const RawResponse own = bad.answer();
    EXPECT_EQ(own.status, 422);
    EXPECT_EQ(own.body, R"({"error":"no luck with 13"})");
    EXPECT_EQ(first.answer().status, 200);
    EXPECT_EQ(upstream_.asked("/list"), 2U);
    ASSERT_EQ(server->stop(SIGTERM, 60), 0);
    EXPECT_EQ(
        std::ranges::count_if(recorded(folder_.path()), [](const audit::Decision& one) { return !one.error.empty(); }),
        1);
}

TEST_F(GateBatch, AnAnswerThatIsNoListOfTheirLengthIsAnErrorForAll) {
    for (const char* answer : {"[1]", "[1,2,3]", "{\"results\":[1,2]}", "[1,2", "<html>", ""}) {
        state_->free = false;
        upstream_.on("/bad", [state = state_, answer](UpstreamCall& call) {
            call.read_body();
            if (call.request().body != "[0]") return call.answer(200, answer);
            state->wait_free();
            call.answer(200, "[0]");
        });
        const auto server =
            start(settings("  p: {path: /p, upstream: app, batch: {enabled: true, target: /bad, wait_ms: 10000}}\n"));
        ASSERT_NE(server, nullptr);
        Asked first(server->port(), "0");
        ASSERT_TRUE(ask_until([&] { return metric(server->port(), "tidegate_batch_calls_total"); },
                              [](double calls) { return calls == 1; }) == 1);
        Asked one(server->port(), "1");
        Asked two(server->port(), "2");
        ASSERT_TRUE(wait_waiting(server->port(), 2));
        let_go();
        EXPECT_EQ(first.answer().body, "0");
        expect_problem(one.answer(), 502, "upstream_results");
        expect_problem(two.answer(), 502, "upstream_results");
        EXPECT_EQ(metric(server->port(), "tidegate_batch_mismatches_total"), 1) << answer;
    }
}

TEST_F(GateBatch, AFailureOfTheCallIsEverybodys) {
    const auto status = std::make_shared<std::atomic<int>>(500);
    upstream_.on("/fails", [state = state_, status](UpstreamCall& call) {
        call.read_body();
        if (call.request().body == "[0]") state->wait_free();
        *status == 0 ? call.close() : call.answer(*status, R"([1,2])", "Retry-After: 7\r\n");
    });
    for (const int wrong : {500, 204, 429, 0}) {
        *status = wrong;
        state_->free = false;
        const auto server =
            start(settings("  p: {path: /p, upstream: app, batch: {enabled: true, target: /fails, wait_ms: 10000}}\n"));
        ASSERT_NE(server, nullptr);
        Asked first(server->port(), "0");
        ASSERT_TRUE(ask_until([&] { return metric(server->port(), "tidegate_batch_calls_total"); },
                              [](double calls) { return calls == 1; }) == 1);
        Asked one(server->port(), "1");
        Asked two(server->port(), "2");
        ASSERT_TRUE(wait_waiting(server->port(), 2));
        let_go();
        for (Asked* asked : {&first, &one, &two}) {
            const RawResponse answer = asked->answer();
            if (wrong == 429) {
                expect_problem(answer, 503, "upstream_status");
                EXPECT_EQ(answer.header("retry-after"), "7");
            } else {
                expect_problem(answer, 502, wrong == 0 ? "upstream_broke_off" : "upstream_status");
            }
        }
    }
}

TEST_F(GateBatch, OneBadItemDoesNotPoisonItsNeighbours) {
    const auto server = start_route("");
    ASSERT_NE(server, nullptr);
    Asked first(server->port(), "0");
    ASSERT_TRUE(upstream_.wait_asked("/list", 1));
    Asked one(server->port(), "1");
    Asked bad(server->port(), "666");
    Asked two(server->port(), "2");
    ASSERT_TRUE(wait_waiting(server->port(), 3));
    let_go();
    EXPECT_EQ(one.answer().body, R"({"y":2})");
    EXPECT_EQ(two.answer().body, R"({"y":4})");
    const RawResponse own = bad.answer();
    EXPECT_EQ(own.status, 422);
    EXPECT_EQ(own.body, R"({"detail":"666 is evil"})") << "as the upstream answered it alone";
    EXPECT_EQ(first.answer().status, 200);
    EXPECT_EQ(upstream_.asked("/list"), 5U) << "the first, the merged one, three alone";
    EXPECT_EQ(metric(server->port(), "tidegate_batch_isolated_total"), 3);
}

TEST_F(GateBatch, WithoutIsolationARefusalIsEverybodys) {
    const auto server = start_route("", ", isolate: false");
    ASSERT_NE(server, nullptr);
    Asked first(server->port(), "0");
    ASSERT_TRUE(upstream_.wait_asked("/list", 1));
    Asked one(server->port(), "1");
    Asked bad(server->port(), "666");
    ASSERT_TRUE(wait_waiting(server->port(), 2));
    let_go();
    expect_problem(one.answer(), 502, "upstream_status");
    expect_problem(bad.answer(), 502, "upstream_status");
    EXPECT_EQ(upstream_.asked("/list"), 2U);
}

TEST_F(GateBatch, WhoLeavesIsNotAskedFor) {
    const auto server = start_route("");
    ASSERT_NE(server, nullptr);
    Asked first(server->port(), "0");
    ASSERT_TRUE(upstream_.wait_asked("/list", 1));
    Asked leaver(server->port(), "5");
    ASSERT_TRUE(wait_waiting(server->port(), 1));
    Asked stays(server->port(), "6");
    ASSERT_TRUE(wait_waiting(server->port(), 2));
    leaver.leave();
    ASSERT_TRUE(wait_waiting(server->port(), 1));
    let_go();
    EXPECT_EQ(stays.answer().body, R"({"y":12})");
    EXPECT_EQ(calls().back().body, "[6]");
    EXPECT_EQ(metric(server->port(), "tidegate_batch_cancelled_total"), 1);
    EXPECT_EQ(first.answer().status, 200);
}

TEST_F(GateBatch, CredentialsFieldsAndTenantsAreNeverMixed) {
    const auto server = start_route("access: open, ", ", ignore_headers: [X-Correlation]", "", {"--server.loops=1"});
    ASSERT_NE(server, nullptr);
    Asked first(server->port(), "0");
    ASSERT_TRUE(upstream_.wait_asked("/list", 1));
    std::vector<Asked> asked;
    for (int i = 0; i < 4; ++i) {
        asked.emplace_back(server->port(), std::to_string(10 + i),
                           HeaderList{{"Authorization", i % 2 == 0 ? "Basic YTph" : "Basic Yjpi"},
                                      {"X-Correlation", std::to_string(i)},
                                      {"User-Agent", std::to_string(i)}});
    }
    asked.emplace_back(server->port(), "14", HeaderList{{"Authorization", "Basic YTph"}, {"X-Model", "2"}});
    ASSERT_TRUE(wait_waiting(server->port(), 5));
    let_go();
    for (Asked& one : asked) EXPECT_EQ(one.answer().status, 200);
    std::map<std::string, std::string> by_body;
    for (const UpstreamRequest& call : calls()) {
        by_body[call.body] = call.header("authorization") + " " + call.header("x-model");
        EXPECT_FALSE(call.has("x-correlation"));
        EXPECT_FALSE(call.has("user-agent"));
    }
    EXPECT_EQ(by_body,
              (std::map<std::string, std::string>{
                  {"[0]", " "}, {"[10,12]", "Basic YTph "}, {"[11,13]", "Basic Yjpi "}, {"[14]", "Basic YTph 2"}}));
}

TEST_F(GateBatch, TenantsDoNotShareACallThoughTheUpstreamSeesNoDifference) {
    const auto key = [&](const std::string& tenant) {
        const RunResult made =
            run_binary({"keys", "create", "--name", tenant, "--tenant", tenant, "--data-dir=" + folder_.path()});
        return HeaderList{{"Authorization", "Bearer " + made.out.substr(0, made.out.find('\n'))}};
    };
    const HeaderList north = key("north");
    const HeaderList south = key("south");
    const auto server = start_route("", "", "identity: {required: always}\n", {"--server.loops=1"});
    ASSERT_NE(server, nullptr);
    Asked first(server->port(), "0", north);
    ASSERT_TRUE(upstream_.wait_asked("/list", 1));
    Asked one(server->port(), "1", north);
    Asked two(server->port(), "2", south);
    Asked three(server->port(), "3", north);
    // /metrics would want a key; three that wait are two groups, cut when the first call comes back.
    ASSERT_TRUE(ask_until([&] { return get(server->port(), "/metrics", north).body; },
                          [](const std::string& text) {
                              return text.find("tidegate_batch_waiting{route=\"p\"} 3") != std::string::npos;
                          })
                    .find("tidegate_batch_waiting{route=\"p\"} 3") != std::string::npos);
    let_go();
    for (Asked* asked : {&first, &one, &two, &three}) EXPECT_EQ(asked->answer().status, 200);
    std::multiset<std::string> bodies;
    for (const UpstreamRequest& call : calls()) {
        EXPECT_FALSE(call.has("authorization")) << "the key was for us";
        bodies.insert(call.body);
    }
    EXPECT_EQ(bodies, (std::multiset<std::string>{"[0]", "[1,3]", "[2]"}));
}

TEST_F(GateBatch, LimitsCountRequestsNotCalls) {
    const auto server = start_route("rate: 3/1h, ");
    ASSERT_NE(server, nullptr);
    Asked first(server->port(), "0");
    ASSERT_TRUE(upstream_.wait_asked("/list", 1));
    Asked one(server->port(), "1");
    Asked two(server->port(), "2");
    ASSERT_TRUE(wait_waiting(server->port(), 2));
    EXPECT_EQ(post(server->port(), "/p", "3").status, 429);
    let_go();
    for (Asked* asked : {&first, &one, &two}) EXPECT_EQ(asked->answer().status, 200);
}

TEST_F(GateBatch, FullAndLateAreSaidSo) {
    // Ahead of the 10 s that one may wait for company, and long enough for a machine that stalls while the two are sent.
    const auto server = start_route("deadline_s: 8, ", ", waiting_max: 1");
    ASSERT_NE(server, nullptr);
    Asked first(server->port(), "0");
    ASSERT_TRUE(upstream_.wait_asked("/list", 1));
    Asked waits(server->port(), "1");
    ASSERT_TRUE(wait_waiting(server->port(), 1));
    const RawResponse refused = post(server->port(), "/p", "2");
    expect_problem(refused, 503, "overloaded");
    EXPECT_EQ(refused.header("retry-after"), "1");
    EXPECT_EQ(metric(server->port(), "tidegate_batch_refused_total"), 1);
    // Nothing comes back in time, neither for the one whose call hangs nor for the one behind it.
    expect_problem(waits.answer(), 504, "upstream_timeout");
    expect_problem(first.answer(), 504, "upstream_timeout");
    let_go();
}

TEST_F(GateBatch, WhatIsNoItemIsRefusedAndOtherMethodsPass) {
    const auto server = start_route("", ", bytes_max: 1024");
    ASSERT_NE(server, nullptr);
    const std::uint16_t port = server->port();
    expect_problem(post(port, "/p", "1],[2"), 400, "invalid_request");
    expect_problem(post(port, "/p", std::string(2000, '1')), 413);
    RawClient client(port);
    expect_problem(
        client.ask(request_text("POST", "/p", "a=1", {{"Content-Type", "application/x-www-form-urlencoded"}})), 415);
    EXPECT_EQ(upstream_.asked("/list"), 0U);
    upstream_.on("/p", 200, "the form");
    EXPECT_EQ(get(port, "/p").body, "the form");
}

TEST_F(GateBatch, ClientsThatSpeakListsGetTheirOwnPartOfTheList) {
    upstream_.on("/v1/embeddings", [state = state_](UpstreamCall& call) {
        call.read_body();
        const json::Document document = parse_json(call.request().body);
        const std::size_t count = [&] {
            const json::Value input = *document.root().find("input");
            return input.kind() == json::Kind::kArray ? input.size() : 1;
        }();
        if (count == 1) state->wait_free();
        std::string data;
        for (std::size_t i = 0; i < count; ++i) {
            if (i > 0) data += ',';
            data += R"({"object":"embedding","index":)" + std::to_string(i) + R"(,"embedding":[)" +
                    std::to_string(count) + "." + std::to_string(i) + "]}";
        }
        call.answer(200, R"({"object":"list","data":[)" + data + R"(],"model":"m","usage":{"total_tokens":99}})");
    });
    const auto server = start(settings(
        "  p: {path: /v1/embeddings, upstream: app, batch: {enabled: true, lists: true, wait_ms: 10000,\n"
        "      items_field: input, results_field: data, index_field: index, answer_fields: [object, model]}}\n"));
    ASSERT_NE(server, nullptr);
    const auto ask = [&](std::string_view body) { return Asked(server->port(), body, {}, "/v1/embeddings"); };
    Asked first = ask(R"({"model":"m","input":"a"})");
    ASSERT_TRUE(upstream_.wait_asked("/v1/embeddings", 1));
    Asked two = ask(R"({"model":"m","input":["b","c"]})");
    ASSERT_TRUE(wait_waiting(server->port(), 1));
    Asked three = ask(R"({"model":"m","input":"d"})");
    Asked other = ask(R"({"model":"n","input":["e","f"]})");
    ASSERT_TRUE(wait_waiting(server->port(), 3));
    let_go();
    EXPECT_EQ(first.answer().body,
              R"({"object":"list","model":"m","data":[{"object":"embedding","index":0,"embedding":[1.0]}]})");
    EXPECT_EQ(two.answer().body,
              R"({"object":"list","model":"m","data":[{"object":"embedding","index":0,"embedding":[3.0]},)"
              R"({"object":"embedding","index":1,"embedding":[3.1]}]})");
    EXPECT_EQ(three.answer().body,
              R"({"object":"list","model":"m","data":[{"object":"embedding","index":0,"embedding":[3.2]}]})");
    EXPECT_EQ(other.answer().status, 200);
    EXPECT_EQ(upstream_.asked("/v1/embeddings"), 3U) << "another model is another call";
}

TEST_F(GateBatch, WhatIsKeptIsNotAskedAgain) {
    const auto server = start_route("cache: {mode: fixed, ttl_s: 600}, ");
    ASSERT_NE(server, nullptr);
    for (int i = 0; i < 3; ++i) EXPECT_EQ(post(server->port(), "/p", "21").body, R"({"y":42})");
    EXPECT_EQ(upstream_.asked("/list"), 1U);
    EXPECT_EQ(metric(server->port(), "tidegate_batch_items_total"), 1);
}

TEST_F(GateBatch, AStopWithRequestsUnderWayAndWaitingEnds) {
    const auto server = start_route("", "", "server: {drain_max_s: 1}\n");
    ASSERT_NE(server, nullptr);
    Asked first(server->port(), "0");
    ASSERT_TRUE(upstream_.wait_asked("/list", 1));
    Asked waits(server->port(), "1");
    ASSERT_TRUE(wait_waiting(server->port(), 1));
    EXPECT_NE(server->stop(SIGTERM, 60), -1);
    EXPECT_EQ(server->log().find("Sanitizer"), std::string::npos) << server->log();
    EXPECT_EQ(server->log().find("assert"), std::string::npos) << server->log();
    let_go();
}

TEST_F(GateBatch, ASettingThatContradictsAnotherStopsTheStart) {
    for (const char* batch : {"enabled: true, lists: true, item_field: x", "items_field: x", "enabled: true, target: x",
                              "enabled: true, item_field: x", "enabled: true, wait_s: 1"}) {
        const std::string path = folder_.path() + "/wrong.yaml";
        std::ofstream(path) << settings(std::string("  p: {path: /p, upstream: app, batch: {") + batch + "}}\n");
        const RunResult run = run_binary({"serve", "--config=" + path, "--data-dir=" + folder_.path()});
        EXPECT_GT(run.status, 0) << batch;
        EXPECT_NE(run.error.find("batch"), std::string::npos) << run.error;
    }
}

}  // namespace
}  // namespace tidegate::testing
