// Decisions through a real broker: workers and the broker are killed in between, and every decision is there once, verified.
#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <thread>

#include "audit/proof/checkpoint.h"
#include "audit/segments/record.h"
#include "audit/verify/verify.h"
#include "base/file.h"
#include "base/strings.h"
#include "bus/block_sender.h"
#include "bus/packed_block.h"
#include "bus/super_checkpoint.h"
#include "kafka/broker.h"
#include "support/server_process.h"

namespace tidegate::testing {
namespace {

using std::chrono::steady_clock;

constexpr int kPartitions = 4;
constexpr std::uint64_t kTenants = 16;
constexpr std::uint64_t kRecordsABlock = 800;  // 240 kB before compression.

std::uint64_t decisions_wanted() {
    const char* text = std::getenv("KAFKA_TEST_DECISIONS");
    return text == nullptr ? 300'000 : parse_u64(text).value_or(300'000);
}

Uuid id_of(std::uint64_t n) {
    Uuid id{};
    const std::uint64_t time = 1'772'366'400'000 + n / 500;
    for (std::size_t i = 0; i < 6; ++i) id.bytes[i] = static_cast<std::uint8_t>(time >> (40 - 8 * i));
    const std::uint64_t mixed = mix64(n + 1);
    std::memcpy(id.bytes.data() + 8, &mixed, 8);
    id.bytes[6] = 0x70;
    id.bytes[8] = static_cast<std::uint8_t>((id.bytes[8] & 0x3FU) | 0x80U);
    return id;
}

/// Records of exactly 300 bytes.
class Records {
  public:
    Records() {
        decision_.request_id = std::string(32, 'r');
        decision_.service = "provenance";
        decision_.operation = "detect/text";
        decision_.model = "text_detector";
        decision_.model_version = "1.0.0";
        decision_.tenant = "tenant-00";
        decision_.band = "human";
        decision_.confidence = 0.25;
        decision_.stages = {{"parse", 12}, {"score", 200}};
        decision_.output = std::string(300 - audit::segments::encoded_size(decision_), ' ');
        decision_.output.front() = '"';
        decision_.output.back() = '"';
        bytes_.resize(300);
    }
    bus::Bytes record(std::uint64_t n, const std::string& tenant) {
        decision_.id = id_of(n);
        decision_.tenant = tenant;
        write_hex(decision_.id.bytes.data(), 16, decision_.request_id.data());
        const std::uint64_t input = mix64(n + 7);
        std::memcpy(decision_.input_hash.data(), &input, 8);
        EXPECT_EQ(audit::segments::encoded_size(decision_), bytes_.size());
        audit::segments::encode(decision_, decision_.time(), bytes_);
        return bytes_;
    }

  private:
    audit::Decision decision_;
    std::vector<std::uint8_t> bytes_;
};

class KafkaTest : public ::testing::Test {
  protected:
    void SetUp() override {
        if (const std::string reason = Broker::unavailable(); !reason.empty()) GTEST_SKIP() << reason;
        broker_ = Broker::start(folder_.path() + "/broker", kPartitions);
        ASSERT_NE(broker_, nullptr) << "the broker does not start";
    }

    /// Waits until it has started: from then on a signal ends it in order.
    std::unique_ptr<Child> worker(int number) {
        const std::string log = folder_.path() + "/worker-" + std::to_string(number) + ".log";
        const auto starts = [&] {
            const auto text = SystemDisk().read(log, 64U << 20U);
            std::size_t count = 0;
            for (std::size_t at = 0; text && (at = text->find("kafka_worker_started", at)) != std::string::npos; ++at)
                ++count;
            return count;
        };
        const std::size_t before = starts();
        auto child =
            Child::start({binary_path(), "kafka", "worker", "--kafka.brokers", broker_->address(), "--kafka.topic",
                          "decisions", "--kafka.folder", logs(), "--kafka.session_s", "2", "--log.level", "info"},
                         log);
        EXPECT_TRUE(wait_until([&] { return starts() > before || !child->is_running(); }, std::chrono::seconds(60)));
        EXPECT_TRUE(child->is_running()) << SystemDisk().read(log, 64U << 20U).value_or("");
        return child;
    }
    std::string logs() const { return folder_.path() + "/logs"; }

    /// Sends decisions [0, count) from a thread of its own; each block is a round of its own.
    void produce(bus::BlockSender& sender, std::uint64_t count) {
        Records records;
        bus::BlockBuilder builder;
        bus::LogId origin{};
        origin[0] = 0x0F;
        for (std::uint64_t first = 0, block = 0; first < count; ++block) {
            const std::uint64_t end = std::min(count, first + kRecordsABlock);
            const std::string tenant =
                "tenant-" + std::string(block % kTenants < 10 ? "0" : "") + std::to_string(block % kTenants);
            for (std::uint64_t n = first; n < end; ++n) builder.add(records.record(n, tenant));
            const auto sent = sender.send(tenant, builder.take({origin, first, end, first}));
            ASSERT_TRUE(sent.has_value() && *sent) << (sent ? "stopped" : sent.error().message);
            first = end;
        }
        const auto all = sender.wait_all();
        ASSERT_TRUE(all.has_value() && *all);
    }

    /// Records under the newest checkpoints of all partitions.
    std::uint64_t kept() const {
        std::uint64_t size = 0;
        for (std::uint32_t partition = 0; partition < kPartitions; ++partition) {
            const auto note =
                SystemDisk().read(bus::partition_folder(logs(), partition) + "/latest-checkpoint", 65'536);
            if (!note) continue;
            const auto opened = audit::proof::parse_note(*note);
            if (!opened) continue;
            const auto checkpoint = audit::proof::parse_checkpoint(opened->text);
            if (checkpoint) size += checkpoint->head.size;
        }
        return size;
    }

    static bool wait_until(const std::function<bool()>& holds, std::chrono::seconds most) {
        const auto deadline = steady_clock::now() + most;
        while (!holds()) {
            if (steady_clock::now() > deadline) return false;
            std::this_thread::sleep_for(std::chrono::milliseconds(20));
        }
        return true;
    }

    std::vector<Uuid> ids_kept() const {
        std::vector<Uuid> ids;
        for (std::uint32_t partition = 0; partition < kPartitions; ++partition) {
            const auto walked = audit::verify::walk_records(bus::partition_folder(logs(), partition),
                                                            [&](std::uint64_t, audit::verify::Bytes bytes) {
                                                                Uuid id{};
                                                                std::memcpy(id.bytes.data(), bytes.data() + 16, 16);
                                                                ids.push_back(id);
                                                                return true;
                                                            });
            EXPECT_TRUE(walked.has_value());
        }
        return ids;
    }

    void expect_exactly(std::uint64_t count) {
        auto ids = ids_kept();
        EXPECT_EQ(ids.size(), count) << "records";
        std::vector<Uuid> expected;
        for (std::uint64_t n = 0; n < count; ++n) expected.push_back(id_of(n));
        const auto less = [](const Uuid& a, const Uuid& b) { return a.bytes < b.bytes; };
        std::ranges::sort(ids, less);
        std::ranges::sort(expected, less);
        const auto same = [](const Uuid& a, const Uuid& b) { return a.bytes == b.bytes; };
        EXPECT_TRUE(std::ranges::equal(ids, expected, same)) << "other ids than were sent";
        const auto repeated = std::ranges::unique(ids, same);
        EXPECT_EQ(static_cast<std::uint64_t>(repeated.begin() - ids.begin()), count) << "distinct ids";
    }

    void expect_verified() {
        const RunResult verified = run_binary({"kafka", "verify", logs(), "--key", logs() + "/checkpoint.keys"});
        EXPECT_EQ(verified.status, 0) << verified.out << verified.error;
        summary_ = verified.out.substr(verified.out.rfind('\n', verified.out.size() - 2) + 1);
    }

    TemporaryFolder folder_;
    std::unique_ptr<Broker> broker_;
    std::string summary_;
};

TEST_F(KafkaTest, KilledWorkersAndBrokersLoseAndDoubleNothing) {
    const std::uint64_t count = decisions_wanted();
    const std::uint64_t blocks = (count + kRecordsABlock - 1) / kRecordsABlock;
    const auto begin = steady_clock::now();
    bus::BlockSender sender(
        {.brokers = {.list = broker_->address()}, .topic = "decisions", .queue_bytes_max = 2U << 20U});
    std::thread producing([&] { produce(sender, count); });
    std::vector<std::unique_ptr<Child>> workers;
    workers.push_back(worker(0));
    workers.push_back(worker(1));
    int worker_kills = 0;
    int broker_kills = 0;
    const auto limit = std::chrono::seconds(60 + static_cast<int>(count / 10'000));
    // Ends the sending thread on every way out.
    struct Joiner {
        bus::BlockSender& sender;
        std::thread& thread;
        ~Joiner() {
            sender.stop();
            if (thread.joinable()) thread.join();
        }
    } const joiner{sender, producing};
    const auto reached = [&](std::uint64_t percent, std::uint64_t kept_percent) {
        const bool there = wait_until(
            [&] { return sender.acknowledged() >= blocks * percent / 100 && kept() >= count * kept_percent / 100; },
            limit);
        EXPECT_TRUE(there) << "acknowledged " << sender.acknowledged() << " of " << blocks << " blocks, kept " << kept()
                           << "; " << sender.health().reason;
        return there && !HasFailure();
    };
    const auto kill_worker = [&](std::size_t which) {
        workers[which]->kill_now();
        ++worker_kills;
        workers[which] = worker(static_cast<int>(which));
    };
    ASSERT_TRUE(reached(5, 0));
    EXPECT_TRUE(broker_->kill_and_restart());
    ++broker_kills;
    ASSERT_TRUE(reached(20, 3));
    kill_worker(0);
    ASSERT_TRUE(reached(40, 20));
    kill_worker(1);
    EXPECT_TRUE(broker_->kill_and_restart());
    ++broker_kills;
    ASSERT_TRUE(reached(60, 40));
    kill_worker(0);
    kill_worker(1);
    ASSERT_TRUE(reached(80, 60));
    // One leaves in order: the other gets its partitions, and gives some back when it returns.
    EXPECT_EQ(workers[0]->end(60), 0);
    workers[0] = worker(0);
    EXPECT_TRUE(broker_->kill_and_restart());
    ++broker_kills;
    ASSERT_TRUE(reached(100, 85));
    kill_worker(1);
    producing.join();
    ASSERT_TRUE(wait_until([&] { return kept() >= count; }, limit)) << "kept " << kept() << " of " << count;
    const double seconds = std::chrono::duration<double>(steady_clock::now() - begin).count();
    for (auto& one : workers) EXPECT_EQ(one->end(60), 0);
    expect_verified();
    expect_exactly(count);
    RecordProperty("seconds", std::to_string(seconds));
    RecordProperty("worker_kills", worker_kills);
    RecordProperty("broker_kills", broker_kills);
    std::printf("%llu decisions, %d kills of workers, %d of the broker, %.1f s, producers replaced %llu: %s",
                static_cast<unsigned long long>(count), worker_kills, broker_kills, seconds,
                static_cast<unsigned long long>(sender.health().producers_replaced), summary_.c_str());
}

TEST_F(KafkaTest, PoisonIsSetAsideAndTheRestGoesOn) {
    auto one = worker(0);
    auto producer = bus::Producer::open({.brokers = {.list = broker_->address()}, .topic = "decisions"});
    ASSERT_TRUE(producer);
    ASSERT_TRUE((*producer)->send("tenant-00", "not a block", {}));
    ASSERT_TRUE((*producer)->flush(std::chrono::seconds(60)));
    bus::BlockSender sender({.brokers = {.list = broker_->address()}, .topic = "decisions"});
    produce(sender, 1'600);
    EXPECT_TRUE(wait_until([&] { return kept() >= 1'601; }, std::chrono::seconds(60))) << kept();
    EXPECT_EQ(one->end(60), 0);
    std::uint64_t letters = 0;
    for (const auto& entry : std::filesystem::recursive_directory_iterator(logs())) {
        if (entry.path().extension() == ".message") ++letters;
    }
    EXPECT_EQ(letters, 1U);
    expect_verified();
}

}  // namespace
}  // namespace tidegate::testing
