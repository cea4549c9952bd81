// What the segment log costs and reaches: durable records/s, CPU a record, acknowledgements, look-ups, recovery; and in the same
// run, on the same disk, raw direct writes of the same bytes and the naive SQLite logger with four indexes.
//
// Use         segment_log_bench FOLDER [SECONDS a run, default 8] [RECORDS of the recovery run, default 10000000]
//                 > bench/results/segment_log.json
//             FOLDER must be on the disk that is to be measured, with 10 GB free; what the benchmark makes there is removed.
#include <fcntl.h>
#include <fmt/format.h>
#include <sqlite3.h>
#include <sys/resource.h>
#include <sys/utsname.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <thread>

#include "audit/segments/segment_log.h"
#include "base/strings.h"
#include "observe/histogram.h"

namespace tidegate::audit::segments {
namespace {

using Steady = std::chrono::steady_clock;

double seconds_since(Steady::time_point begin) {
    return std::chrono::duration<double>(Steady::now() - begin).count();
}

// CPU of the whole process and of the calling thread, seconds.
double process_cpu() {
    rusage usage{};
    ::getrusage(RUSAGE_SELF, &usage);
    const auto seconds = [](const timeval& t) {
        return static_cast<double>(t.tv_sec) + 1e-6 * static_cast<double>(t.tv_usec);
    };
    return seconds(usage.ru_utime) + seconds(usage.ru_stime);
}
double thread_cpu() {
    timespec time{};
    ::clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
    return static_cast<double>(time.tv_sec) + 1e-9 * static_cast<double>(time.tv_nsec);
}

[[noreturn]] void give_up(std::string_view what) {
    fmt::print(stderr, "{}\n", what);
    std::exit(1);
}

// Decisions of exactly 300 bytes, each with an id, a request id and an input hash of its own.
class Generator {
  public:
    Generator() {
        decision_.service = "provenance";
        decision_.operation = "detect/text";
        decision_.model = "text_detector";
        decision_.model_version = "1.0.0";
        decision_.tenant = "acme";
        decision_.request_id = std::string(32, 'r');
        decision_.band = "human";
        decision_.confidence = 0.25;
        decision_.stages = {{"parse", 12}, {"score", 200}};
        decision_.output = std::string(300 - encoded_size(decision_), ' ');
        decision_.output.front() = '"';
        decision_.output.back() = '"';
        if (!next() || encoded_size(decision_) != 300) give_up("a record is not 300 bytes");
        count_ = 0;
    }
    const Decision* next() {
        const std::uint64_t n = ++count_;
        // Milliseconds move on each 500 records, as at 500,000/s.
        put_big_endian(1'772'366'400'000 + n / 500);
        const std::uint64_t mixed = mix64(n * 0x9e3779b97f4a7c15ULL);
        std::memcpy(decision_.id.bytes.data() + 8, &mixed, 8);
        decision_.id.bytes[6] = 0x70;
        decision_.id.bytes[8] = static_cast<std::uint8_t>((decision_.id.bytes[8] & 0x3FU) | 0x80U);
        write_hex(decision_.id.bytes.data(), 16, decision_.request_id.data());
        const std::uint64_t input = mix64(mixed);
        std::memcpy(decision_.input_hash.data(), &input, 8);
        decision_.latency_us = static_cast<std::int64_t>(n % 3000);
        return &decision_;
    }
    static Uuid id_of(std::uint64_t n) {
        Generator other;
        other.count_ = n - 1;
        return other.next()->id;
    }

  private:
    void put_big_endian(std::uint64_t time) {
        for (std::size_t i = 6; i-- > 0; time >>= 8U) decision_.id.bytes[i] = static_cast<std::uint8_t>(time);
    }
    Decision decision_;
    std::uint64_t count_ = 0;
};

class Bench {
  public:
    Bench(std::filesystem::path folder, double seconds) : folder_(std::move(folder)), seconds_(seconds) {
        std::filesystem::create_directories(folder_);
    }
    ~Bench() { std::filesystem::remove_all(folder_); }

    std::string path(const char* name) const { return (folder_ / name).string(); }

    std::unique_ptr<SegmentLog> open(std::size_t spares) {
        SegmentLogOptions options;
        options.spares_ahead = spares;
        auto log = SegmentLog::open(std::make_unique<SystemLogFolder>(path("log")), options, clock_, random_);
        if (!log) give_up(log.error().message);
        return *std::move(log);
    }

    // One producer, at most `outstanding` records not yet acknowledged, segments recycled by retention.
    void sustained(JsonWriter& out, std::size_t outstanding) {
        std::filesystem::remove_all(path("log"));
        const auto log = open(12);
        log->settle();
        Generator generator;
        observe::Histogram latency(observe::HistogramSpec::latency());
        std::atomic<std::uint64_t> acknowledged{0};
        std::uint64_t asked = 0;
        const double cpu = process_cpu();
        const double own = thread_cpu();
        const auto begin = Steady::now();
        while (seconds_since(begin) < seconds_) {
            for (int i = 0; i < 256; ++i) {
                const bool timed = i == 0;
                const auto now = timed ? Steady::now() : Steady::time_point{};
                log->append(*generator.next(), [&latency, &acknowledged, now](Result<std::uint64_t> leaf) {
                    if (!leaf) give_up(leaf.error().message);
                    if (now != Steady::time_point{}) latency.record(Steady::now() - now);
                    acknowledged.fetch_add(1, std::memory_order_relaxed);
                });
            }
            asked += 256;
            while (asked - acknowledged.load(std::memory_order_relaxed) > outstanding) {
                std::this_thread::sleep_for(std::chrono::microseconds(200));
            }
            if (asked % 262'144 == 0 && asked > 2'000'000) log->drop_before(asked - 2'000'000);
        }
        log->flush();
        const double wall = seconds_since(begin);
        log->settle();
        report(out, *log, asked, wall, process_cpu() - cpu, thread_cpu() - own, latency.snapshot());
        bytes_a_second_ = static_cast<double>(log->health().bytes_written) / wall;
    }

    // `rate` a second in steps of a millisecond, whatever the log does: a stall shows in the latency.
    void paced(JsonWriter& out, std::uint64_t rate) {
        std::filesystem::remove_all(path("log"));
        const auto log = open(12);
        log->settle();
        Generator generator;
        observe::Histogram latency(observe::HistogramSpec::latency());
        std::uint64_t asked = 0;
        const double cpu = process_cpu();
        const double own = thread_cpu();
        const auto begin = Steady::now();
        for (std::uint64_t step = 0; static_cast<double>(step) < seconds_ * 1000; ++step) {
            std::this_thread::sleep_until(begin + std::chrono::milliseconds(step));
            for (std::uint64_t i = 0; i < rate / 1000; ++i) {
                const auto now = i % 16 == 0 ? Steady::now() : Steady::time_point{};
                log->append(*generator.next(), [&latency, now](Result<std::uint64_t> leaf) {
                    if (!leaf) give_up(leaf.error().message);
                    if (now != Steady::time_point{}) latency.record(Steady::now() - now);
                });
            }
            asked += rate / 1000;
            if (step % 500 == 0 && asked > 2'000'000) log->drop_before(asked - 2'000'000);
        }
        log->flush();
        const double wall = seconds_since(begin);
        const double total = process_cpu() - cpu;
        report(out, *log, asked, wall, total, thread_cpu() - own, latency.snapshot());
        log->settle();
    }

    // Making the records alone, to be taken off the CPU of the runs above.
    double generator_us() {
        Generator generator;
        constexpr int kTimes = 2'000'000;
        const double cpu = thread_cpu();
        std::uint64_t sum = 0;
        for (int i = 0; i < kTimes; ++i) sum += generator.next()->id.bytes[9];
        generator_us_ = (thread_cpu() - cpu) * 1e6 / kTimes + (sum == 1 ? 1e-9 : 0);
        return generator_us_;
    }

    // The same bytes a write into written-through files, without anything else.
    void raw(JsonWriter& out) {
        SystemLogFolder files(path("raw"));
        if (!files.take()) give_up("no folder");
        constexpr std::uint64_t kFile = 64ULL * 1024 * 1024;
        std::vector<std::unique_ptr<LogFile>> opened;
        for (int i = 0; i < 12; ++i) {
            const std::string name = fmt::format("raw-{}", i);
            if (!files.prepare(name, kFile, Preparation::kZeroes)) give_up("no space");
            opened.push_back(std::move(files.open_write(name)).value());
        }
        Batch buffer(1024 * 1024);
        // As hard to compress as hashes are, should something below do that.
        random_.fill(std::as_writable_bytes(buffer.bytes()));
        std::uint64_t written = 0;
        const auto begin = Steady::now();
        while (seconds_since(begin) < seconds_ / 2) {
            auto& file = *opened[written / kFile % opened.size()];
            if (!file.write(written % kFile, buffer.bytes()) || !file.sync()) give_up("a raw write failed");
            written += buffer.capacity_bytes;
        }
        const double rate = static_cast<double>(written) / seconds_since(begin);
        out.begin_object().field("write_bytes", std::uint64_t{1024 * 1024}).field("bytes_per_s", rate);
        if (bytes_a_second_ > 0) out.field("segment_log_of_raw", bytes_a_second_ / rate);
        out.end_object();
        opened.clear();
        std::filesystem::remove_all(path("raw"));
    }

    // What people write first: text columns, four indexes, a commit each 50 rows, WAL, synchronous NORMAL.
    void naive_sqlite(JsonWriter& out) {
        sqlite3* database = nullptr;
        sqlite3_stmt* insert = nullptr;
        const std::string file = path("naive.db");
        const auto run = [&](const char* sql) {
            if (sqlite3_exec(database, sql, nullptr, nullptr, nullptr) != SQLITE_OK) give_up(sqlite3_errmsg(database));
        };
        if (sqlite3_open(file.c_str(), &database) != SQLITE_OK) give_up("no database");
        run("PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL;"
            "CREATE TABLE audit(id INTEGER PRIMARY KEY, request_id TEXT, time TEXT, tenant TEXT, service TEXT, model "
            "TEXT,"
            " input_hash TEXT, output TEXT, status INTEGER, latency INTEGER, hash TEXT);"
            "CREATE INDEX a ON audit(request_id); CREATE INDEX b ON audit(time); CREATE INDEX c ON audit(input_hash);"
            "CREATE INDEX d ON audit(status, time);");
        sqlite3_prepare_v2(
            database,
            "INSERT INTO audit(request_id,time,tenant,service,model,input_hash,output,status,latency,hash)"
            " VALUES(?,?,?,?,?,?,?,?,?,?)",
            -1, &insert, nullptr);
        Generator generator;
        Sha256 chain{};
        std::uint64_t rows = 0;
        const double cpu = process_cpu();
        const auto begin = Steady::now();
        while (seconds_since(begin) < seconds_ / 2) {
            run("BEGIN");
            for (int i = 0; i < 50; ++i, ++rows) {
                const Decision& d = *generator.next();
                const std::string time = format_rfc3339(d.time());
                const std::string input = to_hex(d.input_hash);
                chain = sha256(std::string(text_of(chain)) + d.request_id + time + input + d.output);
                const std::string hash = to_hex(chain);
                int column = 0;
                for (const std::string* text :
                     {&d.request_id, &time, &d.tenant, &d.service, &d.model, &input, &d.output}) {
                    sqlite3_bind_text(insert, ++column, text->c_str(), static_cast<int>(text->size()), SQLITE_STATIC);
                }
                sqlite3_bind_int(insert, 8, 200);
                sqlite3_bind_int64(insert, 9, d.latency_us);
                sqlite3_bind_text(insert, 10, hash.c_str(), static_cast<int>(hash.size()), SQLITE_STATIC);
                if (sqlite3_step(insert) != SQLITE_DONE) give_up(sqlite3_errmsg(database));
                sqlite3_reset(insert);
            }
            run("COMMIT");
        }
        const double wall = seconds_since(begin);
        const double us = (process_cpu() - cpu) * 1e6 / static_cast<double>(rows) - generator_us_;
        out.begin_object().field("rows", rows).field("rows_per_s", static_cast<double>(rows) / wall);
        out.field("cpu_us_per_row", us).field("segment_log_times_cpu", us / log_us_).end_object();
        sqlite3_finalize(insert);
        sqlite3_close(database);
        for (const char* suffix : {"", "-wal", "-shm"}) std::filesystem::remove(file + suffix);
    }

    // A log of `records` that nobody closed: killed in the child, opened here; then look-ups in it.
    void recovery(JsonWriter& out, std::uint64_t records) {
        std::filesystem::remove_all(path("log"));
        const auto filled = Steady::now();
        {
            const auto log = open(2);
            Generator generator;
            std::atomic<std::uint64_t> acknowledged{0};
            for (std::uint64_t n = 0; n < records; ++n) {
                log->append(*generator.next(), [&acknowledged](Result<std::uint64_t> leaf) {
                    if (!leaf) give_up(leaf.error().message);
                    acknowledged.fetch_add(1, std::memory_order_relaxed);
                });
                while (n - acknowledged.load(std::memory_order_relaxed) + 1 > 150'000) {
                    std::this_thread::sleep_for(std::chrono::microseconds(200));
                }
            }
            log->flush();
            out.begin_object().field("records", records).field("fill_s", seconds_since(filled));
            log->settle();
        }
        const auto begin = Steady::now();
        const auto log = open(2);
        out.field("open_ms", seconds_since(begin) * 1000);
        out.field("scanned_records", log->recovery().scanned_records);
        if (log->tree().size() != records) give_up("records are missing");
        out.key("lookups").begin_object();
        const auto time = [&](std::string_view name, int times, const auto& call) {
            std::vector<double> took;
            for (int i = 0; i < times; ++i) {
                const std::uint64_t n = mix64(static_cast<std::uint64_t>(i) + 77) % records + 1;
                const auto call_begin = Steady::now();
                if (!call(n)) give_up("a look-up failed");
                took.push_back(seconds_since(call_begin) * 1e6);
            }
            std::ranges::sort(took);
            out.key(name).begin_object().field("p50_us", took[took.size() / 2]);
            out.field("p99_us", took[took.size() * 99 / 100]).end_object();
        };
        const LogReader& reader = log->reader();
        std::vector<Uuid> ids;
        time("read_by_leaf", 2000, [&](std::uint64_t n) { return reader.read(n - 1).has_value(); });
        for (int i = 0; i < 2000; ++i)
            ids.push_back(Generator::id_of(mix64(static_cast<std::uint64_t>(i) + 77) % records + 1));
        std::size_t next = 0;
        time("by_decision_id", 2000, [&](std::uint64_t n) {
            const auto found = reader.find_id(ids[next++]);
            return found && *found && (*found)->leaf == n - 1;
        });
        next = 0;
        time("by_request_id", 2000, [&](std::uint64_t) {
            const auto found = reader.find_request(to_hex(ids[next].bytes.data(), 16), 1);
            return found && found->size() == 1 && (*found)[0].decision.id == ids[next++];
        });
        time("by_request_id_absent", 500,
             [&](std::uint64_t n) { return reader.find_request(fmt::format("no-{}", n), 1)->empty(); });
        out.end_object();
        const double cpu = thread_cpu();
        std::uint64_t bytes = 0;
        if (!reader.scan(0, records, [&](std::uint64_t, Bytes record) {
                bytes += record.size();
                return true;
            })) {
            give_up("a scan failed");
        }
        out.field("scan_records_per_cpu_s", static_cast<double>(records) / (thread_cpu() - cpu)).end_object();
    }

  private:
    void report(JsonWriter& out, const SegmentLog& log, std::uint64_t records, double wall, double cpu, double own,
                const observe::HistogramSnapshot& latency) {
        const auto count = static_cast<double>(records);
        const SegmentLogHealth health = log.health();
        if (health.appended != records) give_up("not all were acknowledged");
        log_us_ = cpu * 1e6 / count - generator_us_;
        out.begin_object().field("records", records).field("seconds", wall).field("records_per_s", count / wall);
        out.field("bytes_per_s", static_cast<double>(health.bytes_written) / wall);
        out.field("records_per_batch", count / static_cast<double>(health.batches));
        out.field("cpu_us_per_record", log_us_);
        out.field("producer_cpu_us_per_record", own * 1e6 / count - generator_us_);
        out.field("other_threads_cpu_us_per_record", (cpu - own) * 1e6 / count);
        out.field("cores_used", log_us_ * count / 1e6 / wall);
        out.field("ack_p50_ms", latency.quantile(.5) / 1e6).field("ack_p99_ms", latency.quantile(.99) / 1e6);
        out.field("ack_max_ms", static_cast<double>(latency.max) / 1e6);
        out.field("write_max_ms", static_cast<double>(health.write_us_max) / 1e3);
        out.field("segments_sealed", health.keeper.seals).end_object();
    }

    SystemClock clock_;
    SystemRandom random_;
    std::filesystem::path folder_;
    const double seconds_;
    double generator_us_ = 0;
    double log_us_ = 0;
    double bytes_a_second_ = 0;
};

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
    // Other work on the machine shows in everything here: say how much there was.
    if (::getloadavg(&load, 1) == 1) writer.field("load_average_before", load);
    writer.end_object();
    return out;
}

}  // namespace

int run(const char* folder, double seconds, std::uint64_t records) {
    std::string json;
    JsonWriter out(json);
    {
        Bench bench(std::filesystem::path(folder) / "segment-log-bench", seconds);
        out.begin_object().field("date", format_rfc3339(SystemClock().unix_ms()));
        out.field("command", fmt::format("segment_log_bench FOLDER {} {}", seconds, records));
        out.key("machine")
            .raw(machine())
            .field("record_bytes", 300)
            .field("generator_us_per_record", bench.generator_us());
        out.key("paced_500k");
        bench.paced(out, 500'000);
        // The disk of a shared machine changes by the minute: raw writes stand before and after.
        out.key("raw_direct_writes_before");
        bench.raw(out);
        out.key("sustained");
        bench.sustained(out, 150'000);
        out.key("raw_direct_writes_after");
        bench.raw(out);
        out.key("naive_sqlite_four_indexes");
        bench.naive_sqlite(out);
        if (records > 0) {
            out.key("recovery");
            bench.recovery(out, records);
        }
        out.end_object();
    }
    fmt::print("{}\n", json);
    return 0;
}

}  // namespace tidegate::audit::segments

int main(int argc, char** argv) {
    if (argc < 2) {
        fmt::print(stderr, "usage: segment_log_bench FOLDER [SECONDS] [RECORDS]\n");
        return 2;
    }
    const double seconds = argc > 2 ? tidegate::parse_double(argv[2]).value_or(8) : 8;
    const std::uint64_t records = argc > 3 ? tidegate::parse_u64(argv[3]).value_or(10'000'000) : 10'000'000;
    return tidegate::audit::segments::run(argv[1], seconds, records);
}
