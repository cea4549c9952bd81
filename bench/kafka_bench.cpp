// Decisions through one real Kafka broker: made, hashed, packed, sent, acknowledged, fetched, checked, and durable in the partitions' logs; producer,
// broker and worker share the machine's cores.
//
// Use         tools/dev/kafka.sh fetch build/kafka
//             kafka_bench FOLDER [RECORDS, default 9000000] > bench/results/kafka.json       (from the repository's root)
//             FOLDER must be on the disk that is to be measured; what the benchmark makes there is removed.
#include <fcntl.h>
#include <fmt/format.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <thread>

#include "base/strings.h"
#include "bus/block_sender.h"
#include "bus/packed_block.h"
#include "bus/worker.h"

namespace tidegate::bus {
namespace {

using Steady = std::chrono::steady_clock;

constexpr std::uint64_t kPort = 19'392;
constexpr int kPartitions = 4;
constexpr std::uint64_t kTenants = 16;
constexpr std::uint64_t kRecordsABlock = 800;

double seconds_since(Steady::time_point begin) {
    return std::chrono::duration<double>(Steady::now() - begin).count();
}

[[noreturn]] void give_up(std::string_view what) {
    fmt::print(stderr, "kafka_bench: {}\n", what);
    std::exit(1);
}

double own_cpu() {
    rusage usage{};
    ::getrusage(RUSAGE_SELF, &usage);
    const auto seconds = [](const timeval& t) {
        return static_cast<double>(t.tv_sec) + 1e-6 * static_cast<double>(t.tv_usec);
    };
    return seconds(usage.ru_utime) + seconds(usage.ru_stime);
}

// Fields 14 and 15 of /proc/PID/stat, in ticks; the name before them may hold spaces.
double cpu_of(pid_t pid) {
    std::ifstream file(fmt::format("/proc/{}/stat", pid));
    std::string text;
    std::getline(file, text);
    const auto fields = split(std::string_view(text).substr(text.rfind(')') + 2), ' ');
    if (fields.size() < 13) return 0;
    const double ticks = static_cast<double>(parse_u64(fields[11]).value_or(0) + parse_u64(fields[12]).value_or(0));
    return ticks / static_cast<double>(::sysconf(_SC_CLK_TCK));
}

pid_t start_broker(const std::string& data) {
    const pid_t pid = ::fork();
    if (pid != 0) return pid;
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);
    const int null = ::open("/dev/null", O_RDWR | O_CLOEXEC);
    ::dup2(null, STDOUT_FILENO);
    const std::string port = std::to_string(kPort);
    const std::string partitions = std::to_string(kPartitions);
    ::execl("/bin/bash", "bash", "tools/dev/kafka.sh", "run", "build/kafka", data.c_str(), port.c_str(),
            partitions.c_str(), nullptr);
    ::_exit(127);
}

/// Records of exactly 300 bytes, each with an id, a request id and an input hash of its own.
class Generator {
  public:
    Generator() {
        decision_.service = "provenance";
        decision_.operation = "detect/text";
        decision_.model = "text_detector";
        decision_.model_version = "1.0.0";
        decision_.tenant = "tenant-00";
        decision_.request_id = std::string(32, 'r');
        decision_.band = "human";
        decision_.confidence = 0.25;
        decision_.stages = {{"parse", 12}, {"score", 200}};
        decision_.output = std::string(300 - audit::segments::encoded_size(decision_), ' ');
        decision_.output.front() = '"';
        decision_.output.back() = '"';
        bytes_.resize(300);
    }
    Bytes next(std::uint64_t tenant) {
        const std::uint64_t n = ++count_;
        std::uint64_t time = 1'772'366'400'000 + n / 500;
        for (std::size_t i = 6; i-- > 0; time >>= 8U) decision_.id.bytes[i] = static_cast<std::uint8_t>(time);
        const std::uint64_t mixed = mix64(n * 0x9e3779b97f4a7c15ULL);
        std::memcpy(decision_.id.bytes.data() + 8, &mixed, 8);
        decision_.id.bytes[6] = 0x70;
        decision_.id.bytes[8] = static_cast<std::uint8_t>((decision_.id.bytes[8] & 0x3FU) | 0x80U);
        write_hex(decision_.id.bytes.data(), 16, decision_.request_id.data());
        const std::uint64_t input = mix64(mixed);
        // All of it: a hash does not compress.
        for (std::size_t i = 0; i < 4; ++i) {
            const std::uint64_t word = mix64(input + i);
            std::memcpy(decision_.input_hash.data() + 8 * i, &word, 8);
        }
        decision_.tenant[7] = static_cast<char>('0' + tenant / 10);
        decision_.tenant[8] = static_cast<char>('0' + tenant % 10);
        decision_.latency_us = static_cast<std::int64_t>(n % 3000);
        audit::segments::encode(decision_, decision_.time(), bytes_);
        return bytes_;
    }

  private:
    audit::Decision decision_;
    std::vector<std::uint8_t> bytes_;
    std::uint64_t count_ = 0;
};

std::uint64_t durable(const Worker& worker) {
    std::uint64_t records = 0;
    for (const PartitionState& one : worker.health().partitions) records += one.log.size;
    return records;
}

void send(BlockSender& sender, Generator& generator, std::uint64_t from, std::uint64_t to) {
    BlockBuilder builder;
    LogId origin{};
    origin[0] = 0x0B;
    for (std::uint64_t first = from; first < to; first += kRecordsABlock) {
        const std::uint64_t end = std::min(to, first + kRecordsABlock);
        const std::uint64_t tenant = first / kRecordsABlock % kTenants;
        for (std::uint64_t n = first; n < end; ++n) builder.add(generator.next(tenant));
        const auto sent = sender.send(fmt::format("tenant-{:02}", tenant), builder.take({origin, first, end, first}));
        if (!sent || !*sent) give_up(sent ? "stopped" : sent.error().message);
    }
    const auto all = sender.wait_all();
    if (!all || !*all) give_up("not everything was acknowledged");
}

void wait_until_durable(const Worker& worker, std::uint64_t records) {
    const auto begin = Steady::now();
    while (durable(worker) < records) {
        if (seconds_since(begin) > 300) give_up("the worker does not get on");
        std::this_thread::sleep_for(std::chrono::milliseconds(5));
    }
}

void measure(const std::string& folder, std::uint64_t records, pid_t broker) {
    const SystemClock clock;
    SystemRandom random;
    const Brokers brokers{.list = fmt::format("127.0.0.1:{}", kPort)};
    BlockSender sender({.brokers = brokers, .topic = "bench", .queue_bytes_max = 16U << 20U});
    Generator generator;
    // Makes the topic, and warms up the broker's virtual machine.
    const std::uint64_t warm = records / 10 / kRecordsABlock * kRecordsABlock;
    send(sender, generator, 0, warm);
    auto worker = Worker::start({.brokers = brokers,
                                 .topic = "bench",
                                 .group = "bench",
                                 .folder = folder + "/logs",
                                 .origin = "tidegate/bench"},
                                clock, random, nullptr);
    if (!worker) give_up(worker.error().message);
    wait_until_durable(**worker, warm);
    const std::uint64_t bytes_before = sender.health().bytes;
    const double own_before = own_cpu();
    const double broker_before = cpu_of(broker);
    double load = 0;
    std::ifstream("/proc/loadavg") >> load;
    const auto begin = Steady::now();
    send(sender, generator, warm, warm + records);
    const double acknowledged = seconds_since(begin);
    wait_until_durable(**worker, warm + records);
    const double seconds = seconds_since(begin);
    const double own = own_cpu() - own_before;
    const double of_broker = cpu_of(broker) - broker_before;
    const WorkerHealth health = (*worker)->health();
    std::uint64_t duplicates = 0;
    for (const PartitionState& one : health.partitions) duplicates += one.log.duplicate_blocks;
    (*worker)->stop();
    const auto count = static_cast<double>(records);
    fmt::print(
        "{{\n  \"date\": \"{}\",\n  \"command\": \"kafka_bench FOLDER {}\",\n  \"what\": \"one broker (Apache Kafka "
        "3.9.1, KRaft), one producer and one worker on the same cores; from the first record made to the last one "
        "durable in its partition's log\",\n  \"cores\": {},\n  \"load_average_before\": {:.2f},\n  \"records\": {},\n "
        " \"record_bytes\": 300,\n  \"partitions\": {},\n  \"records_per_block\": {},\n  \"message_bytes_per_record\": "
        "{:.1f},\n  \"seconds\": {:.3f},\n  \"records_per_s\": {:.0f},\n  \"goal_records_per_s\": 300000,\n  "
        "\"seconds_until_acknowledged\": {:.3f},\n  \"producer_and_worker_cpu_us_per_record\": {:.3f},\n  "
        "\"broker_cpu_us_per_record\": {:.3f},\n  \"cores_used\": {:.2f},\n  \"duplicate_blocks\": {},\n  "
        "\"producers_replaced\": {}\n}}\n",
        format_rfc3339(clock.unix_ms()), records, std::thread::hardware_concurrency(), load, records, kPartitions,
        kRecordsABlock, static_cast<double>(sender.health().bytes - bytes_before) / count, seconds, count / seconds,
        acknowledged, own * 1e6 / count, of_broker * 1e6 / count, (own + of_broker) / seconds, duplicates,
        sender.health().producers_replaced);
}

}  // namespace
}  // namespace tidegate::bus

int main(int argc, char** argv) {
    using namespace tidegate::bus;
    if (argc < 2) give_up("FOLDER [RECORDS]");
    const std::string folder = std::string(argv[1]) + "/kafka-bench";
    const std::uint64_t records = argc > 2 ? tidegate::parse_u64(argv[2]).value_or(0) : 9'000'000;
    if (records < 10'000) give_up("RECORDS is a number over 10,000");
    std::filesystem::create_directories(folder);
    const pid_t broker = start_broker(folder + "/broker");
    measure(folder, records / kRecordsABlock * kRecordsABlock, broker);
    ::kill(broker, SIGKILL);
    ::waitpid(broker, nullptr, 0);
    std::filesystem::remove_all(folder);
    return 0;
}
