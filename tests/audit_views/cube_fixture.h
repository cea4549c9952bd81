// Records made at random, a scan that counts them the plain way, and a cube to compare with it.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "audit/views/cube.h"
#include "audit/views/live_statistics.h"
#include "base/hash.h"
#include "store/temporary_folder.h"

namespace tidegate::audit {

inline constexpr UnixMillis kTestNow = 1'772'366'400'000;  // 2026-03-01T12:00:00Z
inline constexpr UnixMillis kTestDay = 86'400'000;

using RecordView = segments::RecordView;

inline void set_time(Uuid& id, UnixMillis time) {
    for (std::size_t i = 0; i < 6; ++i) {
        id.bytes[i] = static_cast<std::uint8_t>(static_cast<std::uint64_t>(time) >> (40 - 8 * i));
    }
}

/// A third of the records are of the last minutes, a third of the last day, a third of 60 days before; in no order.
inline RecordView random_record(std::uint64_t n, std::uint64_t seed = 0) {
    static constexpr std::array<std::string_view, 4> kTenants{"", "north", "south", "nort"};
    static constexpr std::array<std::string_view, 2> kServices{"provenance", "flood"};
    static constexpr std::array<std::string_view, 3> kOperations{"detect/text", "detect/image", "predict"};
    static constexpr std::array<std::string_view, 3> kBands{"human", "uncertain", "ai"};
    std::uint64_t state = mix64(n * 1'000'003 + seed);
    const auto draw = [&state](std::uint64_t bound) { return (state = mix64(state + 1)) % bound; };
    RecordView out;
    const std::array<UnixMillis, 3> back{10 * 60'000, kTestDay, 60 * kTestDay};
    set_time(out.id, kTestNow - static_cast<UnixMillis>(draw(static_cast<std::uint64_t>(back[draw(3)]))));
    out.kind = draw(20) == 0 ? RecordKind::kEvent : RecordKind::kDecision;
    out.status = static_cast<Status>(draw(5));
    out.cache = static_cast<CacheState>(draw(4));
    out.tenant = kTenants[draw(4)];
    out.service = kServices[draw(2)];
    out.operation = kOperations[draw(3)];
    out.model = draw(2) == 0 ? "detector" : "";
    out.model_version = draw(2) == 0 ? "1.0" : "1.1";
    if (out.status == Status::kSuccess) {
        out.band = kBands[draw(3)];
        out.confidence = static_cast<double>(draw(1'000'000'000)) / 1e9;
    }
    out.latency_us = static_cast<std::int64_t>(draw(std::uint64_t{1} << draw(30)));
    out.spend_milli = static_cast<std::int64_t>(draw(3) * 100);
    out.tokens = static_cast<std::int64_t>(draw(5'000));
    out.input_size = draw(100'000);
    // Other streams of draws: what is drawn above stays as it is.
    const std::uint64_t unstated = mix64(state + 2);
    if (unstated % 5 == 0) out.latency_us = 0, out.latency_stated = false;
    if (unstated / 5 % 5 == 0) out.input_size = 0, out.input_size_stated = false;
    if (unstated / 25 % 5 == 0) out.tokens = 0, out.tokens_stated = false;
    return out;
}

inline std::vector<RecordView> random_records(std::uint64_t count, std::uint64_t seed = 0) {
    std::vector<RecordView> out;
    for (std::uint64_t n = 0; n < count; ++n) out.push_back(random_record(n, seed));
    return out;
}

/// Counted from the records themselves.
struct Naive {
    std::uint64_t total = 0, events = 0, confidences = 0, confidence_micro = 0, errors = 0;
    std::optional<std::uint64_t> tokens, input_bytes;
    std::int64_t spend = 0;
    std::map<std::string, std::uint64_t> status, band, service, operation, content_type, model, version, cache;
    std::vector<std::uint64_t> latencies;

    void add(const RecordView& r) {
        if (r.kind == RecordKind::kEvent) {
            ++events;
            return;
        }
        const auto count = [](std::map<std::string, std::uint64_t>& in, std::string_view name) {
            if (!name.empty()) ++in[std::string(name)];
        };
        ++total;
        if (r.status != Status::kSuccess) ++errors;
        count(status, to_string(r.status));
        count(band, r.band);
        count(service, r.service);
        count(operation, r.operation);
        count(content_type, content_type_of(r.operation));
        count(model, r.model);
        count(version, r.model_version);
        count(cache, to_string(r.cache));
        if (r.confidence) {
            ++confidences;
            confidence_micro += static_cast<std::uint64_t>(std::llround(*r.confidence * 1e6));
        }
        if (r.latency_stated) latencies.push_back(static_cast<std::uint64_t>(r.latency_us));
        if (r.tokens_stated) tokens = tokens.value_or(0) + static_cast<std::uint64_t>(r.tokens);
        spend += r.spend_milli;
        if (r.input_size_stated) input_bytes = input_bytes.value_or(0) + r.input_size;
    }
};

inline bool is_asked(const RecordView& r, const StatisticsQuery& query) {
    const auto is = [](const std::optional<std::string>& wanted, std::string_view name) {
        return !wanted || *wanted == name;
    };
    return is(query.tenant, r.tenant) && is(query.service, r.service) && is(query.model, r.model) &&
           is(query.operation, r.operation);
}

inline std::map<std::string, std::uint64_t> as_map(const std::vector<Count>& counts) {
    std::map<std::string, std::uint64_t> out;
    for (const Count& count : counts) out[count.name] = count.count;
    return out;
}

inline void expect_latency(const LatencySummary& got, std::vector<std::uint64_t> exact) {
    EXPECT_EQ(got.count, exact.size());
    if (exact.empty()) return;
    std::ranges::sort(exact);
    double sum = 0;
    for (const std::uint64_t us : exact) sum += static_cast<double>(us);
    EXPECT_NEAR(got.mean_ms, sum / static_cast<double>(exact.size()) / 1000, got.mean_ms * 1e-12);
    EXPECT_DOUBLE_EQ(got.max_ms, static_cast<double>(exact.back()) / 1000);
    const auto near = [&](double ms, double q) {
        const auto rank = static_cast<std::size_t>(std::ceil(q * static_cast<double>(exact.size())));
        const double right = static_cast<double>(exact[std::max<std::size_t>(rank, 1) - 1]) / 1000;
        EXPECT_NEAR(ms, right, right / 512) << q;
    };
    near(got.p50_ms, .5);
    near(got.p90_ms, .9);
    near(got.p95_ms, .95);
    near(got.p99_ms, .99);
    near(got.p999_ms, .999);
}

/// Every figure of `got` against a scan of `records` over the window that it says.
inline void expect_scan(const Statistics& got, const std::vector<RecordView>& records, const StatisticsQuery& query) {
    Naive all;
    std::map<UnixMillis, Naive> days;
    for (const RecordView& record : records) {
        const UnixMillis time = unix_ms_of(record.id);
        if (time < got.from || time >= got.to || !is_asked(record, query)) continue;
        all.add(record);
        days[time - time % kTestDay].add(record);
    }
    if (all.total == 0) all.tokens = all.input_bytes = 0;  // The sum of nothing; with decisions, nothing is no sum.
    EXPECT_EQ(got.total, all.total);
    EXPECT_EQ(got.events, all.events);
    EXPECT_EQ(as_map(got.by_status), all.status);
    EXPECT_EQ(as_map(got.by_band), all.band);
    EXPECT_EQ(as_map(got.by_service), all.service);
    EXPECT_EQ(as_map(got.by_operation), all.operation);
    EXPECT_EQ(as_map(got.by_content_type), all.content_type);
    EXPECT_EQ(as_map(got.by_model), all.model);
    EXPECT_EQ(as_map(got.by_model_version), all.version);
    EXPECT_EQ(as_map(got.by_cache), all.cache);
    EXPECT_EQ(got.tokens, all.tokens);
    EXPECT_EQ(got.spend_points, Points{all.spend});
    EXPECT_EQ(got.input_bytes, all.input_bytes);
    EXPECT_EQ(got.confidence_mean.has_value(), all.confidences > 0);
    if (got.confidence_mean) {
        EXPECT_DOUBLE_EQ(*got.confidence_mean,
                         static_cast<double>(all.confidence_micro) / 1e6 / static_cast<double>(all.confidences));
    }
    expect_latency(got.latency, all.latencies);
    if (!query.timeline) {
        EXPECT_TRUE(got.timeline.empty());
    }
    for (const DayCount& day : got.timeline) {
        EXPECT_EQ(day.total, days[day.day].total);
        EXPECT_EQ(day.errors, days[day.day].errors);
        EXPECT_EQ(as_map(day.by_band), days[day.day].band);
    }
}

inline constexpr UnixMillis kFar = kTestNow * 2;

inline std::vector<StatisticsQuery> cube_queries() {
    const std::optional<std::string> none;
    std::vector<StatisticsQuery> out{
        {.from = 0, .to = kFar},
        {.from = kTestNow - 5 * 60'000, .to = kTestNow + 1},
        {.from = kTestNow - kTestDay, .to = kTestNow},
        {.from = kTestNow - 30 * kTestDay - 12'345'678, .to = kTestNow - 3 * kTestDay + 999},
        {.from = kTestNow - 7'200'000, .to = kTestNow - 7'199'999},
        {.from = kTestNow - 390 * kTestDay, .to = kTestNow + kTestDay}};
    for (std::size_t i = 0, count = out.size(); i < count; ++i) {
        StatisticsQuery query = out[i];
        for (const char* tenant : {"north", "nort", "", "nowhere"}) {
            query.tenant = tenant;
            out.push_back(query);
        }
        query.tenant = "south";
        query.service = "flood";
        out.push_back(query);
        query.model = "detector";
        query.operation = "predict";
        query.timeline = false;
        out.push_back(query);
    }
    return out;
}

inline void expect_all(const Cube& cube, const std::vector<RecordView>& records) {
    for (const StatisticsQuery& query : cube_queries()) {
        SCOPED_TRACE(std::to_string(query.from) + ".." + std::to_string(query.to) + " " +
                     query.tenant.value_or("any tenant"));
        const auto got = LiveStatistics(cube).read(query);
        ASSERT_TRUE(got) << got.error().message;
        expect_scan(*got, records, query);
    }
}

class CubeTest : public ::testing::Test {
  protected:
    static CubeOptions options() {
        CubeOptions out;
        out.log_id.fill(7);
        out.log_end = 1'000'000'000;
        out.save_interval = std::chrono::hours(1);  // Only when told to.
        out.wait_max = std::chrono::milliseconds(200);
        return out;
    }
    /// So little memory that almost every period is in the file only.
    static CubeOptions small() {
        CubeOptions out = options();
        out.budgets = {.minutes = 4'000, .hours = 4'000, .days = 4'000};
        return out;
    }
    std::unique_ptr<Cube> open(CubeOptions options, const std::string& name = "cube.db") {
        options.path = folder_.file(name);
        auto cube = Cube::open(std::move(options), kinds_, clock_);
        EXPECT_TRUE(cube) << cube.error().message;
        return cube ? *std::move(cube) : nullptr;
    }
    /// Records [cube.position(), end) in runs of at most `run`.
    static Result<void> feed(Cube& cube, const std::vector<RecordView>& records, std::size_t end, std::size_t run) {
        const std::vector<Sha256> leaves(run);
        while (cube.position() < end) {
            const std::size_t at = cube.position();
            const std::size_t count = std::min(run, end - at);
            TG_CHECK(cube.follow({at, std::span(records).subspan(at, count), std::span(leaves).first(count)}));
        }
        return {};
    }
    static Statistics read(const Cube& cube, const StatisticsQuery& query) {
        const auto out = LiveStatistics(cube).read(query);
        EXPECT_TRUE(out) << out.error().message;
        return out.value_or(Statistics{});
    }
    /// Rows of minutes in the file that are older than two days.
    std::int64_t old_minutes() {
        auto database = store::Database::open({.path = folder_.file("cube.db")});
        EXPECT_TRUE(database);
        auto count = database->integer("SELECT count(*) FROM cube_cells WHERE level=0 AND start<" +
                                       std::to_string(kTestNow / 60'000 - 2 * 1'440));
        EXPECT_TRUE(count);
        return count.value_or(-1);
    }
    /// All that a cube says, as text.
    static std::string say(const Cube& cube) {
        std::string out;
        JsonWriter writer(out);
        writer.begin_array();
        for (const UnixMillis back : {9 * 60'000L, 25 * 3'600'000L, 70 * kTestDay}) {
            append_compliance_json(writer, read(cube, {.from = kTestNow - back, .to = kTestNow + 1}));
        }
        append_compliance_json(writer, read(cube, {.from = 0, .to = kTestNow * 2}));
        append_compliance_json(writer, read(cube, {.from = 0, .to = kTestNow * 2, .tenant = "north"}));
        writer.end_array();
        return out;
    }

    store::TemporaryFolder folder_;
    ManualClock clock_{kTestNow};
    Kinds kinds_;
};

}  // namespace tidegate::audit
