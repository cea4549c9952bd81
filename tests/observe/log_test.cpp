#include "observe/log.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <sstream>

#include "base/json.h"

namespace tidegate::observe {
namespace {

using ::testing::HasSubstr;

class LogTest : public ::testing::Test {
  protected:
    void SetUp() override {
        std::string pattern = ::testing::TempDir() + "tidegate_log_XXXXXX";
        ASSERT_NE(::mkdtemp(pattern.data()), nullptr);
        folder_ = pattern;
        path_ = folder_ / "log";
    }
    void TearDown() override { std::filesystem::remove_all(folder_); }
    std::unique_ptr<Logger> open(LogOptions options = {}) {
        options.path = path_.string();
        auto logger = Logger::open(options, clock_);
        EXPECT_TRUE(logger) << logger.error().message;
        return *std::move(logger);
    }
    std::vector<std::string> lines() const {
        std::ifstream file(path_);
        std::vector<std::string> out;
        for (std::string line; std::getline(file, line);) out.push_back(line);
        return out;
    }
    ManualClock clock_{1'772'366'400'042};
    std::filesystem::path folder_;
    std::filesystem::path path_;
};

TEST_F(LogTest, ALineIsOneJsonObjectWithItsFields) {
    auto logger = open();
    logger->line(Level::kInfo, "request")
        .field("status", 200)
        .field("ms", 1.5)
        .field("route", "/a\n\"b\"")
        .field("hit", true);
    clock_.advance(std::chrono::milliseconds(958));
    logger->line(Level::kInfo, "next").json("stages", "{\"a\":1}");
    logger->flush();
    EXPECT_EQ(
        lines(),
        (std::vector<std::string>{
            R"({"time":"2026-03-01T12:00:00.042Z","level":"info","event":"request","status":200,"ms":1.5,"route":"/a\n\"b\"","hit":true})",
            R"({"time":"2026-03-01T12:00:01.000Z","level":"info","event":"next","stages":{"a":1}})"}));
}

TEST_F(LogTest, LinesBelowTheLevelAreNotWritten) {
    auto logger = open({.level = Level::kWarn, .path = {}});
    logger->line(Level::kInfo, "quiet").field("a", 1);
    logger->line(Level::kError, "loud");
    logger->set_level(Level::kOff);
    logger->line(Level::kError, "off");
    logger->flush();
    ASSERT_EQ(lines().size(), 1U);
    EXPECT_THAT(lines()[0], HasSubstr("loud"));
}

TEST_F(LogTest, ALineInsideALineIsItsOwn) {
    auto logger = open();
    {
        auto outer = logger->line(Level::kInfo, "outer");
        outer.field("a", 1);
        logger->line(Level::kInfo, "inner").field("b", 2);
        outer.field("c", 3);
    }
    logger->flush();
    ASSERT_EQ(lines().size(), 2U);
    EXPECT_THAT(lines()[0], HasSubstr(R"("event":"inner","b":2})"));
    EXPECT_THAT(lines()[1], HasSubstr(R"("event":"outer","a":1,"c":3})"));
}

TEST_F(LogTest, LinesOfManyThreadsStayWholeAndInTheirOrder) {
    auto logger = open();
    std::vector<std::thread> threads;
    for (int t = 0; t < 6; ++t) {
        threads.emplace_back([&logger, t] {
            for (int i = 0; i < 500; ++i) logger->line(Level::kInfo, "tick").field("thread", t).field("i", i);
        });
    }
    for (auto& thread : threads) thread.join();
    logger.reset();  // Ending writes what is left.
    std::vector<int> next(6, 0);
    for (const std::string& line : lines()) {
        const auto document = json::parse(line);
        ASSERT_TRUE(document) << line;
        const auto thread = static_cast<std::size_t>(document->root().find("thread")->as_int());
        EXPECT_EQ(document->root().find("i")->as_int(), next[thread]++);
    }
    EXPECT_EQ(next, std::vector<int>(6, 500));
}

TEST_F(LogTest, WhatDoesNotFitIsDroppedCountedAndTold) {
    // A pipe that nobody reads: the writer stalls, the buffer fills, the caller goes on.
    ASSERT_EQ(::mkfifo(path_.c_str(), 0600), 0);
    const int reader = ::open(path_.c_str(), O_RDONLY | O_NONBLOCK);
    ASSERT_GE(reader, 0);
    auto logger = open({.path = {}, .buffer_bytes_max = 64 * 1024});
    const std::string filler(1000, 'x');
    for (int i = 0; i < 2'000; ++i) logger->line(Level::kInfo, "flood").field("filler", filler);
    EXPECT_GT(logger->dropped(), 0U);
    std::string all;
    std::atomic<bool> stop{false};
    std::thread drain([&] {
        char buffer[65536];
        for (;;) {
            const bool last = stop.load();
            const ssize_t got = ::read(reader, buffer, sizeof buffer);
            if (got > 0) {
                all.append(buffer, static_cast<std::size_t>(got));
            } else if (last) {
                return;
            } else {
                std::this_thread::sleep_for(std::chrono::milliseconds(1));
            }
        }
    });
    logger->flush();
    logger->line(Level::kInfo, "after");
    logger->flush();
    const std::uint64_t dropped = logger->dropped();
    stop = true;
    drain.join();
    ::close(reader);
    // Every line is either in the output or in a reported count.
    std::uint64_t told = 0;
    std::uint64_t written = 0;
    std::istringstream stream(all);
    for (std::string line; std::getline(stream, line);) {
        const auto document = json::parse(line);
        if (!document) continue;  // The one line that a stall tore.
        const auto event = document->root().find("event")->as_string();
        if (event == "flood") ++written;
        if (event == "log_lines_dropped") told += static_cast<std::uint64_t>(document->root().find("count")->as_int());
    }
    EXPECT_EQ(told, dropped);
    EXPECT_EQ(written + dropped, 2'000U);
    EXPECT_THAT(all, HasSubstr("\"event\":\"after\""));
}

TEST_F(LogTest, ReopenGoesOnInANewFile) {
    auto logger = open();
    logger->line(Level::kInfo, "before");
    logger->flush();
    std::filesystem::rename(path_, folder_ / "old");
    logger->reopen();
    logger->line(Level::kInfo, "after");
    logger->flush();
    ASSERT_EQ(lines().size(), 1U);
    EXPECT_THAT(lines()[0], HasSubstr("after"));
}

TEST_F(LogTest, AFileThatCannotBeOpenedIsAnError) {
    const auto logger = Logger::open({.path = "/nonexistent/folder/log"}, clock_);
    ASSERT_FALSE(logger);
    EXPECT_EQ(logger.error().code, ErrorCode::kUnavailable);
}

TEST(Level, NamesReadBack) {
    for (const Level level : {Level::kDebug, Level::kInfo, Level::kWarn, Level::kError, Level::kOff}) {
        EXPECT_EQ(parse_level(to_string(level)).value(), level);
    }
    EXPECT_FALSE(parse_level("INFO"));
}

}  // namespace
}  // namespace tidegate::observe
