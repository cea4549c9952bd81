// Durable decisions a second into a log in PostgreSQL, from threads that keep a number of records in flight.
//
// Use         postgres_log_bench URL SECONDS THREADS IN_FLIGHT   (records of about 300 bytes; a schema of its own, left behind)
#include <fmt/format.h>

#include <atomic>
#include <cstdio>
#include <thread>

#include "audit/postgres/postgres_decision_log.h"
#include "base/strings.h"

namespace {

using namespace tidegate;  // NOLINT(google-build-using-namespace)

audit::Decision make_record(const Clock& clock, Random& random, std::uint64_t n) {
    audit::Decision decision;
    decision.id = make_uuid7(clock, random);
    decision.request_id = fmt::format("request-{:010}", n);
    decision.tenant = "acme";
    decision.actor = "key-1";
    decision.service = "provenance";
    decision.operation = "detect/text";
    decision.input_hash[0] = static_cast<std::uint8_t>(n);
    decision.input_size = 900;
    decision.model = "text_detector";
    decision.model_version = "1.0.0";
    decision.output = R"({"score":0.731,"band":"human","confidence":0.92})";
    decision.band = "human";
    decision.confidence = 0.92;
    decision.latency_us = 120;
    decision.stages = {{"parse", 3}, {"detect", 90}};
    return decision;
}

int run(const std::string& url, std::uint64_t seconds, std::uint64_t threads, std::uint64_t in_flight) {
    const SystemClock clock;
    SystemRandom random;
    audit::postgres::PostgresLogOptions options;
    options.url = url;
    options.schema = fmt::format("bench_{}", clock.unix_ms());
    auto log = audit::postgres::PostgresDecisionLog::open(options, clock, random);
    if (!log) {
        fmt::print(stderr, "{}\n", log.error().message);
        return 1;
    }
    std::atomic<std::uint64_t> acknowledged{0};
    std::atomic<std::uint64_t> refused{0};
    std::atomic<std::uint64_t> waiting{0};
    const SteadyTime begin = clock.now();
    const SteadyTime end = begin + std::chrono::seconds(seconds);
    std::vector<std::thread> senders;
    for (std::uint64_t thread = 0; thread < threads; ++thread) {
        senders.emplace_back([&, thread] {
            for (std::uint64_t n = thread; clock.now() < end; n += threads) {
                for (std::uint64_t now = waiting.load(); now >= in_flight; now = waiting.load()) waiting.wait(now);
                ++waiting;
                (*log)->append(make_record(clock, random, n), [&](const Result<void>& done) {
                    ++(done ? acknowledged : refused);
                    if (waiting.fetch_sub(1) == in_flight) waiting.notify_all();
                });
            }
        });
    }
    for (std::thread& sender : senders) sender.join();
    (*log)->flush();
    const double took = std::chrono::duration<double>(clock.now() - begin).count();
    const audit::LogHealth health = (*log)->health();
    fmt::print(
        "{{\"decisions_per_second\":{:.0f},\"acknowledged\":{},\"refused\":{},\"blocks\":{},\"records_per_block\":{:."
        "0f},"
        "\"commit_us_max\":{},\"seconds\":{:.2f},\"threads\":{},\"in_flight\":{}}}\n",
        static_cast<double>(acknowledged.load()) / took, acknowledged.load(), refused.load(), health.commits,
        static_cast<double>(health.appended) / static_cast<double>(std::max<std::uint64_t>(1, health.commits)),
        health.commit_us_max, took, threads, in_flight);
    return refused.load() == 0 ? 0 : 1;
}

}  // namespace

int main(int argc, char** argv) {
    const auto number = [&](int at, std::uint64_t otherwise) {
        return argc > at ? parse_u64(argv[at]).value_or(otherwise) : otherwise;
    };
    if (argc < 2) return 2;
    return run(argv[1], number(2, 5), number(3, 1), number(4, 20'000));
}
