// Imports of any length: read while they come, in bounded memory, in whole commits however they end.
#include <chrono>
#include <fstream>

#include "base/strings.h"
#include "system/client.h"

namespace tidegate::testing {
namespace {

std::string head(std::string_view length, std::string_view type = "application/x-ndjson") {
    return "POST /api/contents HTTP/1.1\r\nHost: localhost\r\nContent-Type: " + std::string(type) + "\r\n" +
           std::string(length) + "\r\n\r\n";
}

std::string chunk(std::string_view bytes) {
    constexpr std::string_view kDigits = "0123456789abcdef";
    std::string size;
    for (std::size_t left = bytes.size(); left > 0; left /= 16) size.insert(0, 1, kDigits[left % 16]);
    return size + "\r\n" + std::string(bytes) + "\r\n";
}

std::string line(std::string_view kind, int number, std::size_t bytes = 0) {
    std::string body = "Passage " + std::to_string(number) + " of " + std::string(kind) + ".";
    while (body.size() < bytes) body += " The same words stand here over and over.";
    return "{\"content_id\":\"" + std::string(kind) + "-" + std::to_string(number) + "\",\"body\":\"" + body + "\"}\n";
}

class ContentImport : public ::testing::Test {
  protected:
    void start(std::vector<std::string> arguments = {}) {
        arguments.insert(arguments.end(), {"--content.space_dimensions", "0", "--log.level", "info"});
        server_ = ServerProcess::start(folder_.path(), arguments);
        ASSERT_NE(server_, nullptr);
    }
    std::int64_t total() const {
        const json::Document page = parse_json(get(server_->port(), "/api/contents?limit=1").body);
        return page.root().find("total")->as_int();
    }
    /// A line of the log with this event, waited for.
    std::string logged(std::string_view event) const {
        const auto give_up = std::chrono::steady_clock::now() + std::chrono::minutes(1);
        for (;;) {
            const std::string log = server_->log();
            for (const std::string_view one : split(log, '\n')) {
                if (one.find(event) != std::string_view::npos) return std::string(one);
            }
            if (std::chrono::steady_clock::now() > give_up) return {};
            rest(std::chrono::milliseconds(20));
        }
    }
    /// A figure of the server in /proc, in KiB: `VmHWM:` is the most memory that it has ever held.
    std::int64_t status_kib(std::string_view name) const {
        std::ifstream file("/proc/" + std::to_string(server_->pid()) + "/status");
        for (std::string one; std::getline(file, one);) {
            if (!one.starts_with(name)) continue;
            const std::string_view number = trim(std::string_view(one).substr(name.size()));
            return parse_i64(number.substr(0, number.find(' '))).value_or(0);
        }
        return 0;
    }
    static json::Document report_of(const RawResponse& answer) {
        EXPECT_EQ(answer.status, 200) << answer.body;
        return parse_json(answer.body);
    }
    static std::int64_t number(json::Value value, std::string_view name) {
        const auto found = value.find(name);
        return found && found->is_integer() ? found->as_int() : -1;
    }

    TemporaryFolder folder_;
    std::unique_ptr<ServerProcess> server_;
};

TEST_F(ContentImport, ChunksOfUnknownLengthAreTakenInWithTheirFaultsByLine) {
    start();
    RawClient client(server_->port());
    ASSERT_TRUE(client.send(head("Transfer-Encoding: chunked")));
    std::string text;
    for (int i = 1; i <= 1'200; ++i) text += i % 500 == 0 ? std::string("broken\n") : line("chunked", i);
    // Cut where it happens: in the middle of a line, of a word.
    for (std::size_t at = 0; at < text.size(); at += 7'001) {
        ASSERT_TRUE(client.send(chunk(std::string_view(text).substr(at, 7'001))));
    }
    ASSERT_TRUE(client.send("0\r\n\r\n"));
    const json::Document report = report_of(client.response());
    EXPECT_EQ(number(report.root(), "received"), 1'200);
    EXPECT_EQ(number(report.root(), "stored"), 1'198);
    EXPECT_EQ(number(report.root(), "failed"), 2);
    std::vector<std::int64_t> lines;
    each_in(report.root(), "errors", [&](json::Value one) { lines.push_back(number(one, "line")); });
    EXPECT_EQ(lines, (std::vector<std::int64_t>{500, 1'000}));
    EXPECT_EQ(total(), 1'198);
    // The same connection goes on.
    EXPECT_EQ(client.ask(request_text("GET", "/api/contents/chunked-7")).status, 200);
}

TEST_F(ContentImport, WhatCameIsStoredBeforeTheRestIsSent) {
    start();
    RawClient client(server_->port());
    ASSERT_TRUE(client.send(head("Transfer-Encoding: chunked")));
    std::string text;
    for (int i = 1; i <= 1'000; ++i) text += line("early", i, 600);
    ASSERT_TRUE(client.send(chunk(text)));  // Two commits, and more than two blocks.
    const auto give_up = std::chrono::steady_clock::now() + std::chrono::minutes(1);
    while (total() < 500 && std::chrono::steady_clock::now() < give_up) rest(std::chrono::milliseconds(20));
    EXPECT_GE(total(), 500);
    ASSERT_TRUE(client.send("0\r\n\r\n"));
    EXPECT_EQ(number(report_of(client.response()).root(), "stored"), 1'000);
}

TEST_F(ContentImport, AClientThatLeavesLeavesWholeCommitsAndALineInTheLog) {
    start();
    {
        RawClient client(server_->port());
        ASSERT_TRUE(client.send(head("Content-Length: 100000000")));
        std::string text;
        for (int i = 1; i <= 1'990; ++i) text += line("left", i, 600);
        ASSERT_TRUE(client.send(text + "{\"content_id\":\"left-torn\",\"bo"));
        // A last block of up to 256 KiB, some 400 lines, waits for its rest: the first three commits are in whatever the blocks' borders.
        const auto give_up = std::chrono::steady_clock::now() + std::chrono::minutes(1);
        while (total() < 1'500 && std::chrono::steady_clock::now() < give_up) rest(std::chrono::milliseconds(20));
        client.reset();
    }
    const std::string told = logged("content_import_cut");
    EXPECT_NE(told.find("\"stored\":1500"), std::string::npos) << told;
    EXPECT_NE(told.find("\"up_to_line\":1500"), std::string::npos) << told;
    EXPECT_EQ(total(), 1'500);
    EXPECT_EQ(get(server_->port(), "/api/contents/left-1501").status, 404);
    EXPECT_NE(get(server_->port(), "/metrics").body.find("tidegate_content_imports_cut_total 1"), std::string::npos);
    // Sent again it is whole.
    std::string text;
    for (int i = 1; i <= 1'990; ++i) text += line("left", i, 600);
    RawClient client(server_->port());
    const json::Document report =
        report_of(client.ask(request_text("POST", "/api/contents", text, {{"Content-Type", "application/x-ndjson"}})));
    EXPECT_EQ(number(report.root(), "unchanged"), 1'500);
    EXPECT_EQ(number(report.root(), "stored"), 490);
}

TEST_F(ContentImport, WhatIsTooLongIsRefusedAndTellsWhatIsStored) {
    start({"--content.import_bytes_max", "2097152"});
    const std::string_view far_too_long = "Content-Length: 3000000";
    RawClient told(server_->port());
    ASSERT_TRUE(told.send(head(far_too_long)));
    const RawResponse refused = told.response();
    expect_problem(refused, 413);
    EXPECT_NE(refused.body.find("Nothing of it was stored."), std::string::npos) << refused.body;
    RawClient untold(server_->port());
    ASSERT_TRUE(untold.send(head("Transfer-Encoding: chunked")));
    std::string text;
    for (int i = 1; i <= 4'000; ++i) text += line("long", i, 700);
    untold.send(chunk(text));  // It need not be taken to its end.
    const RawResponse cut = untold.response();
    ASSERT_EQ(cut.status, 413) << cut.body;
    const std::int64_t stored = total();
    EXPECT_GT(stored, 0);
    EXPECT_EQ(stored % 500, 0);
    EXPECT_NE(cut.body.find("Of it " + std::to_string(stored) + " were stored"), std::string::npos) << cut.body;
    // JSON that is no lines is held whole, whether its length is told or not.
    RawClient list(server_->port());
    ASSERT_TRUE(list.send(head("Transfer-Encoding: chunked", "application/json")));
    ASSERT_TRUE(list.send(chunk(R"([{"content_id":"of-a-list",)") + chunk(R"("body":"Words."}])") + "0\r\n\r\n"));
    EXPECT_EQ(number(report_of(list.response()).root(), "stored"), 1);
    RawClient huge(server_->port());
    ASSERT_TRUE(huge.send(head("Content-Length: 70000000", "application/json")));
    expect_problem(huge.response(), 413);
    RawClient packed(server_->port());
    ASSERT_TRUE(packed.send(head("Content-Length: 2000000\r\nContent-Encoding: gzip")));
    expect_problem(packed.response(), 415);
    RawClient broken(server_->port());
    ASSERT_TRUE(broken.send(head("Transfer-Encoding: chunked") + chunk(line("torn", 1)) + "zz\r\n"));
    const RawResponse wrong = broken.response();
    EXPECT_EQ(wrong.status, 400);
    EXPECT_NE(wrong.body.find("Nothing of it was stored."), std::string::npos) << wrong.body;
}

TEST_F(ContentImport, NoMoreAtATimeThanTheSettingsAllow) {
    start({"--content.imports_max", "1"});
    RawClient first(server_->port());
    ASSERT_TRUE(first.send(head("Transfer-Encoding: chunked\r\nExpect: 100-continue")));
    ASSERT_EQ(first.response().status, 100);  // It has its place.
    RawClient second(server_->port());
    ASSERT_TRUE(second.send(head("Transfer-Encoding: chunked")));
    const RawResponse refused = second.response();
    expect_problem(refused, 503);
    EXPECT_FALSE(refused.header("retry-after").empty());
    ASSERT_TRUE(first.send(chunk(line("first", 1)) + "0\r\n\r\n"));
    EXPECT_EQ(number(report_of(first.response()).root(), "stored"), 1);
}

TEST_F(ContentImport, AClientThatFallsSilentIsToldWhatIsStoredAndGivesItsPlaceBack) {
    start({"--content.imports_max", "1", "--content.import_silence_max_s",
           "6"});  // A busy machine falls silent for seconds.
    RawClient silent(server_->port());
    ASSERT_TRUE(silent.send(head("Transfer-Encoding: chunked")));
    std::string text;
    for (int i = 1; i <= 1'100; ++i) text += line("silent", i, 600);
    ASSERT_TRUE(silent.send(chunk(text)));  // Far above the mean rate for minutes.
    const RawResponse cut = silent.response(false, std::chrono::minutes(2));
    ASSERT_EQ(cut.status, 408) << cut.body;
    EXPECT_NE(cut.body.find("content.import_silence_max_s"), std::string::npos) << cut.body;
    const std::string stored = std::to_string(total());
    EXPECT_TRUE(stored == "500" || stored == "1000") << stored;
    EXPECT_NE(cut.body.find("Of it " + stored + " were stored"), std::string::npos) << cut.body;
    EXPECT_NE(logged("content_import_cut").find("\"up_to_line\":" + stored), std::string::npos);
    const auto give_up = std::chrono::steady_clock::now() + std::chrono::minutes(1);
    for (;;) {
        RawClient next(server_->port());
        ASSERT_TRUE(next.send(head("Transfer-Encoding: chunked") + chunk(line("next", 1)) + "0\r\n\r\n"));
        if (next.response().status == 200) break;
        ASSERT_LT(std::chrono::steady_clock::now(), give_up) << "the place is still held";
        rest(std::chrono::milliseconds(20));
    }
}

TEST_F(ContentImport, ALongBodyTakesNoMoreMemoryThanAShortOne) {
    start();
    // A sanitizer maps terabytes for its shadow, and keeps what was freed: what is held then says nothing.
    constexpr std::int64_t kTebibyte = std::int64_t{1} << 30;
    if (status_kib("VmSize:") > kTebibyte)
        GTEST_SKIP() << "memory is measured without sanitizers, on the release server";
    const auto send_megabytes = [&](std::string_view kind, int megabytes) {
        RawClient client(server_->port());
        ASSERT_TRUE(client.send(head("Transfer-Encoding: chunked")));
        // The same texts over and over: the index does not grow with them.
        std::string piece;
        for (int i = 0; i < 250; ++i) piece += line(kind, i, 4'000);
        const std::string bytes = chunk(piece);
        for (int sent = 0; sent < megabytes; ++sent) ASSERT_TRUE(client.send(bytes));
        ASSERT_TRUE(client.send("0\r\n\r\n"));
        const json::Document report = report_of(client.response(false, std::chrono::minutes(5)));
        EXPECT_EQ(number(report.root(), "received"), 250 * megabytes);
        EXPECT_EQ(number(report.root(), "content_ids_left_out"), std::max(0, 250 * megabytes - 10'000));
    };
    send_megabytes("memory", 8);
    const std::int64_t after_short = status_kib("VmHWM:");
    ASSERT_GT(after_short, 0);
    send_megabytes("memory", 200);
    const std::int64_t after_long = status_kib("VmHWM:");
    RecordProperty("peak_kib_after_8_mb", static_cast<int>(after_short));
    RecordProperty("peak_kib_after_200_mb", static_cast<int>(after_long));
    EXPECT_LT(after_long, after_short + 64 * 1024);
}

}  // namespace
}  // namespace tidegate::testing
