// What bad input gets: a clear error of the right status, no growth of memory, and the next honest request served.
#include <chrono>
#include <thread>

#include "system/client.h"

namespace tidegate::testing {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr std::string_view kDetect = "/api/v1/detect/text";

class BadInput : public ::testing::Test {
  protected:
    void start(const std::vector<std::string>& arguments = {}) {
        server_ = ServerProcess::start(folder_.path(), arguments);
        ASSERT_NE(server_, nullptr);
        // The first answer loads what is loaded lazily; growth is counted from here.
        ASSERT_EQ(post(port(), kDetect, text_body(kHumanText)).status, 200);
        resident_before_ = server_->resident_bytes();
    }
    void TearDown() override {
        if (!server_) return;
        EXPECT_EQ(post(port(), kDetect, text_body(kHumanText)).status, 200) << "the next honest request is not served";
        // Sanitizers keep freed memory in quarantine: the bound is for the release build, the sanitizers' is coarse.
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
        constexpr std::uint64_t kGrowthMax = 400 * 1024 * 1024;
#elif defined(__has_feature)
        constexpr std::uint64_t kGrowthMax =
            (__has_feature(address_sanitizer) || __has_feature(thread_sanitizer) ? 400U : 24U) * 1024ULL * 1024;
#else
        constexpr std::uint64_t kGrowthMax = 24 * 1024 * 1024;
#endif
        EXPECT_LT(server_->resident_bytes(), resident_before_ + kGrowthMax);
        const int status = server_->stop(SIGTERM, 60);
        EXPECT_EQ(status, 0) << "the server did not end cleanly: " << server_->log().substr(0, 4000);
    }
    std::uint16_t port() const { return server_->port(); }

    TemporaryFolder folder_;
    std::unique_ptr<ServerProcess> server_;
    std::uint64_t resident_before_ = 0;
};

struct BodyCase {
    std::string name;
    std::string body;
    int status;
    std::string error;
};

TEST_F(BadInput, BodiesThatAreNotValid) {
    start();
    std::string nested;
    for (int i = 0; i < 100; ++i) nested += "[";
    for (int i = 0; i < 100; ++i) nested += "]";
    std::string too_long;
    for (int i = 0; i < 50'001; ++i) too_long += "ä";
    const std::vector<BodyCase> cases{
        {"not JSON", "hello", 400, "invalid_request"},
        {"half JSON", R"({"text":"a)", 400, "invalid_request"},
        {"two documents", R"({"text":"a"}{"text":"b"})", 400, "invalid_request"},
        {"not an object", R"(["text"])", 422, "validation_failed"},
        {"wrong type", R"({"text":5})", 422, "validation_failed"},
        {"null", R"({"text":null})", 422, "validation_failed"},
        {"missing field", R"({"domain":"news"})", 422, "validation_failed"},
        {"empty text", R"({"text":""})", 422, "validation_failed"},
        {"50,001 characters", text_body(too_long), 422, "validation_failed"},
        {"invalid UTF-8", "{\"text\":\"\xff\xfe\"}", 400, "invalid_request"},
        {"overlong UTF-8", "{\"text\":\"\xc0\xaf\"}", 400, "invalid_request"},
        {"a NUL byte", std::string("{\"text\":\"a\0b\"}", 14), 400, "invalid_request"},
        {"an escaped NUL", R"({"text":"a\u0000b"})", 422, "validation_failed"},
        {"a lone surrogate", R"({"text":"\ud800"})", 400, "invalid_request"},
        {"100 nested arrays", nested, 400, "invalid_request"},
        {"100 nested arrays in a field", R"({"text":"a","x":)" + nested + "}", 400, "invalid_request"},
        {"a number out of range", R"({"text":"a","x":1e99999})", 400, "invalid_request"},
        {"a bad escape", R"({"text":"\q"})", 400, "invalid_request"},
        {"1 MiB of spaces and more", std::string(1024 * 1024 + 1, ' '), 413, "too_large"},
    };
    for (const BodyCase& c : cases) {
        SCOPED_TRACE(c.name);
        expect_problem(post(port(), kDetect, c.body), c.status, c.error);
    }
    expect_problem(RawClient(port()).ask(request_text("POST", kDetect)), 400, "invalid_request");
}

TEST_F(BadInput, FieldsAreNamed) {
    start();
    const json::Document problem = parse_json(post(port(), kDetect, R"({"text":5,"domain":""})").body);
    EXPECT_EQ(to_text(*problem.root().find("errors")),
              R"([{"field":"text","message":"must be of type string, not integer","type":"wrong_type"},)"
              R"({"field":"domain","message":"must not be empty","type":"too_short"}])");
}

TEST_F(BadInput, FiftyThousandCharactersAreTaken) {
    start();
    std::string text;
    while (text.size() < 50'000) text += "The tide came in and took the bench. ";
    text.resize(50'000);
    EXPECT_EQ(post(port(), kDetect, text_body(text)).status, 200);
    std::string wide;
    for (int i = 0; i < 50'000; ++i) wide += "🌊";
    EXPECT_EQ(post(port(), kDetect, text_body(wide)).status, 200);
}

TEST_F(BadInput, MethodsPathsAndTypes) {
    start();
    RawClient client(port());
    const RawResponse method = client.ask(request_text("DELETE", kDetect));
    expect_problem(method, 405);
    EXPECT_EQ(method.header("allow"), "POST, OPTIONS");
    expect_problem(client.ask(request_text("GET", "/api/v1/nothing")), 404);
    const RawResponse type =
        client.ask(request_text("POST", kDetect, "text=a", {{"Content-Type", "application/x-www-form-urlencoded"}}));
    expect_problem(type, 415);
    expect_problem(RawClient(port()).ask(request_text("GET", "/live", "body")), 413);
    expect_problem(RawClient(port()).ask(request_text("GET", "/docs/..%2f..%2fetc%2fpasswd")), 400);
    expect_problem(RawClient(port()).ask(request_text("GET", "/docs/../../etc/passwd")), 404);
}

TEST_F(BadInput, HundredMegabytesAreRefusedBeforeTheyAreRead) {
    start();
    RawClient client(port());
    client.send("POST " + std::string(kDetect) +
                " HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\nContent-Length: 104857600\r\n\r\n");
    expect_problem(client.response(), 413, "too_large");
    EXPECT_TRUE(client.closed_by_server());
    RawClient expecting(port());
    expecting.send("POST " + std::string(kDetect) +
                   " HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 104857600\r\n\r\n");
    expect_problem(expecting.response(), 413, "too_large");
}

TEST_F(BadInput, AChunkedBodyThatNeverEndsIsCutAtTheLimit) {
    start();
    RawClient client(port());
    client.send("POST " + std::string(kDetect) + " HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n");
    const std::string chunk = "10000\r\n" + std::string(65536, 'x') + "\r\n";
    for (int i = 0; i < 64 && client.send(chunk); ++i) {
    }
    expect_problem(client.response(), 413, "too_large");
}

TEST_F(BadInput, AMegabyteOfHeadersIsRefused) {
    start();
    RawClient client(port());
    client.send("GET /live HTTP/1.1\r\nHost: a\r\nX-Big: ");
    const std::string piece(65536, 'x');
    for (int i = 0; i < 16 && client.send(piece); ++i) {
    }
    expect_problem(client.response(), 431);
    RawClient line(port());
    line.send("GET /" + std::string(20'000, 'a') + " HTTP/1.1\r\nHost: a\r\n\r\n");
    expect_problem(line.response(), 414);
}

TEST_F(BadInput, AmbiguousFramingIsRefusedAndTheConnectionClosed) {
    start();
    const std::string post_line = "POST " + std::string(kDetect) + " HTTP/1.1\r\nHost: a\r\n";
    const std::string smuggled = "GET /live HTTP/1.1\r\nHost: a\r\n\r\n";
    const std::vector<std::string> requests{
        post_line + "Content-Length: 5\r\nContent-Length: 6\r\n\r\nhello",
        post_line + "Content-Length: 5\r\nContent-Length: 5\r\n\r\nhello",
        post_line + "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        post_line + "Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n",
        post_line + "Content-Length: +5\r\n\r\nhello",
        post_line + "Content-Length: 5 5\r\n\r\nhello",
        post_line + "Content-Length : 5\r\n\r\nhello",
        post_line + "Transfer-Encoding: chunked\r\n\r\nzz\r\n\r\n",
        post_line + "Bad Header: x\r\n\r\n",
        post_line + "Folded: a\r\n b\r\n\r\n",
        "GET /live HTTP/1.1\r\n\r\n",
        "GET /live HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
        "GET  /live HTTP/1.1\r\nHost: a\r\n\r\n",
        "GET /live\r\n\r\n",
        "GET /live HTTP/1.1\nHost: a\n\n",
    };
    for (const std::string& request : requests) {
        SCOPED_TRACE(request);
        RawClient client(port());
        client.send(request + smuggled);
        expect_problem(client.response(), 400);
        EXPECT_TRUE(client.closed_by_server()) << "a second answer, or still open";
    }
}

TEST_F(BadInput, AClientThatSendsOneByteASecondIsEnded) {
    start({"--limits.header_read_max_s", "0.5s", "--limits.body_grace_s", "0.5s"});
    const auto seconds_until_both_are_answered = [&] {
        RawClient head(port());
        RawClient body(port());
        body.send("POST " + std::string(kDetect) + " HTTP/1.1\r\nHost: a\r\nContent-Length: 1000\r\n\r\n");
        bool head_waits = true;
        bool body_waits = true;
        int seconds_used = 0;
        for (; seconds_used < 8 && (head_waits || body_waits); ++seconds_used) {
            if (head_waits) head.send("G", milliseconds(100));
            if (body_waits) body.send("x", milliseconds(100));
            std::this_thread::sleep_for(seconds(1));
            head_waits = head_waits && !head.wait_for("\r\n\r\n", milliseconds(1));
            body_waits = body_waits && !body.wait_for("\r\n\r\n", milliseconds(1));
        }
        expect_problem(head.response(), 408);
        expect_problem(body.response(), 408);
        return seconds_used;
    };
    // Long before the eight bytes are out, and before the defaults' times; a machine that stalls has three tries.
    int least = seconds_until_both_are_answered();
    for (int again = 0; again < 2 && least >= 5; ++again) least = seconds_until_both_are_answered();
    EXPECT_LT(least, 5);
}

TEST_F(BadInput, AClientThatStopsReadingIsCut) {
    start({"--limits.write_stall_max_s", "1s"});
    for (int i = 0; i < 40; ++i) post(port(), kDetect, text_body("text number " + std::to_string(i)));
    RawClient client(port(), 4096);
    // Pipelined answers of some hundred kilobytes each that nobody reads: more than any socket buffer.
    const std::string request = request_text("GET", "/openapi.json");
    std::string many;
    for (int i = 0; i < 500; ++i) many += request;
    client.send(many, milliseconds(200));
    const auto give_up = std::chrono::steady_clock::now() + seconds(60);
    const auto is_held = [&] { return get(port(), "/metrics").body.contains("tidegate_http_timeouts_total 0"); };
    while (is_held() && std::chrono::steady_clock::now() < give_up) std::this_thread::sleep_for(milliseconds(50));
    EXPECT_FALSE(is_held()) << "the stalled client is still held";
}

TEST_F(BadInput, TwoThousandConnectionsOnSmallLimits) {
    // Long enough for all to have connected: nobody is to be told that its head is late.
    start({"--limits.connections_max", "200", "--limits.header_read_max_s", "300", "--limits.idle_max_s", "600"});
    std::vector<std::unique_ptr<RawClient>> clients;
    std::size_t refused = 0;
    for (int i = 0; i < 2000; ++i) {
        clients.push_back(std::make_unique<RawClient>(port()));
        if (!clients.back()->connected()) ++refused;
    }
    std::size_t served = 0;
    for (auto& client : clients) {
        if (!client->connected()) continue;
        client->send(request_text("GET", "/live"), milliseconds(200));
        const RawResponse response = client->response(false, milliseconds(500));
        served += response.status == 200 ? 1 : 0;
        refused += response.status == 503 || response.status == 0 ? 1 : 0;
    }
    EXPECT_LE(served, 200U);
    EXPECT_GE(served, 100U);
    EXPECT_EQ(served + refused, 2000U);
    clients.clear();
    // The server learns of the closed connections within its next rounds.
    const auto give_up = std::chrono::steady_clock::now() + seconds(60);
    while (get(port(), "/live").status != 200 && std::chrono::steady_clock::now() < give_up) {
        std::this_thread::sleep_for(milliseconds(50));
    }
}

TEST_F(BadInput, AClientThatLeavesCostsNothing) {
    start();
    for (int i = 0; i < 50; ++i) {
        RawClient client(port());
        client.send(request_text("POST", kDetect, text_body(kHumanText)));
        i % 2 == 0 ? client.reset() : client.close();
    }
    RawClient half(port());
    half.send("POST " + std::string(kDetect) + " HTTP/1.1\r\nHost: a\r\nContent-Length: 1000\r\n\r\nhalf");
    half.close();
}

}  // namespace
}  // namespace tidegate::testing
