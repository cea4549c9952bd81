#include "pipeline/access_log.h"

#include <gtest/gtest.h>

#include <algorithm>

namespace tidegate::pipeline {
namespace {

AccessLine line() {
    return {.client = "127.0.0.1",
            .who = "key:abc",
            .ended_at = 971'186'136'999,
            .method = "GET",
            .target = "/apache_pb.gif?secret=1",
            .status = 200,
            .bytes = 2326,
            .referer = "http://www.example.com/start.html?token=2",
            .agent = "Mozilla/4.08 [en] (Win98; I ;Nav)"};
}

TEST(AccessLog, CombinedIsApaches) {
    EXPECT_EQ(access_line(line(), true),
              "127.0.0.1 - key:abc [10/Oct/2000:13:55:36 +0000] \"GET /apache_pb.gif HTTP/1.1\" 200 2326 "
              "\"http://www.example.com/start.html\" \"Mozilla/4.08 [en] (Win98; I ;Nav)\"\n");
}

TEST(AccessLog, CommonHasNoRefererAndNoAgent) {
    EXPECT_EQ(access_line(line(), false),
              "127.0.0.1 - key:abc [10/Oct/2000:13:55:36 +0000] \"GET /apache_pb.gif HTTP/1.1\" 200 2326\n");
}

TEST(AccessLog, WhatIsAbsentIsADash) {
    EXPECT_EQ(access_line({.client = "::1", .method = "PUT", .target = "/", .http_1_1 = false, .status = 499}, true),
              "::1 - - [01/Jan/1970:00:00:00 +0000] \"PUT / HTTP/1.0\" 499 - \"-\" \"-\"\n");
}

TEST(AccessLog, NobodyWritesASecondLineOrClosesAQuotation) {
    AccessLine sent = line();
    const std::string agent = "a\"b\\c\r\nd\x01\x7f\xc3\xa9 e";
    sent.agent = agent;
    sent.who = "two words";
    sent.target = "/\"\n";
    const std::string text = access_line(sent, true);
    EXPECT_EQ(std::ranges::count(text, '\n'), 1);
    EXPECT_TRUE(text.ends_with("\"a\\\"b\\\\c\\x0d\\x0ad\\x01\\x7f\\xc3\\xa9 e\"\n")) << text;
    EXPECT_NE(text.find("- two\\x20words ["), std::string::npos) << text;
    EXPECT_NE(text.find("\"GET /\\\"\\x0a HTTP/1.1\""), std::string::npos) << text;
}

TEST(AccessLog, ALongFieldIsCut) {
    AccessLine sent = line();
    const std::string agent(100'000, 'x');
    sent.agent = agent;
    EXPECT_LT(access_line(sent, true).size(), 2000U);
}

}  // namespace
}  // namespace tidegate::pipeline
