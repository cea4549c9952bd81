// A log in a folder of its own, and Decisions to put into it.
#pragma once

#include <gtest/gtest.h>

#include <future>
#include <memory>
#include <string>
#include <vector>

#include "audit/decision_log.h"
#include "audit/sqlite_log.h"
#include "audit/views/history.h"
#include "audit/views/statistics.h"
#include "base/random.h"
#include "store/temporary_folder.h"

namespace tidegate::audit {

/// A Decision made at `time`; `n` makes it differ from others in every field.
inline Decision make_decision(UnixMillis time, Random& random, std::uint64_t n = 0) {
    static constexpr std::string_view kBands[] = {"human", "uncertain", "ai"};
    static constexpr std::string_view kOperations[] = {"detect/text", "detect/text", "detect/image"};
    const ManualClock clock(time);
    Decision decision;
    decision.id = make_uuid7(clock, random);
    decision.request_id = "request-" + std::to_string(n);
    decision.tenant = n % 5 == 0 ? "acme" : "";
    decision.actor = "key-" + std::to_string(n % 3);
    decision.service = "provenance";
    decision.operation = kOperations[n % 3];
    decision.input_hash = sha256(std::to_string(n));
    decision.input_size = n * 7;
    decision.model = "text_detector";
    decision.model_version = n % 4 == 0 ? "1.0.0" : "1.1.0";
    if (n % 11 == 10) {
        decision.status = Status::kError;
        decision.error = "unavailable: the model is gone";
    } else {
        decision.output = R"({"score":)" + std::to_string(n) + "}";
        decision.band = kBands[n % 7 % 3];
        decision.confidence = static_cast<double>(n % 101) / 100;
    }
    decision.latency_us = static_cast<std::int64_t>(100 + n * n % 9973);
    decision.stages = {{"parse", 3}, {"detect", static_cast<std::int64_t>(n)}};
    decision.cache = n % 6 == 0 ? CacheState::kHit : CacheState::kMiss;
    decision.spend_points = Points{100};  // A tenth: sums of it must stay exact.
    decision.tokens = static_cast<std::int64_t>(n % 50);
    if (n % 2 == 0) decision.trace_id = {1, 2, 3, static_cast<std::uint8_t>(n)};
    decision.tags = {{"language", "en"}, {"note", "a\"b\n"}};
    return decision;
}

class LogTest : public ::testing::Test {
  protected:
    static constexpr UnixMillis kStart = 1'772'366'400'000;  // 2026-03-01T12:00:00Z

    std::unique_ptr<DecisionLog> open(SqliteLogOptions options = {}) {
        options.path = path();
        auto log = open_sqlite_log(options, clock_);
        EXPECT_TRUE(log) << log.error().message;
        return log ? *std::move(log) : nullptr;
    }
    std::string path() const { return folder_.file("audit.db"); }
    std::shared_ptr<ReaderPool> readers(std::size_t connections = 2) {
        auto pool = ReaderPool::open({.path = path(), .connections = connections, .vfs = {}});
        EXPECT_TRUE(pool) << pool.error().message;
        return pool ? *std::move(pool) : nullptr;
    }
    Decision decision(std::uint64_t n) { return make_decision(clock_.unix_ms(), random_, n); }
    /// Appends and waits for the outcome.
    static Result<void> put(DecisionLog& log, std::vector<Decision> decisions) {
        std::promise<Result<void>> promise;
        auto outcome = promise.get_future();
        log.append_batch(std::move(decisions),
                         [&promise](Result<void> result) { promise.set_value(std::move(result)); });
        return outcome.get();
    }
    /// `count` decisions, `step` apart.
    std::vector<Decision> fill(DecisionLog& log, std::uint64_t count, Duration step) {
        std::vector<Decision> all;
        for (std::uint64_t n = 0; n < count; ++n) {
            all.push_back(decision(n));
            clock_.advance(step);
        }
        for (std::size_t at = 0; at < all.size(); at += 100) {
            const auto end = all.begin() + static_cast<std::ptrdiff_t>(std::min(all.size(), at + 100));
            EXPECT_TRUE(put(log, {all.begin() + static_cast<std::ptrdiff_t>(at), end}));
        }
        return all;
    }

    store::TemporaryFolder folder_;
    ManualClock clock_{kStart};
    SeededRandom random_{42};
};

}  // namespace tidegate::audit
