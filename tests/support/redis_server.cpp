#include "support/redis_server.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <cstdlib>
#include <thread>

#include "base/strings.h"

namespace tidegate::testing {
namespace {

using std::chrono::milliseconds;
using std::chrono::steady_clock;

/// A descriptor closed with its scope.
class Socket {
  public:
    Socket() : fd_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {}
    ~Socket() { ::close(fd_); }
    Socket(const Socket&) = delete;
    Socket& operator=(const Socket&) = delete;
    int fd() const noexcept { return fd_; }

  private:
    const int fd_;
};

sockaddr_in loopback(std::uint16_t port) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(port);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    return address;
}

std::uint16_t free_port() {
    const Socket probe;
    sockaddr_in address = loopback(0);
    socklen_t size = sizeof address;
    if (::bind(probe.fd(), reinterpret_cast<const sockaddr*>(&address), size) != 0) return 0;
    ::getsockname(probe.fd(), reinterpret_cast<sockaddr*>(&address), &size);
    return ntohs(address.sin_port);
}

bool connect_to(const Socket& socket, std::uint16_t port) {
    const timeval limit{10, 0};
    ::setsockopt(socket.fd(), SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
    const sockaddr_in address = loopback(port);
    return ::connect(socket.fd(), reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0;
}

bool send_command(const Socket& socket, const std::vector<std::string>& words) {
    std::string out = "*" + std::to_string(words.size()) + "\r\n";
    for (const std::string& word : words) out += "$" + std::to_string(word.size()) + "\r\n" + word + "\r\n";
    return ::send(socket.fd(), out.data(), out.size(), MSG_NOSIGNAL) == static_cast<ssize_t>(out.size());
}

std::string read_line(const Socket& socket) {
    std::string line;
    for (char c = 0; ::recv(socket.fd(), &c, 1, 0) == 1;) {
        if (c == '\n') break;
        if (c != '\r') line.push_back(c);
    }
    return line;
}

std::string read_reply(const Socket& socket) {
    const std::string line = read_line(socket);
    if (line.empty()) return {};
    const std::int64_t size = parse_i64(line.substr(1)).value_or(0);
    if (line[0] == '$') {
        if (size < 0) return "(nil)";
        std::string text(static_cast<std::size_t>(size) + 2, '\0');
        if (::recv(socket.fd(), text.data(), text.size(), MSG_WAITALL) != static_cast<ssize_t>(text.size())) return {};
        text.resize(text.size() - 2);
        return text;
    }
    if (line[0] != '*') return line.substr(1);
    std::string all;
    for (std::int64_t i = 0; i < size; ++i) all += read_reply(socket) + "\n";
    return all;
}

}  // namespace

bool RedisServer::available() {
    const char* path = std::getenv("PATH");
    for (const std::string_view folder : split(path != nullptr ? path : "", ':')) {
        if (::access((std::string(folder) + "/redis-server").c_str(), X_OK) == 0) return true;
    }
    return false;
}

std::unique_ptr<RedisServer> RedisServer::start(std::vector<std::string> arguments) {
    std::unique_ptr<RedisServer> server(new RedisServer(std::move(arguments)));
    for (std::size_t i = 0; i + 1 < server->arguments_.size(); ++i) {
        if (server->arguments_[i] == "--requirepass") server->password_ = server->arguments_[i + 1];
    }
    // Somebody may take the port between the look and the start: a few tries.
    for (int attempt = 0; attempt < 5; ++attempt) {
        server->port_ = free_port();
        if (server->launch()) return server;
    }
    ADD_FAILURE() << "redis-server does not answer";
    return nullptr;
}

bool RedisServer::launch() {
    std::vector<std::string> words{
        "redis-server", "--port", std::to_string(port_),    "--bind", "127.0.0.1",  "--save", "",
        "--appendonly", "no",     "--enable-debug-command", "yes",    "--loglevel", "warning"};
    words.insert(words.end(), arguments_.begin(), arguments_.end());
    std::vector<char*> argv;
    for (std::string& word : words) argv.push_back(word.data());
    argv.push_back(nullptr);
    pid_ = ::fork();
    if (pid_ == 0) {
        ::prctl(PR_SET_PDEATHSIG, SIGKILL);
        const int null = ::open("/dev/null", O_RDWR);
        for (int fd = 0; fd < 3; ++fd) ::dup2(null, fd);
        ::execvp("redis-server", argv.data());
        ::_exit(127);
    }
    if (wait_until_answering()) return true;
    kill();
    return false;
}

bool RedisServer::wait_until_answering() {
    const auto deadline = steady_clock::now() + std::chrono::seconds(60);
    while (steady_clock::now() < deadline) {
        // Our own process, not another's that happens to hold the port.
        if (command({"INFO", "server"}).find("process_id:" + std::to_string(pid_)) != std::string::npos) return true;
        if (::waitpid(pid_, nullptr, WNOHANG) == pid_) {
            pid_ = -1;
            return false;
        }
        std::this_thread::sleep_for(milliseconds(5));
    }
    return false;
}

RedisServer::~RedisServer() {
    kill();
}

void RedisServer::kill() {
    if (pid_ <= 0) return;
    ::kill(pid_, SIGKILL);
    ::waitpid(pid_, nullptr, 0);
    pid_ = -1;
}

bool RedisServer::restart() {
    kill();
    return launch();
}

void RedisServer::freeze() const {
    if (pid_ > 0) ::kill(pid_, SIGSTOP);
}

void RedisServer::thaw() const {
    if (pid_ > 0) ::kill(pid_, SIGCONT);
}

void RedisServer::sleep_ms(int duration) const {
    const Socket socket;
    if (!connect_to(socket, port_)) return;
    if (!password_.empty()) {
        send_command(socket, {"AUTH", password_});
        read_reply(socket);
    }
    const std::string digits = std::to_string(1000 + duration % 1000).substr(1);
    send_command(socket, {"DEBUG", "SLEEP", std::to_string(duration / 1000) + "." + digits});
}

void RedisServer::fill() const {
    command({"CONFIG", "SET", "maxmemory-policy", "noeviction"});
    command({"CONFIG", "SET", "maxmemory", "1"});
}

std::string RedisServer::command(const std::vector<std::string>& words) const {
    const Socket socket;
    if (!connect_to(socket, port_)) return {};
    if (!password_.empty()) {
        send_command(socket, {"AUTH", password_});
        read_reply(socket);
    }
    send_command(socket, words);
    return read_reply(socket);
}

}  // namespace tidegate::testing
