// Decisions from elsewhere through the real server: tenants, a broken connection, kill -9 in the middle, and what the verifier says.
#include <fmt/format.h>
#include <gmock/gmock.h>

#include <fstream>

#include "base/strings.h"
#include "system/client.h"

namespace tidegate::testing {
namespace {

using ::testing::HasSubstr;

std::string line(std::uint64_t n, std::string_view answer = "yes") {
    return fmt::format(
        R"({{"request_id":"call-{}","input":"question {}","source":"desk","model":"scorer","model_version":"3",)"
        R"("output":{{"answer":"{}"}},"confidence_scores":{{"yes":0.9,"no":0.1}},"processing_time_ms":4.5}})"
        "\n",
        n, n, answer);
}

class IngestSystem : public ::testing::Test {
  protected:
    void start(const std::vector<std::string>& arguments = {}) {
        server_ = ServerProcess::start(folder_.path(), arguments);
        ASSERT_NE(server_, nullptr);
    }
    void write_lines(const std::string& name, std::uint64_t from, std::uint64_t to) {
        std::ofstream file(folder_.path() + "/" + name, std::ios::binary);
        for (std::uint64_t n = from; n < to; ++n) file << line(n);
    }
    RunResult ingest(const std::string& name, std::vector<std::string> more = {}) {
        std::vector<std::string> words{"ingest", folder_.path() + "/" + name};
        words.insert(words.end(), more.begin(), more.end());
        return run_binary(words);
    }
    std::string url() const { return fmt::format("http://127.0.0.1:{}", server_->port()); }
    std::int64_t records(const HeaderList& headers = {}) const {
        const RawResponse health = get(server_->port(), "/health", headers);
        return parse_json(health.body).root().find("decisions")->find("size")->as_int();
    }
    std::string make_key(const std::vector<std::string>& more) {
        std::vector<std::string> words{"keys", "create", "--name", "k", "--json", "--data-dir", folder_.path()};
        words.insert(words.end(), more.begin(), more.end());
        const RunResult made = run_binary(words);
        EXPECT_EQ(made.status, 0) << made.error;
        return std::string(parse_json(made.out).root().find("key")->as_string());
    }
    void verify() {
        const RunResult verified = run_binary({"audit", "verify", folder_.path() + "/audit"});
        EXPECT_THAT(verified.out, HasSubstr("integrity: sound")) << verified.error;
    }

    TemporaryFolder folder_;
    std::unique_ptr<ServerProcess> server_;
};

TEST_F(IngestSystem, AKillInTheMiddleLosesNothingThatWasAcknowledgedAndTheRestIsSentAgain) {
    constexpr std::uint64_t kLines = 20'000;
    write_lines("all.ndjson", 0, kLines);
    start();
    std::uint64_t acknowledged = 0;
    {
        RawClient client(server_->port());
        ASSERT_TRUE(client.send(
            "POST /api/v1/decisions/batch HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/x-ndjson\r\n"
            "Transfer-Encoding: chunked\r\n\r\n"));
        std::string seen;
        for (std::uint64_t n = 0; n < kLines / 2; n += 100) {
            std::string piece;
            for (std::uint64_t i = n; i < n + 100; ++i) piece += line(i);
            ASSERT_TRUE(client.send(fmt::format("{:x}\r\n{}\r\n", piece.size(), piece)));
            // Some outcomes have come, others are on their way when the server dies.
            if (n == kLines / 4) {
                ASSERT_TRUE(client.wait_for(R"("outcome":"recorded")"));
            }
        }
        server_->kill_now();
        while (true) {
            const std::string more = client.receive();
            if (more.empty()) break;
            seen += more;
        }
        for (std::size_t at = seen.find("\"recorded\""); at != std::string::npos;
             at = seen.find("\"recorded\"", at + 1)) {
            ++acknowledged;
        }
    }
    ASSERT_GT(acknowledged, 0U);
    start();
    const auto survived = static_cast<std::uint64_t>(records());
    EXPECT_GE(survived, acknowledged);
    const RunResult sent = ingest("all.ndjson", {"--server", url(), "--connections", "2", "--batch", "1500"});
    EXPECT_EQ(sent.status, 0) << sent.error;
    EXPECT_EQ(sent.out, fmt::format("sent {} new {} duplicates {} conflicts 0 invalid 0 failed 0\n", kLines,
                                    kLines - survived, survived));
    EXPECT_EQ(records(), static_cast<std::int64_t>(kLines));
    EXPECT_EQ(server_->stop(SIGTERM, 60), 0);
    verify();
}

TEST_F(IngestSystem, AStreamIsAnsweredWhileItIsSentAndMemoryStaysBounded) {
    constexpr std::uint64_t kLines = 100'000;
    write_lines("all.ndjson", 0, kLines);
    start();
    // Warm: pools, views, segments.
    write_lines("some.ndjson", 0, 10'000);
    EXPECT_EQ(ingest("some.ndjson", {"--server", url()}).status, 0);
    const std::uint64_t before = server_->resident_bytes();
    const RunResult sent = ingest("all.ndjson", {"--server", url(), "--batch", "1000000"});
    EXPECT_EQ(sent.out, "sent 100000 new 90000 duplicates 10000 conflicts 0 invalid 0 failed 0\n") << sent.error;
    // 20 MB of lines have passed. What stays is what views keep of each record, and what the sanitizer holds back.
    RecordProperty("grown_bytes", std::to_string(server_->resident_bytes() - before));
    EXPECT_EQ(records(), static_cast<std::int64_t>(kLines));
}

TEST_F(IngestSystem, TenantsAndScopesAreTheKeys) {
    const std::string writer = make_key({"--tenant", "north", "--scope", "compliance:write"});
    const std::string south = make_key({"--tenant", "south", "--scope", "compliance:write"});
    const std::string reader = make_key({"--tenant", "north", "--scope", "compliance:read"});
    start({"--identity.required=always"});
    const auto ask = [&](const std::string& key, const std::string& body) {
        return post(server_->port(), "/api/v1/decisions", body, {{"Authorization", "Bearer " + key}});
    };
    const RawResponse first = ask(writer, line(1));
    ASSERT_EQ(first.status, 202) << first.body;
    EXPECT_THAT(ask(writer, line(1)).body, HasSubstr(R"("duplicate":true)"));
    expect_problem(ask(writer, line(1, "no")), 409, "conflict");
    const RawResponse other = ask(south, line(1, "no"));
    ASSERT_EQ(other.status, 202) << other.body;
    EXPECT_NE(other.body, first.body);
    expect_problem(ask(writer, R"({"request_id":"x","input":"i","tenant_id":"south"})"), 422, "validation_failed");
    expect_problem(ask(writer, R"({"request_id":"x","input":"i","verdict":1})"), 422, "validation_failed");
    expect_problem(ask(reader, line(2)), 403, "permission_denied");
    expect_problem(post(server_->port(), "/api/v1/decisions", line(2)), 401);
    write_lines("all.ndjson", 1, 101);
    const RunResult sent = ingest("all.ndjson", {"--server", url(), "--key", writer});
    EXPECT_EQ(sent.out, "sent 100 new 99 duplicates 1 conflicts 0 invalid 0 failed 0\n") << sent.error;
    EXPECT_EQ(ingest("all.ndjson", {"--server", url(), "--key", reader}).status, 1);
    // The requests themselves have left no decision of their own.
    EXPECT_EQ(server_->stop(SIGTERM, 60), 0);
    const RunResult verified = run_binary({"audit", "verify", folder_.path() + "/audit"});
    EXPECT_THAT(verified.out, HasSubstr("101 records")) << verified.out;
}

TEST_F(IngestSystem, WhatTheSenderDidNotSayIsNullEverywhereAndInNoMean) {
    start({"--privacy.input_hash=sha256"});
    const auto send = [&](int n, std::string_view more) {
        const std::string body = fmt::format(
            R"({{"request_id":"call-{}","input_hash":"{:064x}","source":"provenance","operation":"detect/text"{}}})", n,
            n, more);
        const RawResponse answer = post(server_->port(), "/api/v1/decisions", body);
        EXPECT_EQ(answer.status, 202) << answer.body;
    };
    const auto ask = [&](const std::string& path) { return get(server_->port(), path).body; };
    for (int n = 0; n < 3; ++n) send(n, "");
    const std::string none = ask("/api/compliance/statistics");
    EXPECT_THAT(none, HasSubstr(R"("total_requests":3,)"));
    EXPECT_THAT(none, HasSubstr(R"("avg_processing_time_ms":null,"latency":{"count":0,"p50":null,)"));
    EXPECT_THAT(none, HasSubstr(R"("total_tokens_used":null,"input_bytes":null)"));
    send(3, R"(,"processing_time_ms":100,"tokens_used":7,"input_size":11)");
    send(4, R"(,"processing_time_ms":300,"tokens_used":7,"input_size":11)");
    // Two of five said it: their mean, not a fifth of their sum.
    const json::Document sums = parse_json(ask("/api/compliance/statistics"));
    EXPECT_EQ(sums.root().find("total_requests")->as_int(), 5);
    EXPECT_DOUBLE_EQ(sums.root().find("avg_processing_time_ms")->as_double(), 200);
    EXPECT_EQ(sums.root().find("latency")->find("count")->as_int(), 2);
    EXPECT_NEAR(sums.root().find("latency")->find("p50")->as_double(), 100, 0.2);
    EXPECT_EQ(sums.root().find("total_tokens_used")->as_int(), 14);
    EXPECT_EQ(sums.root().find("input_bytes")->as_int(), 22);
    const json::Document stats = parse_json(ask("/api/v1/analyze/stats?days=1"));
    EXPECT_EQ(stats.root().find("latency_ms")->find("count")->as_int(), 2);
    // Newest first.
    const json::Document history = parse_json(ask("/api/v1/analyze/history"));
    const auto items = *history.root().find("items");
    ASSERT_EQ(items.size(), 5U);
    std::string shown;
    items.each([&](json::Value item) {
        for (const char* name : {"latency_ms", "input_size"}) {
            const auto member = item.find(name);
            shown += !member                               ? "absent "
                     : member->kind() == json::Kind::kNull ? "null "
                     : member->is_number()                 ? "number "
                                                           : "? ";
        }
    });
    EXPECT_EQ(shown, "number number number number null null null null null null ");
    EXPECT_THAT(ask("/api/v1/analyze/history/export?format=csv"), HasSubstr(fmt::format("{:064x},,\r\n", 0)));
    EXPECT_THAT(post(server_->port(), "/api/compliance/query", "{}").body, HasSubstr(R"("latency_ms":null)"));
    const RawResponse csv = post(server_->port(), "/api/compliance/export", R"({"format":"csv"})");
    EXPECT_THAT(csv.body, HasSubstr(fmt::format("{:064x},,,,0\r\n", 0)));
    EXPECT_THAT(csv.body, HasSubstr(fmt::format("{:064x},11,100,7,0\r\n", 3)));
    EXPECT_EQ(server_->stop(SIGTERM, 60), 0);
    verify();
    const RunResult tail = run_binary({"audit", "tail", folder_.path() + "/audit", "-n", "50"});
    EXPECT_THAT(tail.out, HasSubstr(R"("latency_ms":null)")) << tail.error;
}

TEST_F(IngestSystem, TheCommandWritesTheLogOfAStoppedServerAndLeavesARunningOneAlone) {
    write_lines("all.ndjson", 0, 500);
    const RunResult offline = ingest("all.ndjson", {"--data-dir", folder_.path()});
    EXPECT_EQ(offline.status, 0) << offline.error;
    EXPECT_EQ(offline.out, "sent 500 new 500 duplicates 0 conflicts 0 invalid 0 failed 0\n");
    start();
    EXPECT_EQ(records(), 500);
    EXPECT_EQ(ingest("all.ndjson", {"--data-dir", folder_.path()}).status, 1);
    std::ofstream(folder_.path() + "/mixed.ndjson") << line(1) << "{\n" << line(2, "no") << line(777);
    const RunResult mixed = ingest("mixed.ndjson", {"--server", url()});
    EXPECT_EQ(mixed.status, 1);
    EXPECT_EQ(mixed.out, "sent 4 new 1 duplicates 1 conflicts 1 invalid 1 failed 0\n");
    EXPECT_THAT(mixed.error, HasSubstr("line 3: "));
    EXPECT_EQ(ingest("nowhere.ndjson", {"--server", url()}).status, 2);
    EXPECT_EQ(ingest("all.ndjson", {"--server", url(), "--batch", "0"}).status, 2);
    EXPECT_EQ(server_->stop(SIGTERM, 60), 0);
    verify();
}

}  // namespace
}  // namespace tidegate::testing
