// A log in a folder of its own with columns and history over it, and the decisions that are in it.
#pragma once

#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "audit/segment_decision_log.h"
#include "audit/views/kinds.h"
#include "audit/views/live_feed.h"
#include "audit/views/live_statistics.h"
#include "audit/views/log_history.h"

namespace tidegate::audit {

inline constexpr UnixMillis kTestBegin = 1'772'366'400'000;

/// The n-th decision of every log of these tests: the same at each call, spread over tenants, services, times and outcomes. Times
/// go up and down against the order of the log, as clients' clocks do.
inline Decision decision_at(std::uint64_t n) {
    SeededRandom random(n + 1);
    const std::uint64_t pick = mix64(n);
    const ManualClock clock(kTestBegin + static_cast<UnixMillis>(n * 10 + pick % 4000));
    Decision d;
    d.id = make_uuid7(clock, random);
    d.request_id = "request-" + std::to_string(n / 3);
    d.tenant = pick % 3 == 0 ? "" : pick % 3 == 1 ? "north" : "south";
    d.actor = "key:" + std::to_string(pick / 3 % 7);
    d.service = pick / 21 % 2 == 0 ? "provenance" : "flood";
    d.operation = pick / 42 % 4 == 0 ? "detect/image" : "detect/text";
    d.input_hash = sha256(std::to_string(n % 100));
    d.model = pick / 168 % 2 == 0 ? "text_detector" : "other";
    d.model_version = pick / 336 % 4 == 0 ? "1.0.0" : "1.1.0";
    if (pick / 1344 % 11 == 0) {
        d.status = Status::kError;
        d.error = "unavailable: the model is gone";
    } else {
        d.output = R"({"n":)" + std::to_string(n) + "}";
        d.band = pick / 14784 % 2 == 0 ? "human" : "ai";
    }
    d.latency_us = static_cast<std::int64_t>(n % 1000);
    if (n % 50 == 49) {
        d.kind = RecordKind::kEvent;
        d.service = "compliance";
        d.operation = "access/query";
    }
    return d;
}

class TestLog {
  public:
    explicit TestLog(std::uint64_t segment_bytes = 4U * 1024 * 1024) : segment_bytes_(segment_bytes) {
        std::string name = (std::filesystem::temp_directory_path() / "tidegate-views-XXXXXX").string();
        path_ = ::mkdtemp(name.data());
    }
    ~TestLog() {
        close();
        std::filesystem::remove_all(path_);
    }
    TestLog(const TestLog&) = delete;
    TestLog& operator=(const TestLog&) = delete;

    void open(ColumnsOptions options = {}, bool with_statistics = false) {
        SegmentDecisionLogOptions log_options;
        log_options.segments.segment_bytes = segment_bytes_;
        log_options.segments.spares_ahead = 1;
        log = SegmentDecisionLog::open(folder("log"), log_options, clock_, random_).value();
        kinds = std::make_unique<Kinds>();
        columns = Columns::open(folder("columns"), options, log->reader(), log->segments().log_id(), *kinds).value();
        position_at_open = columns->position();
        feed = std::make_unique<LiveFeed>(log->reader().end_leaf(), LiveFeed::Options{});
        std::vector<Follower*> followers{columns.get(), feed.get()};
        if (with_statistics) {
            CubeOptions cube_options;
            cube_options.path = path_ + "/cube.db";
            cube_options.log_id = log->segments().log_id();
            cube_options.log_end = log->reader().end_leaf();
            cube = Cube::open(std::move(cube_options), *kinds, clock_).value();
            statistics = std::make_unique<LiveStatistics>(*cube);
            followers.push_back(cube.get());
        }
        ASSERT_TRUE(log->follow(std::move(followers)).has_value());
        history = std::make_unique<LogHistory>(log->reader(), *columns, log->segments().log_id());
    }
    void close() {
        history.reset();
        if (log) log->close();
        statistics.reset();
        cube.reset();
        feed.reset();
        columns.reset();  // Before the log: its thread looks at the reader.
        kinds.reset();
        log.reset();
    }
    /// Appends decision_at() up to `end` and waits until they are acknowledged.
    void fill(std::uint64_t end) {
        while (next_ < end) {
            std::vector<Decision> batch;
            for (; batch.size() < 1000 && next_ < end; ++next_) batch.push_back(decision_at(next_));
            append(std::move(batch));
        }
        log->flush();
    }
    void append(std::vector<Decision> batch) {
        log->append_batch(std::move(batch), [](Result<void> done) { EXPECT_TRUE(done.has_value()); });
        // The queue of the log is smaller than what a test may append at once.
        log->flush();
    }
    std::string columns_file(std::uint64_t number) const { return path_ + "/columns/" + chunk_name(number); }
    const std::string& path() const noexcept { return path_; }

    std::unique_ptr<SegmentDecisionLog> log;
    std::unique_ptr<Kinds> kinds;
    std::unique_ptr<Columns> columns;
    std::unique_ptr<LiveFeed> feed;
    std::unique_ptr<LogHistory> history;
    std::unique_ptr<Cube> cube;
    std::unique_ptr<LiveStatistics> statistics;
    std::uint64_t position_at_open = 0;

  private:
    std::unique_ptr<segments::LogFolder> folder(const std::string& name) const {
        return std::make_unique<segments::SystemLogFolder>(path_ + "/" + name, true, segments::Survives::kProcess);
    }
    const std::uint64_t segment_bytes_;
    std::string path_;
    SystemClock clock_;
    static inline std::uint64_t made_ = 0;  // Each log has an id of its own.
    SeededRandom random_{++made_};
    std::uint64_t next_ = 0;
};

/// What a filter must give of [begin, end), by looking at everything; oldest first.
inline std::vector<std::uint64_t> naive(const HistoryFilter& filter, std::uint64_t end, std::uint64_t begin = 0) {
    const auto same = [](const auto& wanted, const auto& have) { return !wanted || *wanted == have; };
    std::vector<std::uint64_t> found;
    for (std::uint64_t n = begin; n < end; ++n) {
        const Decision d = decision_at(n);
        if (d.kind != filter.kind || !same(filter.tenant, d.tenant) || !same(filter.service, d.service)) continue;
        if (!same(filter.operation, d.operation) || !same(filter.band, d.band)) continue;
        if (!same(filter.content_type, d.operation.substr(d.operation.find('/') + 1))) continue;
        if (!same(filter.status, d.status) || !same(filter.model, d.model) || !same(filter.actor, d.actor)) continue;
        if (!same(filter.model_version, d.model_version)) continue;
        if ((filter.from && d.time() < *filter.from) || (filter.to && d.time() >= *filter.to)) continue;
        found.push_back(n);
    }
    return found;
}

}  // namespace tidegate::audit
