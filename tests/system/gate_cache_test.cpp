// The gate's cache over the network: hits that are the miss byte by byte, and answers that nobody can smuggle in.
#include <set>

#include "system/gate.h"

namespace tidegate::testing {
namespace {

class GateCache : public GateFixture {
  protected:
    static std::string route(const std::string& cache) {
        return "  all: {path: \"/{rest...}\", upstream: app, cache: {" + cache + "}}\n";
    }
    /// Answers with its number, so that two executions can be told apart.
    static void count(UpstreamCall& call) {
        call.read_body();
        call.answer(200, "{\"run\": " + std::to_string(call.number()) + "}", "Content-Type: application/json\r\n");
    }
};

TEST_F(GateCache, APostHitIsTheMissByteByByteAndSpellingDoesNotMatter) {
    upstream_.on("/predict", count);
    const auto server = start(settings(route("mode: fixed, ttl_s: 600")));
    ASSERT_NE(server, nullptr);
    const RawResponse miss = post(server->port(), "/predict", R"({"x": 1.0, "name": "ab"})");
    ASSERT_EQ(miss.status, 200);
    EXPECT_EQ(miss.header("x-cache"), "MISS");
    for (const char* same :
         {R"({"x": 1.0, "name": "ab"})", R"({"name":"ab","x":1.0})", "{ \"name\" : \"a\\u0062\",\n\"x\":1.0 }"}) {
        const RawResponse hit = post(server->port(), "/predict", same);
        EXPECT_EQ(hit.header("x-cache"), "HIT") << same;
        EXPECT_EQ(hit.body, miss.body);
        EXPECT_EQ(hit.header("content-type"), miss.header("content-type"));
        EXPECT_NE(hit.header("age"), "");
        EXPECT_NE(hit.header("cache-status").find("hit"), std::string::npos);
    }
    EXPECT_EQ(post(server->port(), "/predict", R"({"x": 2, "name": "ab"})").body, "{\"run\": 2}");
    EXPECT_EQ(upstream_.asked("/predict"), 2U);
}

TEST_F(GateCache, TheSameBytesUnderAnotherTypeAreAnotherQuestion) {
    upstream_.on("/predict", [](UpstreamCall& call) {
        call.read_body();
        call.answer(200, call.request().header("content-type") + "|" + call.request().header("content-encoding"));
    });
    const auto server = start(settings(route("mode: fixed, ttl_s: 600")));
    ASSERT_NE(server, nullptr);
    const auto ask = [&](const std::string& lines) {
        RawClient client(server->port());
        client.send("POST /predict HTTP/1.1\r\nHost: localhost\r\n" + lines + "Content-Length: 2\r\n\r\n{}");
        return client.response();
    };
    // Whoever sends them first does not answer for the others.
    EXPECT_EQ(ask("Content-Type: text/csv\r\n").body, "text/csv|");
    EXPECT_EQ(ask("").body, "|");
    EXPECT_EQ(ask("Content-Type: application/json\r\nContent-Encoding: br\r\n").body, "application/json|br");
    EXPECT_EQ(ask("Content-Type: application/json\r\n").body, "application/json|");
    EXPECT_EQ(ask("Content-Type: Application/JSON; charset=UTF-8\r\n").header("x-cache"), "HIT");
    EXPECT_EQ(ask("Content-Type: text/csv\r\n").header("x-cache"), "HIT");
    EXPECT_EQ(upstream_.asked("/predict"), 4U);
}

TEST_F(GateCache, APartOfAMergedAnswerIsKeptUnderTheRulesOfTheWhole) {
    upstream_.on("/list", [](UpstreamCall& call) {
        call.read_body();
        call.answer(200, "[\"" + call.request().header("accept-language") + "\"]",
                    "Vary: Accept-Language\r\nCache-Control: max-age=600\r\nCache-Control: no-transform\r\n");
    });
    const auto server = start(settings(
        "  p: {path: /p, upstream: app, cache: {mode: fixed, ttl_s: 600}, batch: {enabled: true, target: /list}}\n"));
    ASSERT_NE(server, nullptr);
    const RawResponse german = post(server->port(), "/p", "1", {{"Accept-Language", "de"}});
    EXPECT_EQ(german.body, R"("de")");
    EXPECT_EQ(german.header("vary"), "Accept-Language");
    EXPECT_NE(german.head.find("no-transform"), std::string::npos);
    EXPECT_EQ(post(server->port(), "/p", "1", {{"Accept-Language", "fr"}}).body, R"("fr")");
    EXPECT_EQ(post(server->port(), "/p", "1", {{"Accept-Language", "fr"}}).header("x-cache"), "HIT");
}

TEST_F(GateCache, WhatAnUpstreamsOwnKeyOpensIsNobodyElses) {
    upstream_.on("/mine", [](UpstreamCall& call) { call.answer(200, "for " + call.request().header("x-api-key")); });
    const auto server = start(
        settings("  all: {path: \"/{rest...}\", upstream: app, access: open, cache: {mode: fixed, ttl_s: 600}}\n"));
    ASSERT_NE(server, nullptr);
    EXPECT_EQ(get(server->port(), "/mine", {{"X-Api-Key", "ada"}}).body, "for ada");
    EXPECT_EQ(get(server->port(), "/mine").body, "for ");
}

TEST_F(GateCache, AFieldThatTheSettingsCallACredentialMakesTheAnswerItsSendersOwn) {
    upstream_.on("/mine", [](UpstreamCall& call) { call.answer(200, "for " + call.request().header("x-auth-token")); });
    const auto server =
        start(settings("  all: {path: \"/{rest...}\", upstream: app, access: open, "
                       "cache: {mode: fixed, ttl_s: 600, credential_headers: [x-auth-token]}}\n"));
    ASSERT_NE(server, nullptr);
    EXPECT_EQ(get(server->port(), "/mine", {{"X-Auth-Token", "ada"}}).body, "for ada");
    EXPECT_EQ(get(server->port(), "/mine", {{"X-Auth-Token", "bob"}}).body, "for bob");
    EXPECT_EQ(get(server->port(), "/mine").body, "for ");
}

TEST_F(GateCache, NoAnswerIsKeptLongerThanTheSettingSays) {
    upstream_.on("/a", count);
    const auto server = start(
        settings("  all: {path: \"/{rest...}\", upstream: app, access: open, cache: {mode: fixed, ttl_s: 600}}\n"));
    ASSERT_NE(server, nullptr);
    std::set<std::string> lifetimes;
    for (int i = 0; i < 60; ++i) {
        const std::string target = "/a?n=" + std::to_string(i);
        get(server->port(), target);
        const std::string status = get(server->port(), target).header("cache-status");
        const std::size_t at = status.find("ttl=");
        ASSERT_NE(at, std::string::npos) << status;
        const std::string ttl = status.substr(at + 4);
        EXPECT_LE(std::stoi(ttl), 600);
        EXPECT_GE(std::stoi(ttl), 560);
        lifetimes.insert(ttl);
    }
    EXPECT_GT(lifetimes.size(), 5U) << "what was filled together expires together";
}

TEST_F(GateCache, AnotherTenantDoesNotGetTheAnswer) {
    upstream_.on("/predict", count);
    const auto key = [&](const std::string& tenant) {
        const RunResult made =
            run_binary({"keys", "create", "--name", tenant, "--tenant", tenant, "--data-dir=" + folder_.path()});
        EXPECT_EQ(made.status, 0) << made.error;
        return HeaderList{{"Authorization", "Bearer " + made.out.substr(0, made.out.find('\n'))}};
    };
    const HeaderList north = key("north");
    const HeaderList south = key("south");
    const auto server = start(settings(route("mode: fixed, ttl_s: 600")), {"--identity.required=always"});
    ASSERT_NE(server, nullptr);
    EXPECT_EQ(post(server->port(), "/predict", "{}", north).body, "{\"run\": 1}");
    EXPECT_EQ(post(server->port(), "/predict", "{}", south).body, "{\"run\": 2}");
    EXPECT_EQ(post(server->port(), "/predict", "{}", north).body, "{\"run\": 1}");
    EXPECT_EQ(post(server->port(), "/predict", "{}", south).body, "{\"run\": 2}");
}

TEST_F(GateCache, WhatTheUpstreamForbidsToKeepIsNotKept) {
    for (const char* rule : {"no-store", "private"}) {
        upstream_.on("/a", [rule](UpstreamCall& call) {
            call.answer(200, std::to_string(call.number()),
                        "Cache-Control: " + std::string(rule) + ", max-age=600\r\n");
        });
        const auto server = start(settings(route("mode: http")));
        ASSERT_NE(server, nullptr);
        const RawResponse first = get(server->port(), "/a");
        const RawResponse second = get(server->port(), "/a");
        EXPECT_NE(first.body, second.body) << rule;
    }
}

TEST_F(GateCache, InHttpModeAnAnswerLivesAsLongAsItSays) {
    upstream_.on("/a", [](UpstreamCall& call) {
        call.answer(200, std::to_string(call.number()), "Cache-Control: max-age=600\r\nETag: \"1\"\r\n");
    });
    upstream_.on("/b", [](UpstreamCall& call) { call.answer(200, std::to_string(call.number())); });
    const auto server = start(settings(route("mode: http")));
    ASSERT_NE(server, nullptr);
    EXPECT_EQ(get(server->port(), "/a").body, "1");
    EXPECT_EQ(get(server->port(), "/a").body, "1");
    EXPECT_EQ(get(server->port(), "/a", {{"If-None-Match", "\"1\""}}).status, 304);
    // No lifetime said and heuristics off: asked each time.
    EXPECT_EQ(get(server->port(), "/b").body, "1");
    EXPECT_EQ(get(server->port(), "/b").body, "2");
}

TEST_F(GateCache, WhatIsNotInTheKeyDoesNotReachTheUpstreamOrTheNextClient) {
    // A service that builds links from what it is told: the classic victim.
    upstream_.on("/page", [](UpstreamCall& call) {
        const UpstreamRequest& asked = call.request();
        call.answer(200, asked.header("host") + "|" + asked.header("x-host") + "|" + asked.header("x-original-url") +
                             "|" + asked.header("x-forwarded-scheme") + "|" + asked.header("x-forwarded-prefix"));
    });
    const auto server = start(settings(route("mode: fixed, ttl_s: 600")));
    ASSERT_NE(server, nullptr);
    RawClient client(server->port());
    client.send(
        "GET /page HTTP/1.1\r\nHost: evil.example\r\nX-Host: evil.example\r\nX-Original-URL: /evil\r\n"
        "X-Forwarded-Scheme: evil\r\nX-Forwarded-Prefix: /evil\r\nX_Host: evil.example\r\n\r\n");
    const RawResponse poisoned = client.response();
    ASSERT_EQ(poisoned.status, 200);
    EXPECT_EQ(poisoned.body.find("evil"), std::string::npos) << poisoned.body;
    const RawResponse next = get(server->port(), "/page");
    EXPECT_EQ(next.body.find("evil"), std::string::npos) << next.body;
}

TEST_F(GateCache, AForgedHostPoisonsNobodyElse) {
    // The upstream is told the client's Host in X-Forwarded-Host, and this one builds its answer from it.
    upstream_.on("/page", [](UpstreamCall& call) { call.answer(200, call.request().header("x-forwarded-host")); });
    const auto server = start(settings(route("mode: fixed, ttl_s: 600")));
    ASSERT_NE(server, nullptr);
    RawClient forger(server->port());
    EXPECT_EQ(forger.ask("GET /page HTTP/1.1\r\nHost: evil.example\r\n\r\n").body, "evil.example");
    EXPECT_EQ(get(server->port(), "/page").body, "localhost");
    // Said by the client itself it counts for nothing.
    upstream_.on("/other", [](UpstreamCall& call) { call.answer(200, call.request().header("x-forwarded-host")); });
    get(server->port(), "/other", {{"X-Forwarded-Host", "evil.example"}, {"Forwarded", "host=evil.example"}});
    EXPECT_EQ(get(server->port(), "/other").body, "localhost");
}

TEST_F(GateCache, TwoLengthsAreRefusedAndSmuggleNothing) {
    upstream_.on("/a", count);
    upstream_.on("/admin", 200, "secret");
    const auto server = start(settings(route("mode: fixed, ttl_s: 600")));
    ASSERT_NE(server, nullptr);
    const std::string inner = "GET /admin HTTP/1.1\r\nHost: a\r\n\r\n";
    for (const std::string& fields : std::vector<std::string>{
             "Content-Length: " + std::to_string(inner.size() + 5) + "\r\nTransfer-Encoding: chunked\r\n",
             "Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n", "Transfer-Encoding: xchunked\r\n",
             "Transfer-Encoding : chunked\r\n", "Content-Length: 5\r\nContent-Length: 6\r\n"}) {
        RawClient client(server->port());
        client.send("POST /a HTTP/1.1\r\nHost: a\r\n" + fields + "\r\n0\r\n\r\n" + inner);
        const RawResponse answer = client.response();
        EXPECT_GE(answer.status, 400) << fields;
        EXPECT_TRUE(client.closed_by_server()) << fields;
    }
    EXPECT_EQ(upstream_.asked("/admin"), 0U);
    EXPECT_EQ(upstream_.asked("/a"), 0U);
}

TEST_F(GateCache, AVaryOverAllOrOverTooMuchIsNotKept) {
    std::string many = "Vary: x0";
    for (int i = 1; i < 2000; ++i) many += ", x" + std::to_string(i);
    for (const std::string& vary : {std::string("Vary: *"), many}) {
        const std::string path = vary.size() > 10 ? "/many" : "/star";
        upstream_.on(path, [&vary](UpstreamCall& call) {
            call.answer(200, std::to_string(call.number()), "Cache-Control: max-age=600\r\n" + vary + "\r\n");
        });
        const auto server = start(settings(route("mode: http")));
        ASSERT_NE(server, nullptr);
        EXPECT_EQ(get(server->port(), path).body, "1");
        EXPECT_EQ(get(server->port(), path).body, "2") << path;
    }
}

TEST_F(GateCache, VaryKeepsLanguagesApart) {
    upstream_.on("/a", [](UpstreamCall& call) {
        call.answer(200, call.request().header("accept-language"),
                    "Cache-Control: max-age=600\r\nVary: Accept-Language\r\n");
    });
    const auto server = start(settings(route("mode: http")));
    ASSERT_NE(server, nullptr);
    for (int round = 0; round < 2; ++round) {
        EXPECT_EQ(get(server->port(), "/a", {{"Accept-Language", "de"}}).body, "de");
        EXPECT_EQ(get(server->port(), "/a", {{"Accept-Language", "en"}}).body, "en");
    }
    EXPECT_EQ(upstream_.asked("/a"), 2U);
}

TEST_F(GateCache, AStaleAnswerStandsInWhileTheUpstreamFails) {
    upstream_.on("/a",
                 [](UpstreamCall& call) { call.number() == 1 ? call.answer(200, "good") : call.answer(500, "bad"); });
    const auto server = start(settings(route("mode: fixed, ttl_s: 1, stale_if_error_s: 600")));
    ASSERT_NE(server, nullptr);
    ASSERT_EQ(get(server->port(), "/a").body, "good");
    ask_until([&] { return get(server->port(), "/a"); },
              [&](const RawResponse&) { return upstream_.asked("/a") >= 2; });
    ASSERT_GE(upstream_.asked("/a"), 2U);
    const RawResponse stale = get(server->port(), "/a");
    EXPECT_EQ(stale.status, 200);
    EXPECT_EQ(stale.body, "good");
    EXPECT_EQ(stale.header("x-cache"), "STALE");
}

TEST_F(GateCache, WhileAStaleAnswerIsFetchedAnewOnlyOneAsks) {
    std::atomic<bool> let_go{false};
    upstream_.on("/a", [&](UpstreamCall& call) {
        const std::string text = std::to_string(call.number());
        if (call.number() == 2) ask_until([&] { return let_go.load(); }, [](bool go) { return go; });
        call.answer(200, text);
    });
    const auto server = start(settings(route("mode: fixed, ttl_s: 1, stale_while_revalidate_s: 600")));
    ASSERT_NE(server, nullptr);
    ASSERT_EQ(get(server->port(), "/a").body, "1");
    const RawResponse first = ask_until([&] { return get(server->port(), "/a"); },
                                        [](const RawResponse& answer) { return answer.header("x-cache") == "STALE"; });
    EXPECT_EQ(first.body, "1");
    ASSERT_TRUE(upstream_.wait_asked("/a", 2));
    for (int i = 0; i < 20; ++i) EXPECT_EQ(get(server->port(), "/a").body, "1");
    EXPECT_EQ(upstream_.asked("/a"), 2U);
    let_go = true;
    EXPECT_EQ(ask_until([&] { return get(server->port(), "/a").body; }, [](const auto& body) { return body != "1"; }),
              "2");
}

TEST_F(GateCache, ARefreshThatBringsAStreamThatMayNotBeKeptIsEnded) {
    upstream_.on("/a", [](UpstreamCall& call) {
        if (call.number() == 1) return call.answer(200, "1");
        call.send("HTTP/1.1 200 OK\r\nCache-Control: no-store\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nwe \r\n");
        call.wait_gone();
    });
    const auto server = start(settings(route("mode: fixed, ttl_s: 1, stale_while_revalidate_s: 600")));
    ASSERT_NE(server, nullptr);
    ASSERT_EQ(get(server->port(), "/a").body, "1");
    ask_until([&] { return get(server->port(), "/a"); },
              [](const RawResponse& answer) { return answer.header("x-cache") == "STALE"; });
    EXPECT_TRUE(upstream_.wait_left(1)) << "nobody reads it";
}

TEST_F(GateCache, AClientThatHasTheAnswerGetsA304WhetherItIsKeptOrNot) {
    for (const char* rule : {"max-age=600", "no-store"}) {
        upstream_.on("/a", [rule](UpstreamCall& call) {
            EXPECT_FALSE(call.request().has("if-none-match")) << "the whole answer is asked for";
            call.answer(200, "whole", "ETag: \"1\"\r\nCache-Control: " + std::string(rule) + "\r\n");
        });
        const auto server = start(settings(route("mode: http")));
        ASSERT_NE(server, nullptr);
        const RawResponse had = get(server->port(), "/a", {{"If-None-Match", "\"0\", \"1\""}});
        EXPECT_EQ(had.status, 304) << rule;
        EXPECT_EQ(had.body, "");
        EXPECT_EQ(had.header("etag"), "\"1\"");
        const RawResponse other = get(server->port(), "/a", {{"If-None-Match", "\"0\""}});
        EXPECT_EQ(other.status, 200);
        EXPECT_EQ(other.body, "whole");
    }
}

TEST_F(GateCache, AnAnswerToHeadThatDiffersTakesTheKeptOneBackAndKeepsNobodyFromWaiting) {
    upstream_.on("/a", [](UpstreamCall& call) {
        const bool head = call.request().method == "HEAD";
        const std::string tag = head ? "\"new\"" : "\"" + std::to_string(call.number()) + "\"";
        // The first goes stale soon, what comes after HEAD not within the test.
        const std::string age = !head && call.number() > 1 ? "600" : "1";
        call.send("HTTP/1.1 200 OK\r\nETag: " + tag + "\r\nCache-Control: max-age=" + age +
                  "\r\nContent-Length: 1\r\n\r\n" + (head ? "" : "x"));
    });
    const auto server = start(settings(route("mode: http, stale_if_error_s: 600")));
    ASSERT_NE(server, nullptr);
    ASSERT_EQ(get(server->port(), "/a").header("etag"), "\"1\"");
    const auto head = [&] {
        RawClient client(server->port());
        client.send(request_text("HEAD", "/a"));
        return client.response(true);
    };
    // Until it is stale and the upstream is asked.
    ask_until(head, [](const RawResponse& answer) { return answer.header("etag") == "\"new\""; });
    EXPECT_EQ(metric(server->port(), "tidegate_cache_entries"), 0);
    EXPECT_EQ(metric(server->port(), "tidegate_cache_flights_total", "alone_uncacheable"), 0);
    EXPECT_EQ(get(server->port(), "/a").header("x-cache"), "MISS");
    EXPECT_EQ(get(server->port(), "/a").header("x-cache"), "HIT");
}

TEST_F(GateCache, A304WithAnotherVaryIsGivenAndNotKept) {
    upstream_.on("/a", [](UpstreamCall& call) {
        if (call.request().has("if-none-match")) {
            call.send(
                "HTTP/1.1 304 Not Modified\r\nETag: \"1\"\r\nVary: Accept-Language\r\n"
                "Cache-Control: max-age=600\r\n\r\n");
            return;
        }
        const std::string language = call.request().header("accept-language");
        call.answer(200, "for " + language, "ETag: \"1\"\r\nCache-Control: max-age=0\r\n");
    });
    const auto server = start(settings(route("mode: http")));
    ASSERT_NE(server, nullptr);
    EXPECT_EQ(get(server->port(), "/a", {{"Accept-Language", "de"}}).body, "for de");
    EXPECT_EQ(get(server->port(), "/a", {{"Accept-Language", "de"}}).body, "for de") << "confirmed";
    EXPECT_EQ(get(server->port(), "/a", {{"Accept-Language", "en"}}).body, "for en") << "no kept answer is for all";
}

TEST_F(GateCache, AHerdAsksTheUpstreamOnce) {
    std::atomic<bool> let_go{false};
    upstream_.on("/a", [&](UpstreamCall& call) {
        const std::string text = std::to_string(call.number());
        ask_until([&] { return let_go.load(); }, [](bool go) { return go; });
        call.answer(200, text);
    });
    const auto server = start(settings(route("mode: fixed, ttl_s: 600")));
    ASSERT_NE(server, nullptr);
    std::vector<std::unique_ptr<RawClient>> herd;
    for (int i = 0; i < 50; ++i) {
        herd.push_back(std::make_unique<RawClient>(server->port()));
        herd.back()->send(request_text("GET", "/a"));
    }
    ASSERT_TRUE(upstream_.wait_asked("/a", 1));
    let_go = true;
    for (const auto& client : herd) EXPECT_EQ(client->response().body, "1");
    EXPECT_EQ(upstream_.asked("/a"), 1U);
}

}  // namespace
}  // namespace tidegate::testing
