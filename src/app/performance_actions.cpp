#include "app/performance_actions.h"

#include <fmt/format.h>
#include <malloc.h>

#include <algorithm>
#include <cmath>
#include <filesystem>

#include "app/audit_assembly.h"
#include "observe/process.h"
#include "observe/thread_times.h"
#include "performance/measures.h"
#include "store/sqlite.h"

namespace tidegate::app {
namespace {

using performance::Action;
using performance::Figure;
using performance::Sample;

constexpr double kMebibyte = 1024.0 * 1024;
/// What the allocator may keep for later before it is worth giving back; malloc_trim() takes some milliseconds.
constexpr double kIdleHeapMax = 128 * kMebibyte;
/// SQLite moves its WAL at 4 MiB; one so much larger is held by a long reader or an idle writer.
constexpr double kWalMax = 64 * kMebibyte;
/// Rows that ANALYZE looks at in an index: https://sqlite.org/lang_analyze.html advises 100 to 1000 for a bounded time.
constexpr int kAnalysisLimit = 400;

/// The SQLite files that are there: none of keys, which gain nothing.
std::vector<std::string> databases(const AppSettings& settings) {
    const std::string& folder = settings.process.data_dir;
    std::vector<std::string> out;
    for (const std::string& path :
         {folder + "/tidegate.db", folder + "/drift.db", folder + "/jobs.db", folder + "/alerts.db",
          folder + "/performance.db", audit_folder(settings) + "/statistics.db"}) {
        std::error_code ignored;
        if (std::filesystem::is_regular_file(path, ignored)) out.push_back(path);
    }
    return out;
}

double file_bytes(const std::string& path) {
    std::error_code error;
    const auto size = std::filesystem::file_size(path, error);
    return error ? 0 : static_cast<double>(size);
}

double wal_bytes(const AppSettings& settings) {
    double all = 0;
    for (const std::string& path : databases(settings)) all += file_bytes(path + "-wal");
    return all;
}

Result<store::Database> open_database(const std::string& path) {
    return store::Database::open({.path = path, .synchronous = store::Synchronous::kFull, .vfs = {}});
}

/// The last sample says that memory is past a threshold.
std::optional<std::string> memory_short(const performance::Recorder& recorder) {
    for (const auto& one : recorder.health().read().metrics) {
        if (one.name == "memory_percent" && one.state >= performance::State::kElevated) {
            return fmt::format("memory is {}: {:.1f} % of what this process may use", performance::to_string(one.state),
                               one.value);
        }
    }
    return std::nullopt;
}

Action drop_expired(performance::Recorder& recorder, const PerformanceNeeds& needs) {
    cache::ResponseStore& store = needs.cache.store();
    const Clock& clock = needs.clock;
    return {.name = "drop_expired_cache_entries",
            .group = "cache",
            .what = "Frees the memory of answers that have expired or were invalidated.",
            .measure =
                [&store] {
                    const cache::StoreStats stats = store.stats();
                    return std::vector<Figure>{{"cache_entries", "answers", static_cast<double>(stats.entries)},
                                               {"cache_bytes", "bytes", static_cast<double>(stats.bytes)}};
                },
            .run = [&store, &clock]() -> Result<std::string> {
                const std::size_t freed = store.sweep_all(clock.unix_ms());
                return freed == 0 ? std::string() : fmt::format("{} answers were freed", freed);
            },
            .needed = [&recorder, &store]() -> std::optional<std::string> {
                return store.stats().entries == 0 ? std::nullopt : memory_short(recorder);
            }};
}

Action return_memory(performance::Recorder& recorder) {
    return {.name = "return_memory_to_system",
            .group = "memory",
            .what = "Gives back what the allocator keeps and nobody uses (malloc_trim).",
            .measure =
                [] {
                    const observe::HeapSample heap = observe::read_heap();
                    return std::vector<Figure>{{"resident_bytes", "bytes", observe::read_process().resident_bytes},
                                               {"heap_used_bytes", "bytes", heap.used_bytes},
                                               {"heap_arena_bytes", "bytes", heap.arena_bytes}};
                },
            .run = []() -> Result<std::string> {
                return ::malloc_trim(0) == 1 ? std::string("memory was given back") : std::string();
            },
            .needed = [&recorder]() -> std::optional<std::string> {
                if (auto is_short = memory_short(recorder)) return is_short;
                const observe::HeapSample heap = observe::read_heap();
                const double idle = heap.arena_bytes - heap.used_bytes;
                if (std::isnan(idle) || idle < kIdleHeapMax) return std::nullopt;
                return fmt::format("the allocator keeps {:.0f} MiB that nobody uses", idle / kMebibyte);
            }};
}

Action checkpoint(const AppSettings& settings) {
    return {.name = "checkpoint_wal",
            .group = "database",
            .what = "Moves the write-ahead logs of the SQLite files into them and shortens them to nothing.",
            .measure = [&settings] { return std::vector<Figure>{{"wal_bytes", "bytes", wal_bytes(settings)}}; },
            .run = [&settings]() -> Result<std::string> {
                std::size_t moved = 0;
                for (const std::string& path : databases(settings)) {
                    if (file_bytes(path + "-wal") == 0) continue;
                    TG_TRY(store::Database database, open_database(path));
                    TG_CHECK(database.checkpoint());
                    ++moved;
                }
                return moved == 0 ? std::string() : fmt::format("{} files", moved);
            },
            .needed = [&settings]() -> std::optional<std::string> {
                const double bytes = wal_bytes(settings);
                if (bytes < kWalMax) return std::nullopt;
                return fmt::format("the write-ahead logs hold {:.0f} MiB", bytes / kMebibyte);
            }};
}

/// Rows of statistics, and tables without any.
double statistics_rows(const AppSettings& settings) {
    double all = 0;
    for (const std::string& path : databases(settings)) {
        auto database = store::Database::open({.path = path, .read_only = true, .vfs = {}});
        if (!database) continue;
        // There is no such table before the first ANALYZE.
        all += static_cast<double>(database->integer("SELECT count(*) FROM sqlite_stat1").value_or(0));
    }
    return all;
}

Action refresh_statistics(performance::Recorder& recorder, const AppSettings& settings) {
    return {
        .name = "refresh_planner_statistics",
        .group = "database",
        .what = "ANALYZE: tells SQLite's planner how the tables and indexes are filled.",
        .measure = [&settings] { return std::vector<Figure>{{"statistics_rows", "rows", statistics_rows(settings)}}; },
        .run = [&settings]() -> Result<std::string> {
            std::size_t done = 0;
            for (const std::string& path : databases(settings)) {
                TG_TRY(store::Database database, open_database(path));
                TG_CHECK(database.execute(fmt::format("PRAGMA analysis_limit={}; ANALYZE;", kAnalysisLimit)));
                ++done;
            }
            return done == 0 ? std::string() : fmt::format("{} files", done);
        },
        .needed = [&recorder]() -> std::optional<std::string> {
            double slow = 0;
            for (const Sample& sample : recorder.window()) {
                if (const auto* value = sample.find("database_slow")) slow += value->sum;
            }
            if (slow == 0) return std::nullopt;
            return fmt::format("{:.0f} database statements of the last minute were slow", slow);
        }};
}

/// What the blocking pool should have by the last minute: half as many more while tasks waited at the end of each sample, back to
/// the settings when none has waited at all.
struct PoolPlan {
    unsigned threads = 0;
    std::string why;
};
std::optional<PoolPlan> plan_pool(const performance::Recorder& recorder, const PerformanceNeeds& needs) {
    const std::vector<Sample> window = recorder.window();
    if (window.size() < performance::Health::kWindow) return std::nullopt;
    std::size_t waited = 0;
    double refused = 0;
    for (const Sample& sample : window) {
        const auto* const waiting = sample.find("pool_waiting.blocking");
        if (waiting != nullptr && waiting->last > 0) ++waited;
        if (const auto* value = sample.find("pool_refused.blocking")) refused += value->sum;
    }
    const auto now = static_cast<unsigned>(needs.blocking.thread_count());
    const auto least = static_cast<unsigned>(needs.blocking.threads_configured());
    const unsigned most = std::max(least, needs.settings.performance.blocking_threads_max + needs.long_read_threads);
    if ((waited == window.size() || refused > 0) && now < most) {
        return PoolPlan{
            .threads = std::min(most, now + std::max(1U, now / 2)),
            .why = fmt::format("tasks waited for a thread at the end of {} of {} samples, {:.0f} were refused", waited,
                               window.size(), refused)};
    }
    if (waited == 0 && refused == 0 && now > least) {
        return PoolPlan{.threads = least, .why = "no task has waited for a thread in the last minute"};
    }
    return std::nullopt;
}

Action resize_pools(performance::Recorder& recorder, const PerformanceNeeds& needs) {
    runtime::WorkerPool& pool = needs.blocking;
    return {.name = "resize_blocking_pool",
            .group = "pools",
            .what =
                "More threads for the blocking pool while its tasks wait, within performance.blocking_threads_max; "
                "back to the settings when none waits.",
            .measure =
                [&pool] {
                    return std::vector<Figure>{{"threads", "threads", static_cast<double>(pool.thread_count())},
                                               {"waiting", "tasks", static_cast<double>(pool.depth())}};
                },
            // Asked for on a thread of this very pool: it can grow and shrink around whoever asks.
            .run = [&pool, &recorder, needs]() -> Result<std::string> {
                const auto plan = plan_pool(recorder, needs);
                if (!plan) return std::string();
                const std::size_t before = pool.thread_count();
                if (!pool.resize(plan->threads))
                    return fail(ErrorCode::kUnavailable, "the pool is being changed, or the system gives no thread");
                return fmt::format("{} -> {} threads: {}", before, plan->threads, plan->why);
            },
            .needed = [&recorder, needs]() -> std::optional<std::string> {
                const auto plan = plan_pool(recorder, needs);
                return plan ? std::optional(plan->why) : std::nullopt;
            }};
}

}  // namespace

void add_performance_actions(performance::Actions& actions, performance::Recorder& recorder,
                             const PerformanceNeeds& needs) {
    actions.add(drop_expired(recorder, needs));
    actions.add(return_memory(recorder));
    actions.add(checkpoint(needs.settings));
    actions.add(refresh_statistics(recorder, needs.settings));
    actions.add(resize_pools(recorder, needs));
}

}  // namespace tidegate::app
