#include "load/answer_scan.h"

#include <gtest/gtest.h>

#include <string>

namespace tidegate::load {
namespace {

using Status = AnswerScan::Status;

/// Fed whole, then in two pieces at every place, then byte by byte: the same outcome, or the test fails.
Status outcome(const std::string& bytes, int& status) {
    AnswerScan whole;
    const Status wanted = whole.feed(bytes);
    status = whole.status();
    for (std::size_t cut = 1; cut < bytes.size(); ++cut) {
        AnswerScan scan;
        Status got = scan.feed(std::string_view(bytes).substr(0, cut));
        if (got == Status::kDone) got = Status::kError;  // Something follows.
        if (got == Status::kNeedMore) got = scan.feed(std::string_view(bytes).substr(cut));
        EXPECT_EQ(got, wanted) << "cut at " << cut << " of " << bytes;
    }
    AnswerScan slow;
    Status last = Status::kNeedMore;
    for (const char c : bytes) {
        if (last == Status::kDone) last = Status::kError;
        if (last == Status::kNeedMore) last = slow.feed({&c, 1});
    }
    EXPECT_EQ(last, wanted) << bytes;
    return wanted;
}

void expect(Status wanted, int status, const std::string& bytes) {
    int got = 0;
    EXPECT_EQ(outcome(bytes, got), wanted) << bytes;
    if (wanted == Status::kDone) EXPECT_EQ(got, status) << bytes;
}

TEST(AnswerScan, FindsTheEndOfEveryKindOfAnswer) {
    expect(Status::kDone, 200, "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello");
    expect(Status::kDone, 200, "HTTP/1.1 200 OK\r\ncontent-length:  0 \r\n\r\n");
    expect(Status::kDone, 503, "HTTP/1.1 503 No\r\nContent-Type: a\r\nContent-Length: 1\r\nTraceparent: c\r\n\r\nx");
    expect(Status::kDone, 204, "HTTP/1.1 204 No Content\r\n\r\n");
    expect(Status::kDone, 304, "HTTP/1.1 304 Not Modified\r\nETag: \"a\"\r\n\r\n");
    expect(Status::kDone, 200, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n");
    expect(Status::kDone, 200, "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nx");
}

TEST(AnswerScan, WantsMoreWhereMoreIsMissing) {
    expect(Status::kNeedMore, 0, "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhell");
    expect(Status::kNeedMore, 0, "HTTP/1.1 200 OK\r\nContent-Le");
    expect(Status::kNeedMore, 0, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n");
    AnswerScan until_close;
    EXPECT_EQ(until_close.feed("HTTP/1.1 200 OK\r\n\r\nsome"), Status::kNeedMore);
    EXPECT_EQ(until_close.end_of_input(), Status::kDone);
    AnswerScan cut;
    EXPECT_EQ(cut.feed("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhe"), Status::kNeedMore);
    EXPECT_EQ(cut.end_of_input(), Status::kError);
}

TEST(AnswerScan, RefusesWhatCannotBeFramed) {
    expect(Status::kError, 0, "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello!");
    expect(Status::kError, 0, "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nx");
    expect(Status::kError, 0, "HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\n");
    expect(Status::kError, 0, "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\nx");
    expect(Status::kError, 0, "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\n");
    expect(Status::kError, 0, "ICY 200 OK and more\r\n\r\n");
    expect(Status::kError, 0, "HTTP/1.1 99 OK and more\r\n\r\n");
}

TEST(AnswerScan, ConnectionCloseAndOldVersionsEndTheConnection) {
    AnswerScan scan;
    EXPECT_EQ(scan.feed("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"), Status::kDone);
    EXPECT_TRUE(scan.keep_alive());
    scan.reset();
    EXPECT_EQ(scan.feed("HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"), Status::kDone);
    EXPECT_FALSE(scan.keep_alive());
    scan.reset();
    EXPECT_EQ(scan.feed("HTTP/1.0 200 OK\r\nContent-Length: 0\r\n\r\n"), Status::kDone);
    EXPECT_FALSE(scan.keep_alive());
}

TEST(AnswerScan, AHeadWithoutEndIsRefusedBeforeItFillsTheMemory) {
    AnswerScan scan;
    Status status = scan.feed("HTTP/1.1 200 OK\r\n");
    const std::string more(1000, 'x');
    int pieces = 0;
    while (status == Status::kNeedMore && pieces < 1000) {
        status = scan.feed(more);
        ++pieces;
    }
    EXPECT_EQ(status, Status::kError);
    EXPECT_LE(pieces, 70);
}

}  // namespace
}  // namespace tidegate::load
