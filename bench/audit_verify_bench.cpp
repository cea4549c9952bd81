// How fast the independent verifier reads a log of the real writer: records/s a core, with CPU time, and what its parts cost.
//
// Use         audit_verify_bench FOLDER [RECORDS, default 3000000] > bench/results/audit_verify.json
//             FOLDER needs 500 bytes a record and is emptied. Goal: 2 million records/s a core, 300-byte records.
#include <fmt/format.h>
#include <sys/utsname.h>
#include <time.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <vector>

#include "audit/proof/checkpoint.h"
#include "audit/segments/segment_log.h"
#include "audit/verify/checksum.h"
#include "audit/verify/verify.h"
#include "base/json_writer.h"
#include "base/random.h"
#include "base/strings.h"

namespace tidegate::audit {
namespace {

constexpr int kRuns = 5;
constexpr std::size_t kRecordBytes = 300;

double thread_cpu() {
    timespec time{};
    ::clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
    return static_cast<double>(time.tv_sec) + 1e-9 * static_cast<double>(time.tv_nsec);
}

[[noreturn]] void give_up(std::string_view what) {
    fmt::print(stderr, "{}\n", what);
    std::exit(1);
}

Decision decision_of(Random& random, const Clock& clock, std::uint64_t n) {
    Decision d;
    d.id = make_uuid7(clock, random);
    d.request_id = fmt::format("bench-{:012}", n);
    d.tenant = "tenant-a";
    d.actor = "key-0123456789";
    d.service = "provenance";
    d.operation = "detect/text";
    d.input_hash[0] = static_cast<std::uint8_t>(n);
    d.model = "text_detector";
    d.model_version = "1.0.0";
    d.output = R"({"score":0.25})";
    d.band = "human";
    d.confidence = 0.25;
    d.latency_us = 900;
    d.output.append(kRecordBytes - segments::encoded_size(d), ' ');
    return d;
}

void make_log(const std::string& folder, std::uint64_t records, const proof::SigningKey& key) {
    SystemClock clock;
    SystemRandom random;
    auto checkpoints = proof::CheckpointFile::open(folder + "/checkpoints");
    if (!checkpoints) give_up(checkpoints.error().message);
    segments::SegmentLogOptions options;
    options.on_durable = [&](const segments::DurableBatch& batch) {
        const std::uint64_t before = checkpoints->last() ? checkpoints->last()->size : 0;
        if (batch.after.size() < before + 65'536 && batch.after.size() != records)
            return;  // As often as the log signs.
        const auto note = proof::sign_checkpoint({batch.after.size(), batch.after.root()}, clock.unix_ms(), key);
        if (!checkpoints->append(note)) give_up("a checkpoint cannot be written");
    };
    auto log = segments::SegmentLog::open(std::make_unique<segments::SystemLogFolder>(folder), options, clock, random);
    if (!log) give_up(log.error().message);
    for (std::uint64_t n = 0; n < records; ++n) {
        (*log)->append(decision_of(random, clock, n), [](const Result<std::uint64_t>& leaf) {
            if (!leaf) give_up(leaf.error().message);
        });
        if (n % 100'000 == 0) (*log)->flush();  // Below the queue's limit.
    }
    (*log)->flush();
    (*log)->settle();
    (*log)->close();
}

/// Nanoseconds of CPU a call, the least of some runs: what other programs add is never negative.
template <class Work>
double cost_ns(Work&& work) {
    double best = 1e18;
    for (int run = 0; run < kRuns; ++run) {
        constexpr int kCalls = 200'000;
        const double begin = thread_cpu();
        for (int i = 0; i < kCalls; ++i) work(i);
        best = std::min(best, (thread_cpu() - begin) / kCalls * 1e9);
    }
    return best;
}

void print_parts(JsonWriter& out) {
    std::vector<std::uint8_t> record(kRecordBytes + 1, 7);
    std::uint8_t sink = 0;
    verify::Digest node{};
    std::uint32_t crc = 0;
    out.key("cpu_ns_of_parts").begin_object();
    out.field("leaf_hash", cost_ns([&](int i) {
                  record[1] = static_cast<std::uint8_t>(i);
                  sink = static_cast<std::uint8_t>(sink ^ verify::digest(record)[0]);
              }));
    out.field("node_hash", cost_ns([&](int) { node = verify::node_digest(node, node); }));
    out.field("checksum", cost_ns([&](int) { crc = verify::checksum(record, crc); }));
    out.end_object();
    if (sink == 1 && node[0] == 1 && crc == 1) fmt::print(stderr, " ");  // So that none of it is left out.
}

int run(const std::string& folder, std::uint64_t records) {
    std::filesystem::remove_all(folder);
    std::filesystem::create_directories(folder);
    const auto key = proof::SigningKey::from_seed(std::string(32, 'k'), "log.example/audit");
    make_log(folder, records, *key);
    std::vector<double> cpu;
    std::vector<double> wall;
    verify::Report report;
    for (int i = 0; i < kRuns; ++i) {
        const auto begin = std::chrono::steady_clock::now();
        const double cpu_begin = thread_cpu();
        const auto result = verify::verify_log({folder, verify::parse_keys(key->verifier().to_text()).value(), {}});
        if (!result || result->exit_code() != 0 || result->records != records) give_up("the log does not verify");
        cpu.push_back(static_cast<double>(records) / (thread_cpu() - cpu_begin));
        wall.push_back(static_cast<double>(records) /
                       std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count());
        report = *result;
    }
    std::ranges::sort(cpu);
    std::ranges::sort(wall);
    std::string json;
    JsonWriter out(json);
    out.begin_object().field("what", "audit_verify_bench, one thread over a log of the real writer, medians of 5 runs");
    utsname system{};
    ::uname(&system);
    out.field("kernel", system.release).field("records", records).field("record_bytes", kRecordBytes);
    out.field("log_bytes", report.bytes)
        .field("segments", report.segments)
        .field("checkpoints", report.checkpoints_proven);
    out.field("records_per_cpu_second", cpu[kRuns / 2]).field("records_per_cpu_second_least", cpu.front());
    out.field("records_per_wall_second", wall[kRuns / 2]).field("goal_records_per_core_second", 2'000'000);
    print_parts(out);
    out.end_object();
    fmt::print("{}\n", json);
    std::filesystem::remove_all(folder);
    return 0;
}

}  // namespace
}  // namespace tidegate::audit

int main(int argc, char** argv) {
    const auto records = argc > 2 ? tidegate::parse_u64(argv[2]) : 3'000'000;
    if (argc < 2 || !records) tidegate::audit::give_up("use: audit_verify_bench FOLDER [RECORDS]");
    return tidegate::audit::run(argv[1], *records);
}
