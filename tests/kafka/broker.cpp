#include "kafka/broker.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <thread>

namespace tidegate::testing {
namespace {

using std::chrono::milliseconds;
using std::chrono::steady_clock;

std::string source_folder() {
    const char* folder = std::getenv("TIDEGATE_SOURCE_DIR");
    return folder != nullptr ? folder : ".";
}
std::string script() {
    return source_folder() + "/tools/dev/kafka.sh";
}
std::string jars() {
    return source_folder() + "/build/kafka";
}

sockaddr_in loopback(std::uint16_t port) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    address.sin_port = htons(port);
    return address;
}

bool bind_to(std::uint16_t port, std::uint16_t& got) {
    const int fd = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    const int yes = 1;
    ::setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes);
    sockaddr_in address = loopback(port);
    socklen_t size = sizeof address;
    const bool free = ::bind(fd, reinterpret_cast<const sockaddr*>(&address), size) == 0 &&
                      ::getsockname(fd, reinterpret_cast<sockaddr*>(&address), &size) == 0;
    got = ntohs(address.sin_port);
    ::close(fd);
    return free;
}

// One that is free together with the next.
std::uint16_t free_pair() {
    for (int attempt = 0; attempt < 100; ++attempt) {
        std::uint16_t port = 0;
        std::uint16_t next = 0;
        if (bind_to(0, port) && port < 65'535 && bind_to(static_cast<std::uint16_t>(port + 1), next)) return port;
    }
    return 0;
}

bool answers(std::uint16_t port) {
    const int fd = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    const sockaddr_in address = loopback(port);
    const bool is_there = ::connect(fd, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0;
    ::close(fd);
    return is_there;
}

}  // namespace

std::unique_ptr<Child> Child::start(const std::vector<std::string>& command, const std::string& log_path) {
    const pid_t pid = ::fork();
    if (pid == 0) {
        ::prctl(PR_SET_PDEATHSIG, SIGKILL);
        const int log = ::open(log_path.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0640);
        ::dup2(log, STDOUT_FILENO);
        ::dup2(log, STDERR_FILENO);
        std::vector<std::string> copies = command;
        std::vector<char*> words;
        for (std::string& word : copies) words.push_back(word.data());
        words.push_back(nullptr);
        ::execvp(words[0], words.data());
        ::_exit(127);
    }
    return std::unique_ptr<Child>(new Child(pid));
}

Child::~Child() {
    kill_now();
}

bool Child::is_running() {
    if (pid_ > 0 && ::waitpid(pid_, nullptr, WNOHANG) == pid_) pid_ = -1;
    return pid_ > 0;
}

void Child::kill_now() {
    if (pid_ <= 0) return;
    ::kill(pid_, SIGKILL);
    ::waitpid(pid_, nullptr, 0);
    pid_ = -1;
}

int Child::end(int seconds) {
    if (pid_ <= 0) return -1;
    ::kill(pid_, SIGTERM);
    const auto deadline = steady_clock::now() + std::chrono::seconds(seconds);
    while (steady_clock::now() < deadline) {
        int status = 0;
        if (::waitpid(pid_, &status, WNOHANG) == pid_) {
            pid_ = -1;
            return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
        }
        std::this_thread::sleep_for(milliseconds(20));
    }
    return -1;
}

std::string Broker::unavailable() {
    const auto fetching = Child::start({"bash", script(), "fetch", jars()}, "/dev/null");
    const auto deadline = steady_clock::now() + std::chrono::minutes(5);
    while (fetching->is_running() && steady_clock::now() < deadline) std::this_thread::sleep_for(milliseconds(50));
    for (const auto& entry : std::filesystem::directory_iterator(jars(), std::filesystem::directory_options::none)) {
        if (entry.path().filename().string().starts_with(".complete-")) return {};
    }
    return "Apache Kafka cannot be fetched from Maven Central (tools/dev/kafka.sh fetch build/kafka says why)";
}

std::unique_ptr<Broker> Broker::start(const std::string& data_folder, int partitions) {
    std::filesystem::create_directories(data_folder);
    std::unique_ptr<Broker> broker(new Broker(data_folder, partitions, free_pair()));
    if (!broker->launch()) return nullptr;
    return broker;
}

bool Broker::launch() {
    process_ =
        Child::start({"bash", script(), "run", jars(), data_, std::to_string(port_), std::to_string(partitions_)},
                     data_ + "/start.log");
    const auto deadline = steady_clock::now() + std::chrono::seconds(60);
    while (steady_clock::now() < deadline && process_->is_running()) {
        if (answers(port_)) return true;
        std::this_thread::sleep_for(milliseconds(50));
    }
    return false;
}

bool Broker::kill_and_restart() {
    process_->kill_now();
    return launch();
}

std::string Broker::address() const {
    return "127.0.0.1:" + std::to_string(port_);
}

}  // namespace tidegate::testing
