#include "runtime/service_manager.h"

#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cstddef>
#include <cstdlib>
#include <cstring>

#include "base/strings.h"

namespace tidegate::runtime {

ServiceManager ServiceManager::from_environment() {
    const auto value = [](const char* name) {
        const char* text = std::getenv(name);
        return std::string(text == nullptr ? "" : text);
    };
    std::optional<Duration> watchdog;
    const std::string pid = value("WATCHDOG_PID");
    if (const auto us = parse_u64(value("WATCHDOG_USEC"));
        us && *us > 0 && (pid.empty() || pid == std::to_string(::getpid()))) {
        watchdog = std::chrono::microseconds(*us);
    }
    return ServiceManager(value("NOTIFY_SOCKET"), watchdog);
}

void ServiceManager::tell(std::string_view words) const {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    if (socket_.size() < 2 || socket_.size() >= sizeof address.sun_path) return;
    if (socket_.front() != '/' && socket_.front() != '@') return;
    std::memcpy(address.sun_path, socket_.data(), socket_.size());
    // An abstract name begins with a zero byte, and its length says where it ends.
    if (socket_.front() == '@') address.sun_path[0] = '\0';
    const auto size = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + socket_.size());
    const int descriptor = ::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (descriptor < 0) return;
    // Lost where nobody listens: see the header.
    static_cast<void>(::sendto(descriptor, words.data(), words.size(), MSG_NOSIGNAL,
                               reinterpret_cast<const sockaddr*>(&address), size));
    ::close(descriptor);
}

}  // namespace tidegate::runtime
