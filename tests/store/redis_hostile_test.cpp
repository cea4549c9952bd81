// A server that is no Redis, or a broken one: the connection ends, the process does not.
#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <functional>
#include <string>
#include <thread>

#include "store/redis.h"
#include "store/redis_counters.h"
#include "support/loop_driver.h"

namespace tidegate::store {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

/// Takes connections one after the other; on each it says `greeting` after the first bytes and `answer` after the next.
class FakeServer {
  public:
    FakeServer(std::string greeting, std::string answer) : listener_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
        sockaddr_in address{};
        address.sin_family = AF_INET;
        address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        socklen_t size = sizeof address;
        EXPECT_EQ(::bind(listener_, reinterpret_cast<const sockaddr*>(&address), size), 0);
        EXPECT_EQ(::listen(listener_, 8), 0);
        ::getsockname(listener_, reinterpret_cast<sockaddr*>(&address), &size);
        port_ = ntohs(address.sin_port);
        thread_ =
            std::thread([this, first = std::move(greeting), second = std::move(answer)] { serve(first, second); });
    }
    ~FakeServer() {
        ::shutdown(listener_, SHUT_RDWR);
        thread_.join();
        ::close(listener_);
    }
    FakeServer(const FakeServer&) = delete;
    FakeServer& operator=(const FakeServer&) = delete;
    std::uint16_t port() const noexcept { return port_; }

  private:
    void serve(const std::string& first, const std::string& second) const {
        for (;;) {
            const int fd = ::accept(listener_, nullptr, nullptr);
            if (fd < 0) return;
            for (const std::string& text : {first, second}) {
                std::array<char, 4096> buffer;
                if (::recv(fd, buffer.data(), buffer.size(), 0) <= 0) break;
                static_cast<void>(::send(fd, text.data(), text.size(), MSG_NOSIGNAL));
            }
            ::close(fd);
        }
    }
    const int listener_;
    std::uint16_t port_ = 0;
    std::thread thread_;
};

class RedisHostile : public ::testing::Test {
  protected:
    std::unique_ptr<Redis> connect(const FakeServer& server) {
        return connect_redis(driver_.loop(), {.port = server.port(), .command_max = seconds(60)}, counters_);
    }
    testing::LoopDriver driver_;
    RedisCounters counters_;
};

TEST_F(RedisHostile, AReplyNobodyAskedForEndsTheConnection) {
    FakeServer server("+PONG\r\n:1\r\n", "");
    const auto redis = connect(server);
    ASSERT_TRUE(driver_.until([&] { return counters_.disconnects >= 1; }));
}

TEST_F(RedisHostile, OneReplyTooManyDoesNotAnswerTheNextCommand) {
    FakeServer server("+PONG\r\n", ":1\r\n:2\r\n");
    auto redis = connect(server);
    ASSERT_TRUE(driver_.until([&] { return redis->connected(); }));
    int answers = 0;
    redis->command(std::vector<std::string_view>{"INCR", "n"}, [&](Result<RedisReply> reply) {
        ++answers;
        EXPECT_EQ(reply.value().integer, 1);
    });
    ASSERT_TRUE(driver_.until([&] { return counters_.disconnects >= 1; }));
    EXPECT_EQ(answers, 1);
}

TEST_F(RedisHostile, BytesThatAreNoReplyFailTheCommand) {
    FakeServer server("+PONG\r\n", "HTTP/1.1 400 Bad Request\r\n\r\n");
    auto redis = connect(server);
    ASSERT_TRUE(driver_.until([&] { return redis->connected(); }));
    bool failed = false;
    redis->command(std::vector<std::string_view>{"GET", "n"}, [&](Result<RedisReply> reply) { failed = !reply; });
    ASSERT_TRUE(driver_.until([&] { return failed; }));
    EXPECT_EQ(counters_.broken, 1U);
}

TEST_F(RedisHostile, AServerThatIsNoRedisIsNeverConnectedAndAskedLessAndLessOften) {
    FakeServer server("HTTP/1.1 400 Bad Request\r\n\r\n", "");
    const auto redis = connect(server);
    driver_.turn_for(seconds(2));
    EXPECT_FALSE(redis->connected());
    EXPECT_EQ(counters_.connects, 0U);
    // Pauses of 25-50, 50-100, 100-200, 200-400, 400-800, 800-1600 ms: at most seven attempts begin within 2 s.
    EXPECT_LE(counters_.connects_failed, 8U);
    EXPECT_TRUE(driver_.until([&] { return counters_.connects_failed >= 2; }));
    EXPECT_FALSE(redis->connected());
}

}  // namespace
}  // namespace tidegate::store
