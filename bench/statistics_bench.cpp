// What the exact statistics cost: ns for each followed record, and how long a read takes over many counted decisions.
//
// Use         statistics_bench [decisions, default 100000000] [kinds ...; default 1 20 200]. A cube of each number of kinds is fed with
//             made records in the order of time over 30 days, its file in the system's temporary directory; then windows are read.
// Load        Traffic in every minute of the first 2 hours and the last 26, so that the edges of the windows are full; between them
//             in every 30th. Latencies log-normal about 20 ms (sigma 0.8). SPEND_LOG_ROWS (default 1000000) records are appended to
//             a segment log for the scan of the day's spend; 0 leaves it out.
#include <fmt/format.h>
#include <time.h>

#include <algorithm>
#include <atomic>
#include <cmath>
#include <cstdlib>
#include <filesystem>
#include <random>
#include <vector>

#include "audit/segments/segment_log.h"
#include "audit/views/cube.h"
#include "audit/views/live_statistics.h"
#include "audit/views/spend_scan.h"
#include "base/hash.h"
#include "base/strings.h"

namespace tidegate::audit {
namespace {

constexpr Minute kBegin = 1'772'366'400'000 / kMsPerMinute;
constexpr Minute kDays = 30;
constexpr Minute kEnd = kBegin + kDays * kDayMinutes + 17;  // No whole hour: the windows have edges of minutes.
constexpr std::size_t kBatch = 4'096;

double seconds(clockid_t clock) {
    timespec now{};
    ::clock_gettime(clock, &now);
    return static_cast<double>(now.tv_sec) + static_cast<double>(now.tv_nsec) / 1e9;
}

class Records {
  public:
    explicit Records(std::uint32_t kinds) {
        std::mt19937_64 random(kinds);
        std::lognormal_distribution<double> latency(std::log(20'000.0), 0.8);
        for (std::uint32_t k = 0; k < kinds; ++k) names_.push_back("tenant-" + std::to_string(k));
        for (std::int64_t& us : latencies_) us = static_cast<std::int64_t>(latency(random));
        for (segments::RecordView& view : views_) {
            view.tenant = names_[random() % kinds];
            view.service = "provenance";
            view.operation = "detect/text";
            view.model = "text_detector";
            view.model_version = "1.0.0";
            view.band = "human";
            view.confidence = static_cast<double>(random() % 1'000) / 1e3;
            view.spend_milli = 100;
            view.tokens = 500;
            view.input_size = 2'000;
        }
    }
    /// All of them in that minute, each with a latency of its own.
    void next(Minute minute) {
        for (std::size_t n = 0; n < kBatch; ++n) {
            views_[n].latency_us = latencies_[next_latency_++ % latencies_.size()];
            const auto ms = static_cast<std::uint64_t>(minute * kMsPerMinute) + n;
            for (std::size_t i = 0; i < 6; ++i) {
                views_[n].id.bytes[i] = static_cast<std::uint8_t>(ms >> (40 - 8 * i));
            }
        }
    }
    std::span<const segments::RecordView> views() const { return views_; }

  private:
    // A prime: with the batch it comes round after 4 thousand million records.
    std::vector<std::int64_t> latencies_ = std::vector<std::int64_t>(1'000'003);
    std::size_t next_latency_ = 0;
    std::vector<std::string> names_;
    std::vector<segments::RecordView> views_ = std::vector<segments::RecordView>(kBatch);
};

std::vector<Minute> busy_minutes() {
    std::vector<Minute> out;
    for (Minute minute = kBegin; minute < kEnd; ++minute) {
        const bool full = minute < kBegin + 2 * kHourMinutes || minute >= kEnd - 26 * kHourMinutes;
        if (full || minute % 30 == 0) out.push_back(minute);
    }
    return out;
}

void report_reads(const Cube& cube, std::string_view name, const StatisticsQuery& query) {
    const LiveStatistics statistics(cube);
    std::vector<double> ms;
    std::vector<double> cpu_ms;
    std::uint64_t total = 0;
    for (int i = 0; i < 30; ++i) {
        const double begin = seconds(CLOCK_MONOTONIC);
        const double cpu = seconds(CLOCK_THREAD_CPUTIME_ID);
        const auto got = statistics.read(query);
        cpu_ms.push_back((seconds(CLOCK_THREAD_CPUTIME_ID) - cpu) * 1e3);
        ms.push_back((seconds(CLOCK_MONOTONIC) - begin) * 1e3);
        if (!got) return fmt::print("{}: {}\n", name, got.error().message);
        total = got->total;
    }
    std::ranges::sort(ms);
    std::ranges::sort(cpu_ms);
    fmt::print("  read {:<22} {:>8.3f} ms median, {:>8.3f} ms of CPU, {:>8.3f} ms max of {}; {} decisions\n", name,
               ms[ms.size() / 2], cpu_ms[cpu_ms.size() / 2], ms.back(), ms.size(), total);
}

int measure(std::uint64_t decisions, std::uint32_t kinds) {
    const auto folder = std::filesystem::temp_directory_path() / "tidegate-statistics-bench";
    std::filesystem::remove_all(folder);
    std::filesystem::create_directories(folder);
    ManualClock clock(kBegin * kMsPerMinute);  // What is kept by minute is what it has just passed.
    Kinds names;
    auto cube = Cube::open({.path = (folder / "cube.db").string(), .log_end = ~std::uint64_t{0}}, names, clock);
    if (!cube) return 1;
    Records records(kinds);
    const std::vector<Sha256> leaves(kBatch);
    const std::vector<Minute> minutes = busy_minutes();
    std::uint64_t fed = 0;
    double cpu = 0;
    double slowest = 0;
    std::uint64_t refused = 0;
    const double begin = seconds(CLOCK_MONOTONIC);
    for (std::size_t i = 0; i < minutes.size(); ++i) {
        clock.advance(std::chrono::milliseconds(minutes[i] * kMsPerMinute - clock.unix_ms()));
        for (const std::uint64_t until = decisions * (i + 1) / minutes.size(); fed < until;) {
            records.next(minutes[i]);
            const std::size_t count = std::min<std::size_t>(kBatch, until - fed);
            const double wall = seconds(CLOCK_MONOTONIC);
            const double before = seconds(CLOCK_THREAD_CPUTIME_ID);
            // Days pass in seconds here: the saver may fall behind. As the log does: the rest again.
            const std::uint64_t first = (*cube)->position();
            for (std::uint64_t at = first; at < first + count; at = (*cube)->position()) {
                const auto rest = records.views().first(count).subspan(at - first);
                if (!(*cube)->follow({at, rest, std::span(leaves).first(rest.size())})) ++refused;
            }
            cpu += seconds(CLOCK_THREAD_CPUTIME_ID) - before;
            slowest = std::max(slowest, seconds(CLOCK_MONOTONIC) - wall);
            fed += count;
        }
    }
    const double took = seconds(CLOCK_MONOTONIC) - begin;
    fmt::print(
        "{} kinds: {} decisions in {:.1f} s; follow() {:.1f} ns CPU a record, slowest batch of {} {:.1f} ms, {} "
        "times no room\n",
        kinds, fed, took, cpu / static_cast<double>(fed) * 1e9, kBatch, slowest * 1e3, refused);
    if (!(*cube)->save()) return 1;
    const CubeHealth health = (*cube)->health();
    fmt::print("  {} saves, levels in memory {:.1f} MiB, file {:.1f} MiB\n", health.saves,
               static_cast<double>(health.level_bytes) / 1048576,
               static_cast<double>(std::filesystem::file_size(folder / "cube.db")) / 1048576);
    const UnixMillis now = kEnd * kMsPerMinute;
    report_reads(**cube, "everything", {.from = 0, .to = now * 2});
    report_reads(**cube, "everything, a tenant", {.from = 0, .to = now * 2, .tenant = "tenant-0"});
    const UnixMillis day_ago = now - kDayMinutes * kMsPerMinute;
    const UnixMillis month_ago = now - kDays * kDayMinutes * kMsPerMinute;
    report_reads(**cube, "last 24 h", {.from = day_ago, .to = now});
    report_reads(**cube, "30 days, timeline", {.from = month_ago, .to = now});
    report_reads(**cube, "last 24 h, a tenant", {.from = day_ago, .to = now, .tenant = "tenant-0"});
    report_reads(**cube, "30 days, a tenant", {.from = month_ago, .to = now, .tenant = "tenant-0"});
    report_reads(**cube, "24 h, filter all match", {.from = day_ago, .to = now, .service = "provenance"});
    report_reads(**cube, "30 days, all match", {.from = month_ago, .to = now, .service = "provenance"});
    cube->reset();
    std::filesystem::remove_all(folder);
    return 0;
}

Decision charged(std::uint64_t n, const Clock& clock, Random& random) {
    Decision out;
    out.id = make_uuid7(clock, random);
    out.request_id = "request-" + std::to_string(n);
    out.actor = "key:" + std::to_string(mix64(n) % 10'000);
    out.tenant = "tenant-" + std::to_string(mix64(n) % 100);
    out.service = "provenance";
    out.operation = "detect/text";
    out.input_size = 2'000;
    out.output = R"({"confidence":0.8125,"signals":")" + std::string(100, 's') + "\"}";
    out.spend_points = Points::whole(1);
    return out;
}

int measure_spend(std::uint64_t rows) {
    const auto folder = std::filesystem::temp_directory_path() / "tidegate-spend-scan-bench";
    std::filesystem::remove_all(folder);
    std::filesystem::create_directories(folder);
    const SystemClock clock;
    SystemRandom random;
    auto log =
        segments::SegmentLog::open(std::make_unique<segments::SystemLogFolder>(folder.string()), {}, clock, random);
    if (!log) return 1;
    constexpr std::uint64_t kGroup = 1'000;
    for (std::uint64_t n = 0; n < rows; n += kGroup) {
        std::vector<Decision> group;
        for (std::uint64_t i = n; i < n + kGroup; ++i) group.push_back(charged(i, clock, random));
        (*log)->append_group(group, {});
        if (n / kGroup % 50 == 49) (*log)->flush();
    }
    (*log)->flush();
    for (int i = 0; i < 3; ++i) {
        const double begin = seconds(CLOCK_MONOTONIC);
        const auto spent = scan_spent((*log)->reader(), 0);
        if (!spent || spent->decisions != rows) return 1;
        fmt::print("spend of {} decisions, {} actors: {:.3f} s\n", rows, spent->by_actor.size(),
                   seconds(CLOCK_MONOTONIC) - begin);
    }
    log->reset();
    std::filesystem::remove_all(folder);
    return 0;
}

}  // namespace
}  // namespace tidegate::audit

int main(int argc, char** argv) {
    const std::uint64_t decisions = tidegate::parse_u64(argc > 1 ? argv[1] : "").value_or(100'000'000);
    std::vector<std::uint32_t> kinds;
    for (int i = 2; i < argc; ++i)
        kinds.push_back(static_cast<std::uint32_t>(tidegate::parse_u64(argv[i]).value_or(1)));
    if (kinds.empty()) kinds = {1, 20, 200};
    const char* const asked = std::getenv("SPEND_LOG_ROWS");
    const std::uint64_t rows = tidegate::parse_u64(asked == nullptr ? "" : asked).value_or(1'000'000);
    if (rows > 0 && tidegate::audit::measure_spend(rows) != 0) return 1;
    for (const std::uint32_t count : kinds) {
        if (tidegate::audit::measure(decisions, count) != 0) return 1;
    }
    return 0;
}
