// From a server's log through librdkafka's mock cluster to a worker: a position that is rolled back or lost doubles nothing. The mock keeps
// 5 MiB a partition, so what is sent here is far less.
#include <librdkafka/rdkafka.h>
#include <librdkafka/rdkafka_mock.h>

#include <chrono>
#include <map>
#include <thread>

#include "base/file.h"
#include "bus/bus_fixture.h"
#include "bus/shipper.h"
#include "bus/super_checkpoint.h"
#include "bus/worker.h"

namespace tidegate::bus {
namespace {

class MockCluster {
  public:
    MockCluster() {
        char reason[256];
        rd_kafka_conf_t* conf = rd_kafka_conf_new();
        rd_kafka_conf_set_log_cb(conf, [](const rd_kafka_t*, int, const char*, const char*) {});
        handle_ = rd_kafka_new(RD_KAFKA_PRODUCER, conf, reason, sizeof reason);
        cluster_ = rd_kafka_mock_cluster_new(handle_, 1);
        rd_kafka_mock_topic_create(cluster_, "decisions", 2, 1);
    }
    ~MockCluster() {
        rd_kafka_mock_cluster_destroy(cluster_);
        rd_kafka_destroy(handle_);
    }
    MockCluster(const MockCluster&) = delete;
    MockCluster& operator=(const MockCluster&) = delete;
    Brokers brokers() const { return {.list = rd_kafka_mock_cluster_bootstraps(cluster_)}; }

  private:
    rd_kafka_t* handle_;
    rd_kafka_mock_cluster_t* cluster_;
};

bool wait_until(const std::function<bool()>& holds) {
    const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(60);
    while (!holds()) {
        if (std::chrono::steady_clock::now() > deadline) return false;
        std::this_thread::sleep_for(std::chrono::milliseconds(10));
    }
    return true;
}

class ShippingTest : public ::testing::Test {
  protected:
    ShippingTest() {
        auto log = audit::segments::SegmentLog::open(
            std::make_unique<audit::segments::SystemLogFolder>(folder_.path() + "/own"), small_log(), clock_, random_);
        EXPECT_TRUE(log.has_value());
        log_ = *std::move(log);
    }
    void append(std::uint64_t from, std::uint64_t to) {
        for (std::uint64_t n = from; n < to; ++n) {
            const auto bytes = record_bytes(n, "tenant-" + std::to_string(n % 5));
            log_->append(audit::segments::to_decision(*audit::segments::decode(bytes)), {});
        }
        log_->flush();
    }
    std::unique_ptr<Shipper> shipper() {
        ShipperOptions options{.producer = {.brokers = cluster_.brokers(), .topic = "decisions"},
                               .position_path = position_path(),
                               .block_bytes = 16 * 1024,
                               .linger = std::chrono::milliseconds(1),
                               .round_bytes_max = 64 * 1024};
        auto opened = Shipper::open(std::move(options), log_->reader(), log_->log_id(), nullptr);
        EXPECT_TRUE(opened.has_value()) << opened.error().message;
        return *std::move(opened);
    }
    /// Sends all there is.
    void ship() {
        const auto own = shipper();
        own->start();
        EXPECT_TRUE(wait_until([&] { return own->health().behind == 0; })) << own->health().failure;
    }
    std::string position_path() const { return folder_.path() + "/position"; }
    ShipPosition position() const { return *decode_position(*SystemDisk().read(position_path(), 4096)); }
    void put_position(const ShipPosition& p) {
        EXPECT_TRUE(SystemDisk().write_atomic(position_path(), encode_position(p)));
    }

    WorkerOptions worker_options() const {
        return {.brokers = cluster_.brokers(),
                .topic = "decisions",
                .group = "g",
                .folder = folder_.path() + "/logs",
                .origin = "tidegate/decisions",
                .log = small_log()};
    }
    /// Everything the topic has, into the partitions' logs.
    WorkerHealth consume(std::uint64_t records) {
        const SystemClock clock;
        auto worker = Worker::start(worker_options(), clock, random_, nullptr);
        EXPECT_TRUE(worker.has_value());
        const auto done = [&] {
            std::uint64_t size = 0;
            std::uint64_t lag = 0;
            const WorkerHealth health = (*worker)->health();
            for (const PartitionState& one : health.partitions) {
                size += one.log.size;
                lag += one.lag_messages;
            }
            return health.partitions.size() == 2 && size >= records && lag == 0;
        };
        EXPECT_TRUE(wait_until(done));
        const WorkerHealth health = (*worker)->health();
        (*worker)->stop();
        return health;
    }
    /// Request ids by tenant, in the order in which the partitions' logs hold them.
    std::map<std::string, std::vector<std::uint64_t>> kept() const {
        std::map<std::string, std::vector<std::uint64_t>> numbers;
        for (std::uint32_t partition = 0; partition < 2; ++partition) {
            for (const std::string& request : requests_in(partition_folder(folder_.path() + "/logs", partition))) {
                const auto n = parse_u64(std::string_view(request).substr(8)).value_or(0);
                numbers["tenant-" + std::to_string(n % 5)].push_back(n);
            }
        }
        return numbers;
    }
    void expect_each_once_in_order(std::uint64_t count) const {
        for (const auto& [tenant, numbers] : kept()) {
            std::vector<std::uint64_t> expected;
            for (std::uint64_t n = tenant.back() - '0'; n < count; n += 5) expected.push_back(n);
            EXPECT_EQ(numbers, expected) << tenant;
        }
        EXPECT_EQ(kept().size(), 5U);
    }

    BusFolder folder_;
    const ManualClock clock_{1'800'000'000'000};
    SeededRandom random_{5};
    MockCluster cluster_;
    std::unique_ptr<audit::segments::SegmentLog> log_;
};

TEST_F(ShippingTest, ALogArrivesOnceAndInOrder) {
    append(0, 2'000);
    ship();
    append(2'000, 2'500);
    ship();
    EXPECT_EQ(position().shipped, 2'500U);
    consume(2'500);
    log_->close();
    expect_each_once_in_order(2'500);
}

TEST_F(ShippingTest, ADeathBeforeTheRoundIsNotedSendsItAgainAndDoublesNothing) {
    append(0, 1'000);
    ship();
    // As if the last rounds had been sent, and death had come before that was noted.
    ShipPosition before = position();
    before.shipped = 0;
    before.round_end = 0;
    put_position(before);
    append(1'000, 1'100);
    ship();
    const WorkerHealth health = consume(1'100);
    std::uint64_t duplicates = 0;
    for (const PartitionState& one : health.partitions) duplicates += one.log.duplicate_blocks;
    EXPECT_GT(duplicates, 0U) << "nothing was sent twice: the test shows nothing";
    log_->close();
    expect_each_once_in_order(1'100);
}

TEST_F(ShippingTest, ALostPositionWithOtherRoundsDoublesNothing) {
    append(0, 777);
    ship();
    consume(777);
    ASSERT_TRUE(std::filesystem::remove(position_path()));
    append(777, 1'500);
    ship();
    const WorkerHealth health = consume(1'500);
    std::uint64_t duplicates = 0;
    for (const PartitionState& one : health.partitions)
        duplicates += one.log.duplicate_blocks + one.log.duplicate_records;
    EXPECT_GT(duplicates, 0U);
    log_->close();
    expect_each_once_in_order(1'500);
}

TEST_F(ShippingTest, APositionOfAnotherLogOrBeyondTheEndStopsTheStart) {
    append(0, 10);
    ship();
    const ShipPosition good = position();
    ShipPosition bad = good;
    bad.log_id[0] ^= 1;
    put_position(bad);
    const ShipperOptions options{.producer = {.brokers = cluster_.brokers(), .topic = "decisions"},
                                 .position_path = position_path()};
    EXPECT_EQ(Shipper::open(options, log_->reader(), log_->log_id(), nullptr).error().code, ErrorCode::kConflict);
    bad = good;
    bad.shipped = 11;
    put_position(bad);
    EXPECT_EQ(Shipper::open(options, log_->reader(), log_->log_id(), nullptr).error().code, ErrorCode::kDataLoss);
    ASSERT_TRUE(SystemDisk().write_atomic(position_path(), "nonsense"));
    EXPECT_EQ(Shipper::open(options, log_->reader(), log_->log_id(), nullptr).error().code, ErrorCode::kDataLoss);
}

}  // namespace
}  // namespace tidegate::bus
