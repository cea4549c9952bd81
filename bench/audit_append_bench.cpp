// What the decision log costs: CPU a record, latency of an acknowledgement, and the views at a million records.
//
// Use         audit_append_bench FOLDER [rows of the large log, default 1000000] > bench/results/audit_append.json
//             FOLDER must be on the disk that is to be measured; its files are removed.
#include <fmt/format.h>
#include <sys/resource.h>
#include <sys/utsname.h>
#include <time.h>

#include <algorithm>
#include <atomic>
#include <charconv>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <thread>

#include "audit/sqlite_log.h"
#include "audit/views/history.h"
#include "audit/views/statistics.h"
#include "base/hash.h"
#include "observe/log.h"
#include "observe/metrics.h"

namespace tidegate::audit {
namespace {

constexpr std::int64_t kHour = 3'600'000;

double thread_cpu_us() {
    timespec time{};
    ::clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
    return static_cast<double>(time.tv_sec) * 1e6 + static_cast<double>(time.tv_nsec) / 1e3;
}

double since_us(SteadyTime begin) {
    return static_cast<double>((std::chrono::steady_clock::now() - begin).count()) / 1000;
}

// As detect/text stores one: a summary of 400 bytes and four stages.
Decision make(const Clock& clock, Random& random, std::uint64_t n) {
    static constexpr std::string_view kBands[] = {"human", "human", "human", "uncertain", "ai"};
    Decision decision;
    decision.id = make_uuid7(clock, random);
    decision.request_id = to_string(decision.id);
    decision.service = "provenance";
    decision.operation = "detect/text";
    decision.input_hash = sha256(std::to_string(n));
    decision.input_size = 2'000;
    decision.model = "text_detector";
    decision.model_version = "1.0.0";
    // One in 5,000 is an image: the rare kind that a filter has to find.
    if (n % 5'000 == 4'999) decision.operation = "detect/image";
    decision.output = R"({"confidence":0.8125,"signals":")" + std::string(360, 's') + "\"}";
    decision.band = kBands[mix64(n) % 5];
    decision.confidence = static_cast<double>(mix64(n) % 1000) / 1000;
    decision.latency_us = static_cast<std::int64_t>(200 + mix64(n) % 3'000);
    decision.stages = {{"parse", 12}, {"features", 150}, {"score", 40}, {"render", 9}};
    decision.cache = CacheState::kMiss;
    decision.spend_points = Points::whole(1);
    return decision;
}

std::string machine() {
    utsname system{};
    ::uname(&system);
    std::ifstream cpuinfo("/proc/cpuinfo");
    std::string model = "unknown";
    for (std::string line; std::getline(cpuinfo, line);) {
        if (line.starts_with("model name")) {
            model = line.substr(line.find(':') + 2);
            break;
        }
    }
    std::string out;
    JsonWriter writer(out);
    writer.begin_object().field("cpu", model).field("cores", std::thread::hardware_concurrency());
    writer.field("kernel", std::string(system.release)).field("compiler", std::string(__VERSION__));
    double load = 0;
    // Other work on the machine shows in the 99th percentiles: say how much there was.
    if (::getloadavg(&load, 1) == 1) writer.field("load_average_before", load);
    writer.end_object();
    return out;
}

class Bench {
  public:
    explicit Bench(std::filesystem::path folder) : folder_(std::move(folder)) {}

    std::unique_ptr<DecisionLog> open(Durability durability) {
        auto log = open_sqlite_log({.path = path(), .durability = durability, .vfs = {}}, clock_);
        if (!log) {
            fmt::print(stderr, "{}\n", log.error().message);
            std::exit(1);
        }
        return *std::move(log);
    }
    std::string path() const { return (folder_ / "bench.db").string(); }
    void clean() const {
        for (const char* suffix : {"", "-wal", "-shm"}) std::filesystem::remove(path() + suffix);
    }

    // `outstanding` callers, each with one append in flight at a time.
    void closed_loop(JsonWriter& out, Durability durability, std::size_t outstanding, std::uint64_t rows) {
        clean();
        const auto log = open(durability);
        observe::Histogram latency(observe::HistogramSpec::latency());
        std::atomic<std::size_t> in_flight{0};
        double writer_cpu = 0;
        double writer_cpu_begin = -1;
        const double producer_cpu_begin = thread_cpu_us();
        const SteadyTime begin = std::chrono::steady_clock::now();
        for (std::uint64_t n = 0; n < rows; ++n) {
            Decision decision = make(clock_, random_, n);
            for (std::size_t seen = in_flight; seen >= outstanding; seen = in_flight) in_flight.wait(seen);
            ++in_flight;
            const SteadyTime asked = std::chrono::steady_clock::now();
            log->append(std::move(decision), [&, asked](Result<void>) {
                latency.record(std::chrono::steady_clock::now() - asked);
                writer_cpu = thread_cpu_us();
                if (writer_cpu_begin < 0) writer_cpu_begin = writer_cpu;
                --in_flight;
                in_flight.notify_one();
            });
        }
        log->flush();
        report(out, durability, *log, latency.snapshot(), rows, since_us(begin), writer_cpu - writer_cpu_begin,
               thread_cpu_us() - producer_cpu_begin, "outstanding", static_cast<double>(outstanding));
    }

    // Appends at a fixed rate, whatever the log does: a stall shows in the latency.
    void open_loop(JsonWriter& out, Durability durability, double rate, std::uint64_t rows) {
        clean();
        const auto log = open(durability);
        observe::Histogram latency(observe::HistogramSpec::latency());
        double writer_cpu = 0;
        double writer_cpu_begin = -1;
        const double producer_cpu_begin = thread_cpu_us();
        const SteadyTime begin = std::chrono::steady_clock::now();
        for (std::uint64_t n = 0; n < rows; ++n) {
            Decision decision = make(clock_, random_, n);
            const SteadyTime due = begin + Duration(static_cast<std::int64_t>(static_cast<double>(n) / rate * 1e9));
            std::this_thread::sleep_until(due);
            const SteadyTime asked = std::chrono::steady_clock::now();
            log->append(std::move(decision), [&, asked](Result<void>) {
                latency.record(std::chrono::steady_clock::now() - asked);
                writer_cpu = thread_cpu_us();
                if (writer_cpu_begin < 0) writer_cpu_begin = writer_cpu;
            });
        }
        log->flush();
        report(out, durability, *log, latency.snapshot(), rows, since_us(begin), writer_cpu - writer_cpu_begin,
               thread_cpu_us() - producer_cpu_begin, "rate_per_s", rate);
    }

    // What a request pays on its own thread for being counted and logged.
    void observing(JsonWriter& out) {
        constexpr int kTimes = 200'000;
        observe::Registry registry;
        auto& counter =
            registry.counter({.name = "a_total", .help = "A.", .labels = {}, .unit = {}, .when_it_rises = {}});
        observe::Histogram histogram(observe::HistogramSpec::latency());
        auto logger = observe::Logger::open({.path = (folder_ / "bench.log").string()}, clock_);
        if (!logger) std::exit(1);
        const std::string request_id = to_string(make_uuid7(clock_, random_));
        const auto time = [&](std::string_view name, int times, const auto& call) {
            const double cpu_begin = thread_cpu_us();
            for (int i = 0; i < times; ++i) call(i);
            out.field(name, (thread_cpu_us() - cpu_begin) * 1000 / times);
        };
        out.begin_object();
        time("counter_add_ns", 10 * kTimes, [&](int) { counter.add(); });
        time("histogram_record_ns", 10 * kTimes, [&](int i) { histogram.record(static_cast<std::uint64_t>(i) * 797); });
        time("access_log_line_ns", kTimes, [&](int i) {
            (*logger)
                ->line(observe::Level::kInfo, "request")
                .field("request_id", request_id)
                .field("method", "POST")
                .field("route", "/api/v1/detect/text")
                .field("status", 200)
                .field("bytes", i)
                .field("ms", 0.317)
                .field("cache", "MISS")
                .json("stages_ms", R"({"identity":0.001,"admission":0.002,"detect":0.301})");
            if (i % 5'000 == 0) (*logger)->flush();
        });
        const std::uint64_t dropped = (*logger)->dropped();
        logger->reset();
        std::filesystem::remove(folder_ / "bench.log");
        out.field("access_log_lines_dropped", dropped).end_object();
    }

    void views(JsonWriter& out, std::uint64_t rows) {
        clean();
        // Spread over 30 days, as a log of a month lies.
        ManualClock clock(clock_.unix_ms() / kHour * kHour - 30 * 24 * kHour);
        const UnixMillis begin = clock.unix_ms();
        const Duration step((30LL * 24 * kHour * 1'000'000) / static_cast<std::int64_t>(rows));
        {
            const auto log = open(Durability::kProcess);
            std::vector<Decision> batch;
            for (std::uint64_t n = 0; n < rows; ++n) {
                batch.push_back(make(clock, random_, n));
                clock.advance(step);
                if (batch.size() < 1'000 && n + 1 < rows) continue;
                log->append_batch(std::exchange(batch, {}), [](Result<void>) {});
                if (n % 10'000 == 9'999) log->flush();
            }
            log->flush();
        }
        const SteadyTime open_begin = std::chrono::steady_clock::now();
        const auto log = open(Durability::kProcess);
        out.begin_object().field("rows", rows).field("file_bytes", std::filesystem::file_size(path()));
        out.field("open_ms", since_us(open_begin) / 1000);
        while (log->health().integrity == Integrity::kChecking) {
            std::this_thread::sleep_for(std::chrono::milliseconds(1));
        }
        out.field("quick_check_in_background_ms", since_us(open_begin) / 1000);
        const auto pool = ReaderPool::open({.path = path(), .vfs = {}});
        const History history(*pool);
        const StatisticsView statistics(*pool);
        const auto time = [&](std::string_view name, const auto& call) {
            std::vector<double> took;
            for (int i = 0; i < 11; ++i) {
                const SteadyTime call_begin = std::chrono::steady_clock::now();
                if (!call()) std::exit(1);
                took.push_back(since_us(call_begin) / 1000);
            }
            std::ranges::sort(took);
            out.key(name).begin_object().field("median_ms", took[5]).field("max_ms", took[10]).end_object();
        };
        const UnixMillis middle = begin + 15 * 24 * kHour;
        const auto page = [&](const HistoryFilter& filter) {
            return history.page({.filter = filter, .limit = 50, .cursor = {}}).has_value();
        };
        time("history_newest_50", [&] { return page({}); });
        time("history_band_ai_50", [&] { return page({.band = "ai"}); });
        time("history_rare_kind_50", [&] { return page({.content_type = "image", .band = "ai"}); });
        time("history_middle_of_the_month_50", [&] { return page({.to = middle}); });
        time("history_no_match", [&] { return page({.band = "none"}); });
        const auto window = [&](int days) {
            return statistics
                .read({.from = clock.unix_ms() - days * 24 * kHour, .to = clock.unix_ms(), .tenant = {}, .service = {}})
                .has_value();
        };
        time("statistics_1_day", [&] { return window(1); });
        time("statistics_7_days", [&] { return window(7); });
        time("statistics_30_days", [&] { return window(30); });
        out.end_object();
        clean();
    }

  private:
    void report(JsonWriter& out, Durability durability, DecisionLog& log, const observe::HistogramSnapshot& latency,
                std::uint64_t rows, double wall_us, double writer_us, double producer_us, std::string_view what,
                double value) {
        const auto count = static_cast<double>(rows);
        const LogHealth health = log.health();
        out.begin_object().field("durability", durability == Durability::kDisk ? "disk" : "process").field(what, value);
        out.field("rows", rows).field("acknowledged", health.appended).field("rows_per_s", count / wall_us * 1e6);
        out.field("rows_per_commit", count / static_cast<double>(health.commits));
        out.field("writer_cpu_us_per_row", writer_us / count).field("producer_cpu_us_per_row", producer_us / count);
        out.field("ack_p50_us", latency.quantile(.5) / 1000).field("ack_p99_us", latency.quantile(.99) / 1000);
        out.field("ack_max_us", static_cast<double>(latency.max) / 1000).end_object();
    }

    SystemClock clock_;
    SystemRandom random_;
    std::filesystem::path folder_;
};

}  // namespace

int run(const char* folder, std::uint64_t view_rows) {
    std::string json;
    JsonWriter out(json);
    Bench bench(folder);
    out.begin_object().field("date", format_rfc3339(SystemClock().unix_ms())).key("machine").raw(machine());
    out.key("closed_loop").begin_array();
    for (const Durability durability : {Durability::kProcess, Durability::kDisk}) {
        for (const std::size_t outstanding : {1U, 8U, 64U, 1'000U}) {
            bench.closed_loop(out, durability, outstanding,
                              outstanding == 1   ? 5'000
                              : outstanding == 8 ? 20'000
                                                 : 100'000);
        }
    }
    out.end_array().key("open_loop").begin_array();
    for (const Durability durability : {Durability::kProcess, Durability::kDisk})
        bench.open_loop(out, durability, 3'000, 9'000);
    out.end_array().key("observe");
    bench.observing(out);
    out.key("views");
    bench.views(out, view_rows);
    out.end_object();
    fmt::print("{}\n", json);
    return 0;
}

}  // namespace tidegate::audit

int main(int argc, char** argv) {
    if (argc < 2) {
        fmt::print(stderr, "usage: audit_append_bench FOLDER [ROWS]\n");
        return 2;
    }
    const std::string_view rows = argc > 2 ? argv[2] : "1000000";
    std::uint64_t count = 0;
    std::from_chars(rows.data(), rows.data() + rows.size(), count);
    return tidegate::audit::run(argv[1], std::max<std::uint64_t>(count, 1'000));
}
