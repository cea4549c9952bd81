#include "support/server_process.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <thread>

#include "base/strings.h"

namespace tidegate::testing {
namespace {

using std::chrono::milliseconds;
using std::chrono::steady_clock;

std::string read_file(const std::string& path) {
    std::ifstream file(path, std::ios::binary);
    std::ostringstream text;
    text << file.rdbuf();
    return text.str();
}

void redirect(const std::string& path, int flags, int to) {
    const int fd = ::open(path.c_str(), flags, 0600);
    if (fd < 0) ::_exit(126);
    ::dup2(fd, to);
}

[[noreturn]] void execute(std::string program, const std::vector<std::string>& arguments,
                          const std::vector<std::string>& environment) {
    std::vector<char*> argv;
    argv.push_back(program.data());
    std::vector<std::string> copies = arguments;
    for (std::string& copy : copies) argv.push_back(copy.data());
    argv.push_back(nullptr);
    for (const std::string& pair : environment) {
        const std::size_t equals = pair.find('=');
        ::setenv(pair.substr(0, equals).c_str(), pair.substr(equals + 1).c_str(), 1);
    }
    ::execvp(program.c_str(), argv.data());
    ::_exit(127);
}

}  // namespace

std::string binary_path() {
    const char* path = std::getenv("TIDEGATE_BINARY");
    return path != nullptr ? path : "tidegate";
}

TemporaryFolder::TemporaryFolder() : path_((std::filesystem::temp_directory_path() / "tidegate-test-XXXXXX").string()) {
    EXPECT_NE(::mkdtemp(path_.data()), nullptr);
}

TemporaryFolder::~TemporaryFolder() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
}

std::unique_ptr<ServerProcess> ServerProcess::start(const std::string& data_dir,
                                                    const std::vector<std::string>& arguments) {
    const std::string log_path = data_dir + "/server.log";
    // Small segments: a test needs no 192 MiB of files that lie ready.
    std::vector<std::string> all{"serve", "--port", "0", "--data-dir", data_dir, "--audit.segment_bytes", "1048576"};
    all.insert(all.end(), arguments.begin(), arguments.end());
    std::filesystem::remove(log_path);
    const pid_t pid = ::fork();
    if (pid == 0) {
        redirect("/dev/null", O_RDONLY, STDIN_FILENO);
        redirect(log_path, O_WRONLY | O_CREAT | O_APPEND, STDERR_FILENO);
        redirect(log_path, O_WRONLY | O_CREAT | O_APPEND, STDOUT_FILENO);
        execute(binary_path(), all, {});
    }
    std::unique_ptr<ServerProcess> server(new ServerProcess(pid, log_path));
    if (server->wait_until_listening()) return server;
    ADD_FAILURE() << "the server does not listen: " << server->log();
    return nullptr;
}

bool ServerProcess::wait_until_listening() {
    const auto deadline = steady_clock::now() + std::chrono::seconds(60);
    while (steady_clock::now() < deadline) {
        const std::string text = log();
        const std::size_t at = text.find("\"event\":\"listening\"");
        const std::size_t port = at == std::string::npos ? at : text.find("\"port\":", at);
        const std::size_t end = port == std::string::npos ? port : text.find_first_not_of("0123456789", port + 7);
        if (end != std::string::npos) {
            port_ = static_cast<std::uint16_t>(parse_u64(text.substr(port + 7, end - port - 7)).value_or(0));
            return port_ != 0;
        }
        if (::waitpid(pid_, nullptr, WNOHANG) == pid_) {
            pid_ = -1;
            return false;
        }
        std::this_thread::sleep_for(milliseconds(10));
    }
    return false;
}

ServerProcess::~ServerProcess() {
    kill_now();
}

void ServerProcess::kill_now() {
    if (pid_ <= 0) return;
    ::kill(pid_, SIGKILL);
    ::waitpid(pid_, nullptr, 0);
    pid_ = -1;
}

int ServerProcess::stop(int signal, int seconds) {
    ::kill(pid_, signal);
    const auto deadline = steady_clock::now() + std::chrono::seconds(seconds);
    while (steady_clock::now() < deadline) {
        int status = 0;
        if (::waitpid(pid_, &status, WNOHANG) == pid_) {
            pid_ = -1;
            return status;
        }
        std::this_thread::sleep_for(milliseconds(5));
    }
    return -1;
}

std::string ServerProcess::log() const {
    return read_file(log_path_);
}

std::uint64_t ServerProcess::resident_bytes() const {
    std::istringstream fields(read_file("/proc/" + std::to_string(pid_) + "/statm"));
    std::uint64_t size = 0;
    std::uint64_t resident = 0;
    fields >> size >> resident;
    return resident * static_cast<std::uint64_t>(::sysconf(_SC_PAGESIZE));
}

namespace {

/// How long a program may run. A script that fetches goes on in its next turn where it was; an evaluation reads megabytes, with sanitizers
/// on a busy machine for over a minute.
unsigned seconds_for(const std::vector<std::string>& arguments) {
    const std::string first = arguments.empty() ? std::string() : arguments.front();
    if (first.find("/fetch") != std::string::npos) return 60;
    return first == "eval" ? 400 : 240;
}

RunResult run(const std::string& program, const std::vector<std::string>& arguments, const std::string& input,
              const std::vector<std::string>& environment) {
    const TemporaryFolder folder;
    const std::string in = folder.path() + "/in";
    const std::string out = folder.path() + "/out";
    const std::string error = folder.path() + "/error";
    std::ofstream(in, std::ios::binary) << input;
    const pid_t pid = ::fork();
    if (pid == 0) {
        redirect(in, O_RDONLY, STDIN_FILENO);
        redirect(out, O_WRONLY | O_CREAT, STDOUT_FILENO);
        redirect(error, O_WRONLY | O_CREAT, STDERR_FILENO);
        ::alarm(seconds_for(arguments));
        execute(program, arguments, environment);
    }
    int status = 0;
    ::waitpid(pid, &status, 0);
    return {WIFEXITED(status) ? WEXITSTATUS(status) : -1, read_file(out), read_file(error)};
}

}  // namespace

RunResult run_program(const std::string& program, const std::vector<std::string>& arguments) {
    return run(program, arguments, {}, {});
}

RunResult run_binary(const std::vector<std::string>& arguments, const std::string& input,
                     const std::vector<std::string>& environment) {
    return run(binary_path(), arguments, input, environment);
}

}  // namespace tidegate::testing
