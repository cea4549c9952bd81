// The topology of deploy/compose as plain processes on loopback: two servers behind nginx with the shipped nginx.conf, one PostgreSQL with
// a schema for each, one Redis, and where it can be had Kafka with a worker. What breaks when one of them goes, and what must not.
#include <fmt/format.h>
#include <gmock/gmock.h>

#include <signal.h>

#include <array>
#include <atomic>
#include <filesystem>
#include <set>
#include <thread>

#include "audit/verify/verify.h"
#include "audit_postgres/postgres_server.h"
#include "base/file.h"
#include "base/strings.h"
#include "bus/super_checkpoint.h"
#include "kafka/broker.h"
#include "support/redis_server.h"
#include "system/gate.h"

namespace tidegate::testing {
namespace {

using ::testing::HasSubstr;
using SteadyClock = std::chrono::steady_clock;

std::string repository_folder() {
    const char* folder = std::getenv("TIDEGATE_SOURCE_DIR");
    return folder != nullptr ? folder : ".";
}

/// Below those that the kernel gives by itself (ip_local_port_range: from 32768): nobody else gets it before its server starts, nor while
/// that is away.
std::uint16_t free_port() {
    static int next = 10'000 + ::getpid() % 20'000;
    for (int tries = 0; tries < 1'000; ++tries) {
        next = next < 32'000 ? next + 1 : 10'000;
        const int fd = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        sockaddr_in address{};
        address.sin_family = AF_INET;
        address.sin_port = htons(static_cast<std::uint16_t>(next));
        address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        const bool is_free = ::bind(fd, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0;
        ::close(fd);
        if (is_free) return static_cast<std::uint16_t>(next);
    }
    ADD_FAILURE() << "no port is free";
    return 0;
}

/// One server of the two, always on the same port and folder.
struct Instance {
    std::string folder;
    std::string config;
    std::uint16_t port = 0;
    std::unique_ptr<Child> process;

    bool start() {
        process = Child::start(
            {binary_path(), "serve", "--config", config, "--data-dir", folder, "--port", std::to_string(port)},
            folder + "/server.log");
        return wait_ready();
    }
    bool wait_ready() {
        const auto deadline = SteadyClock::now() + std::chrono::seconds(60);
        while (SteadyClock::now() < deadline && process->is_running()) {
            if (get(port, "/ready").status == 200) return true;
            rest(std::chrono::milliseconds(20));
        }
        ADD_FAILURE() << "not ready: " << SystemDisk().read(folder + "/server.log", 1 << 24).value_or("no log");
        return false;
    }
};

class Cluster : public GateFixture {
  protected:
    static constexpr int kClients = 4;

    void SetUp() override {
        NEED_POSTGRES();
        NEED_REDIS_SERVER();
        if (run_program("nginx", {"-v"}).status != 0) GTEST_SKIP() << "nginx is not installed";
        database_ = PostgresServer::start();
        redis_ = RedisServer::start();
        ASSERT_NE(database_, nullptr);
        ASSERT_NE(redis_, nullptr);
    }

    std::string yaml(int number, const std::string& more) const {
        std::string text = settings(
            "  paid: {path: /paid, upstream: app, cost: \"0.1\", cache: {mode: \"off\"}}\n"
            "  limited: {path: /limited, upstream: app, cache: {mode: \"off\"}, rate: 40/1h}\n"
            "  kept: {path: /kept, upstream: app, cache: {mode: fixed, ttl_s: 600, shared: true}}\n");
        text += "server: {trusted_proxies: [127.0.0.1/32]}\n";
        text += "identity: {address_salt: one-salt-for-the-cluster}\n";
        // Late on a busy machine is not away: a Redis that is gone refuses at once.
        text += fmt::format("redis: {{url: \"redis://127.0.0.1:{}\", command_max_ms: 5000}}\n", redis_->port());
        text += fmt::format("database: {{url: \"{}\", schema: tidegate_{}}}\n", database_->url(), number);
        return text + "audit: {store: postgres, checkpoint_interval_s: 0.1}\n" + more;
    }

    /// Both servers and nginx in front of them, everything shared.
    void open(const std::string& more = {}) {
        for (int i = 0; i < 2; ++i) {
            Instance& one = instances_[static_cast<std::size_t>(i)];
            one.folder = folder_.path() + "/" + std::to_string(i + 1);
            std::filesystem::create_directory(one.folder);
            one.config = one.folder + "/tidegate.yaml";
            std::ofstream(one.config) << yaml(i + 1, more);
            one.port = free_port();
            ASSERT_TRUE(one.start());
        }
        for (const Instance& one : instances_) ASSERT_TRUE(shares(one)) << one.port;
        front_ = free_port();
        std::string text = SystemDisk().read(repository_folder() + "/deploy/nginx/nginx.conf", 1 << 20).value_or("");
        ASSERT_THAT(text, HasSubstr("tidegate-1:8000"));
        replace_all(text, "tidegate-1:8000", fmt::format("127.0.0.1:{}", instances_[0].port));
        replace_all(text, "tidegate-2:8000", fmt::format("127.0.0.1:{}", instances_[1].port));
        replace_all(text, "listen 8080", fmt::format("listen 127.0.0.1:{}", front_));
        replace_all(text, "/tmp/nginx", folder_.path() + "/nginx");
        const std::string config = folder_.path() + "/nginx.conf";
        std::ofstream(config) << text;
        nginx_ = Child::start({"nginx", "-c", config, "-p", folder_.path(), "-g", "daemon off;"},
                              folder_.path() + "/nginx.log");
        const auto answers = [&] { return get(front_, "/nginx-health").status; };
        ASSERT_EQ(ask_until(answers, [](int status) { return status == 204; }), 204)
            << SystemDisk().read(folder_.path() + "/nginx.log", 1 << 20).value_or("");
    }
    static void replace_all(std::string& text, std::string_view from, const std::string& to) {
        for (std::size_t at = 0; (at = text.find(from, at)) != std::string::npos; at += to.size()) {
            text.replace(at, from.size(), to);
        }
    }
    static bool shares(const Instance& one) {
        return ask_until(
            [&] {
                const json::Document now = health(one.port);
                const json::Value root = now.root();
                return to_text(*root.find("spend")).contains("true") &&
                       to_text(*root.find("limits")).contains("true") &&
                       to_text(*root.find("cache")->find("l2")->find("shared")) == "true";
            },
            [](bool yes) { return yes; });
    }

    /// The status of GET `target` when the front has found both: it leaves one that failed out for two seconds (fail_timeout).
    int through_front(const std::string& target) const {
        return ask_until([&] { return get(front_, target).status; }, [](int status) { return status < 500; });
    }

    /// What nginx wrote of its instances, the end of it.
    std::string told_by_front() const {
        const std::string log = SystemDisk().read(folder_.path() + "/nginx.log", 1 << 24).value_or("");
        return "\n" + log.substr(log.size() - std::min<std::size_t>(log.size(), 4000));
    }

    /// The request ids of the decisions in the logs of both, as many times as they are there.
    std::multiset<std::string> recorded() const {
        std::multiset<std::string> ids;
        for (const Instance& one : instances_) {
            exported(one.port).root().each(
                [&](json::Value decision) { ids.emplace(decision.find("request_id")->as_string()); });
        }
        return ids;
    }

    void expect_verified(const Instance& one) const {
        const RunResult found = run_binary({"audit", "verify", "postgres", "--config", one.config, "--data-dir",
                                            one.folder, "--key", one.folder + "/checkpoint.key.pub"});
        EXPECT_EQ(found.status, 0) << found.out << found.error;
    }

    std::unique_ptr<PostgresServer> database_;
    std::unique_ptr<RedisServer> redis_;
    std::array<Instance, 2> instances_;
    std::unique_ptr<Child> nginx_;
    std::uint16_t front_ = 0;
};

/// One request until it is answered with 200, as a client that repeats what failed; how often it was sent. 0: never answered.
int until_answered(std::uint16_t port, std::unique_ptr<RawClient>& client, const std::string& request,
                   std::string& why) {
    const auto deadline = SteadyClock::now() + std::chrono::seconds(90);
    for (int sent = 1; SteadyClock::now() < deadline; ++sent) {
        if (!client) client = std::make_unique<RawClient>(port);
        const RawResponse answer = client->ask(request);
        if (answer.complete && answer.status == 200) return sent;
        why = fmt::format("{} {}", answer.status, answer.body.substr(0, 300));
        client.reset();
        // What no repetition heals.
        if (answer.complete && answer.status < 500) return 0;
        rest(std::chrono::milliseconds(50));
    }
    return 0;
}

std::string question(const std::string& id) {
    return request_text("POST", "/api/v1/detect/text", text_body(std::string(kHumanText) + id),
                        {{"Content-Type", "application/json"}, {"X-Request-ID", id}});
}

/// Clients that ask through the front until they are told to stop, and repeat what failed.
class Load {
  public:
    Load(std::uint16_t port, std::size_t clients) : seen(clients), unhealed_(clients) {
        for (std::size_t c = 0; c < clients; ++c) {
            threads_.emplace_back([this, port, c] { ask(port, c); });
        }
    }
    void wait_for(std::uint64_t more) {
        const std::uint64_t until = answered + more;
        const auto deadline = SteadyClock::now() + std::chrono::seconds(100);
        while (answered < until && SteadyClock::now() < deadline) rest(std::chrono::milliseconds(10));
        EXPECT_GE(answered.load(), until) << "the load stands still";
    }
    void end() {
        stop_ = true;
        threads_.clear();
        for (const std::string& why : unhealed_) EXPECT_EQ(why, "") << "no repetition healed it";
    }

    std::atomic<std::uint64_t> answered{0};
    std::atomic<std::uint64_t> repeated{0};
    std::vector<std::vector<std::string>> seen;  // Request ids that were answered with 200, by client.

  private:
    void ask(std::uint16_t port, std::size_t number) {
        std::unique_ptr<RawClient> client;
        std::string why;
        for (int i = 0; i < 20'000 && !stop_; ++i) {
            const std::string id = fmt::format("c{}-{}", number, i);
            const int sent = until_answered(port, client, question(id), why);
            if (sent == 0) {
                unhealed_[number] = id + ": " + why;
                return;
            }
            repeated += static_cast<std::uint64_t>(sent - 1);
            seen[number].push_back(id);
            ++answered;
        }
    }

    std::atomic<bool> stop_{false};
    std::vector<std::string> unhealed_;
    std::vector<std::jthread> threads_;
};

/// Kafka and a worker that keeps what the instances send; not there where the broker cannot be had.
class Bus {
  public:
    static constexpr std::uint32_t kPartitions = 2;

    explicit Bus(const std::string& folder) : partitions_(folder + "/partitions") {
        const std::string reason = Broker::unavailable();
        if (!reason.empty()) {
            std::printf("without Kafka: %s\n", reason.c_str());
            return;
        }
        // A Java machine on a loaded one may take longer than the minute that start() waits.
        for (int tries = 0; tries < 3 && !broker_; ++tries) {
            broker_ = Broker::start(fmt::format("{}/kafka-{}", folder, tries), kPartitions);
        }
        EXPECT_NE(broker_, nullptr);
        if (!broker_) return;
        worker_ = Child::start({binary_path(), "kafka", "worker", "--kafka.brokers", broker_->address(),
                                "--kafka.folder", partitions_, "--kafka.segment_bytes", "1048576"},
                               folder + "/worker.log");
    }
    std::string settings() const {
        return broker_ ? "kafka: {mode: produce, brokers: \"" + broker_->address() + "\"}\n" : "";
    }
    /// The one provable record of both: exactly what their logs hold, and it verifies.
    void expect_exactly(const std::multiset<std::string>& ids) {
        if (!worker_) return;
        const auto deadline = SteadyClock::now() + std::chrono::seconds(120);
        while (kept().size() < ids.size() && SteadyClock::now() < deadline) rest(std::chrono::milliseconds(100));
        EXPECT_EQ(kept(), ids);
        EXPECT_EQ(worker_->end(60), 0);
        const RunResult judged =
            run_binary({"kafka", "verify", partitions_, "--key", partitions_ + "/checkpoint.keys"});
        EXPECT_EQ(judged.status, 0) << judged.out << judged.error;
    }

  private:
    std::multiset<std::string> kept() const {
        std::multiset<std::string> ids;
        for (std::uint32_t partition = 0; partition < kPartitions; ++partition) {
            const auto take = [&](std::uint64_t, audit::verify::Bytes record) {
                // docs/audit-format.md: the kind at 1, the length of the request id at 126, the id at 136.
                if (record[1] == 1) ids.emplace(record.begin() + 136, record.begin() + 136 + record[126]);
                return true;
            };
            // An error: nothing was sent to that partition yet.
            static_cast<void>(audit::verify::walk_records(bus::partition_folder(partitions_, partition), take));
        }
        return ids;
    }

    std::string partitions_;
    std::unique_ptr<Broker> broker_;
    std::unique_ptr<Child> worker_;
};

TEST_F(Cluster, OneServerKilledAndTheStoresRestartedUnderLoadLoseNothingThatWasAnswered) {
    Bus bus(folder_.path());
    ASSERT_NO_FATAL_FAILURE(open(bus.settings()));
    Load load(front_, kClients);
    load.wait_for(40);
    instances_[0].process->kill_now();
    load.wait_for(40);
    EXPECT_TRUE(instances_[0].start());
    load.wait_for(40);
    database_->kill();
    EXPECT_TRUE(database_->restart());
    load.wait_for(40);
    redis_->kill();
    EXPECT_TRUE(redis_->restart());
    load.wait_for(40);
    load.end();
    for (Instance& one : instances_) ASSERT_TRUE(one.wait_ready());

    const std::multiset<std::string> there = recorded();
    std::uint64_t lost = 0;
    for (const auto& list : load.seen) {
        for (const std::string& id : list) lost += there.contains(id) ? 0 : 1;
    }
    EXPECT_EQ(lost, 0U) << "of " << load.answered.load();
    std::printf("%llu answered, %llu sent again, %zu recorded\n", static_cast<unsigned long long>(load.answered.load()),
                static_cast<unsigned long long>(load.repeated.load()), there.size());
    // What one instance does not know is found through the front all the same, once it has taken the killed one in again.
    for (const std::string& id : {load.seen[0].front(), load.seen[0].back(), load.seen[1].back()}) {
        EXPECT_EQ(through_front("/api/compliance/request/" + id), 200) << id << told_by_front();
    }
    EXPECT_EQ(get(front_, "/instance/1/api/compliance/statistics").status, 200);
    EXPECT_EQ(get(front_, "/instance/2/api/compliance/statistics").status, 200);
    bus.expect_exactly(there);
    for (Instance& one : instances_) EXPECT_EQ(one.process->end(60), 0);
    for (const Instance& one : instances_) expect_verified(one);
}

class ClusterShares : public Cluster {
  protected:
    /// `count` times GET `target` through nginx from kClients threads; how many got 200. `each` hears of each number before it is sent.
    template <class Each>
    int admitted(const std::string& target, int count, const Each& each) const {
        std::atomic<int> next{0};
        std::atomic<int> good{0};
        std::vector<std::jthread> threads;
        for (int t = 0; t < kClients; ++t) {
            threads.emplace_back([&] {
                std::unique_ptr<RawClient> client;
                int number = 0;
                while ((number = next.fetch_add(1)) < count) {
                    each(number);
                    if (!client) client = std::make_unique<RawClient>(front_);
                    const RawResponse answer = client->ask(request_text("GET", target));
                    good += answer.complete && answer.status == 200 ? 1 : 0;
                    if (!answer.complete) client.reset();
                }
            });
        }
        threads.clear();
        return good.load();
    }
    int admitted(const std::string& target, int count) const {
        return admitted(target, count, [](int) {});
    }
};

TEST_F(ClusterShares, RatesAndSpendHoldForBothTogetherThoughOneIsKilledAndRedisStartsEmpty) {
    for (const char* path : {"/paid", "/limited"}) upstream_.on(path, 200, "ok");
    upstream_.on("/kept", [](UpstreamCall& call) { call.answer(200, std::to_string(call.number())); });
    ASSERT_NO_FATAL_FAILURE(open("spend: {address_daily_cap: \"5\", time_zone: " + zone_far_from_midnight() + "}\n"));
    // A miss of one is a hit of both.
    EXPECT_EQ(get(instances_[0].port, "/kept").body, "1");
    const auto keys = [&] { return redis_->command({"KEYS", "*:e:*"}); };
    EXPECT_THAT(ask_until(keys, [](const std::string& names) { return names.contains(":e:"); }), HasSubstr(":e:"));
    EXPECT_EQ(get(instances_[1].port, "/kept").body, "1");
    EXPECT_EQ(upstream_.asked("/kept"), 1U);
    // One rate for both: 40 an hour pass, whichever of the two is asked.
    EXPECT_EQ(admitted("/limited", 120), 40);
    // 5 points at a tenth: 50 answers of both together, one of them killed half-way. What it held waits to be given back.
    const int passed = admitted("/paid", 60, [&](int number) {
        if (number == 25) ::kill(instances_[0].process->pid(), SIGKILL);
    });
    EXPECT_LE(passed, 50);
    EXPECT_GE(passed, 50 - kClients);
    instances_[0].process->kill_now();
    ASSERT_TRUE(instances_[0].start());
    ASSERT_TRUE(shares(instances_[0]));
    EXPECT_LE(passed + admitted("/paid", 20), 50) << "what was spent outlives an instance";
    // Each has heard of the total from Redis: nginx may have left the killed one out, which knows no more than its own log until then.
    for (const Instance& one : instances_) EXPECT_NE(get(one.port, "/paid").status, 200) << one.port;
    // Redis comes back empty: the instances tell it their totals again. Bound (pipeline/spend/redis_ledger.h): what the killed one held
    // may be given back once, and until all loops have connected each instance may pass what it knew to be left, which was as much.
    redis_->kill();
    const int without = admitted("/paid", 20);
    ASSERT_TRUE(redis_->restart());
    for (const Instance& one : instances_) ASSERT_TRUE(shares(one));
    const int after = admitted("/paid", 20);
    EXPECT_LE(passed + without + after, 50 + 2 * (50 - passed));
}

}  // namespace
}  // namespace tidegate::testing
