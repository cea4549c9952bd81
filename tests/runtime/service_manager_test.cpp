// What the service manager is told, over a real socket.
#include "runtime/service_manager.h"

#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <array>
#include <cstddef>
#include <cstring>
#include <filesystem>
#include <string>

namespace tidegate::runtime {
namespace {

/// A datagram socket at that address, as systemd has one.
class Listener {
  public:
    explicit Listener(const std::string& name) {
        sockaddr_un address{};
        address.sun_family = AF_UNIX;
        std::memcpy(address.sun_path, name.data(), name.size());
        if (name.front() == '@') address.sun_path[0] = '\0';
        descriptor_ = ::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
        const auto size = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + name.size());
        EXPECT_EQ(::bind(descriptor_, reinterpret_cast<const sockaddr*>(&address), size), 0);
    }
    ~Listener() { ::close(descriptor_); }
    Listener(const Listener&) = delete;
    Listener& operator=(const Listener&) = delete;
    /// The next datagram; empty when none is there.
    std::string next() const {
        std::array<char, 256> bytes{};
        const ssize_t got = ::recv(descriptor_, bytes.data(), bytes.size(), MSG_DONTWAIT);
        return got > 0 ? std::string(bytes.data(), static_cast<std::size_t>(got)) : std::string();
    }

  private:
    int descriptor_ = -1;
};

TEST(ServiceManager, TellsThatItIsReadyAliveAndEndingOverAPathAndAnAbstractName) {
    const std::string path = "/tmp/tidegate-notify-" + std::to_string(::getpid());
    for (const std::string& name : {path, "@tidegate-notify-" + std::to_string(::getpid())}) {
        {
            const Listener listener(name);
            const ServiceManager manager(name, {});
            manager.ready();
            manager.alive();
            manager.stopping();
            EXPECT_EQ(listener.next(), "READY=1") << name;
            EXPECT_EQ(listener.next(), "WATCHDOG=1") << name;
            EXPECT_EQ(listener.next(), "STOPPING=1") << name;
            EXPECT_EQ(listener.next(), "") << name;
        }
        std::filesystem::remove(path);
    }
}

TEST(ServiceManager, WithoutAManagerOrWithOneThatIsGoneNothingHappens) {
    ServiceManager("", {}).ready();
    ServiceManager("/tmp/tidegate-nobody-listens-here", {}).ready();
    ServiceManager(std::string(200, '/'), {}).ready();
    ServiceManager("relative", {}).ready();
}

TEST(ServiceManager, TheWatchdogIsThatOfThisProcess) {
    ::setenv("WATCHDOG_USEC", "2000000", 1);
    ::setenv("WATCHDOG_PID", std::to_string(::getpid()).c_str(), 1);
    EXPECT_EQ(ServiceManager::from_environment().watchdog(), Duration(std::chrono::seconds(2)));
    ::setenv("WATCHDOG_PID", "1", 1);
    EXPECT_FALSE(ServiceManager::from_environment().watchdog());
    ::unsetenv("WATCHDOG_PID");
    ::setenv("WATCHDOG_USEC", "no number", 1);
    EXPECT_FALSE(ServiceManager::from_environment().watchdog());
    ::unsetenv("WATCHDOG_USEC");
}

}  // namespace
}  // namespace tidegate::runtime
