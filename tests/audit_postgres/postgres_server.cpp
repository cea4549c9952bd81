#include "audit_postgres/postgres_server.h"

#include <fcntl.h>
#include <grp.h>
#include <pwd.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <filesystem>
#include <fstream>
#include <thread>

#include "base/clock.h"
#include "base/strings.h"
#include "store/postgres.h"

namespace tidegate::testing {
namespace {

namespace fs = std::filesystem;

/// `/usr/lib/postgresql/15/bin`, of the newest that is there; empty: none.
std::string programs() {
    std::string newest;
    std::uint64_t version = 0;
    std::error_code ignored;
    for (const auto& entry : fs::directory_iterator("/usr/lib/postgresql", ignored)) {
        const auto number = parse_u64(entry.path().filename().string());
        if (number && *number > version && ::access((entry.path() / "bin/initdb").c_str(), X_OK) == 0) {
            version = *number;
            newest = entry.path() / "bin";
        }
    }
    return newest;
}

const passwd* unprivileged() {
    const passwd* user = ::getpwnam("postgres");
    return user != nullptr ? user : ::getpwnam("nobody");
}

// In the child: only calls that are safe after fork().
[[noreturn]] void become(const passwd* user, std::vector<char*>& argv) {
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);
    const int null = ::open("/dev/null", O_RDWR);
    for (int fd = 0; fd < 3; ++fd) ::dup2(null, fd);
    if (user != nullptr &&
        (::setgroups(0, nullptr) != 0 || ::setgid(user->pw_gid) != 0 || ::setuid(user->pw_uid) != 0)) {
        ::_exit(126);
    }
    // Giving up rights has cleared it.
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);
    ::execv(argv[0], argv.data());
    ::_exit(127);
}

pid_t spawn(std::vector<std::string> words) {
    std::vector<char*> argv;
    for (std::string& word : words) argv.push_back(word.data());
    argv.push_back(nullptr);
    const passwd* user = ::geteuid() == 0 ? unprivileged() : nullptr;
    const pid_t pid = ::fork();
    if (pid == 0) become(user, argv);
    return pid;
}

bool run(std::vector<std::string> words) {
    const pid_t pid = spawn(std::move(words));
    int status = 0;
    return ::waitpid(pid, &status, 0) == pid && status == 0;
}

/// That the server's user may write to; empty: there is none.
std::string make_folder() {
    std::string folder = ::testing::TempDir() + "tidegate_pg_XXXXXX";
    if (::mkdtemp(folder.data()) == nullptr) return {};
    if (::geteuid() != 0) return folder;
    const passwd* user = unprivileged();
    return user != nullptr && ::chown(folder.c_str(), user->pw_uid, user->pw_gid) == 0 ? folder : std::string();
}

/// What initdb makes: a second's work, done once a process and copied for each server.
class Template {
  public:
    Template() : folder_(make_folder()) {
        made_ = run({programs() + "/initdb", "--pgdata=" + data(), "--username=tidegate", "--auth=trust",
                     "--encoding=UTF8", "--locale=C", "--no-sync"});
    }
    ~Template() {
        std::error_code ignored;
        if (!folder_.empty()) fs::remove_all(folder_, ignored);
    }
    Template(const Template&) = delete;
    Template& operator=(const Template&) = delete;
    bool made() const noexcept { return made_; }
    std::string data() const { return folder_ + "/data"; }

  private:
    std::string folder_;
    bool made_ = false;
};

}  // namespace

bool PostgresServer::available() {
    return !programs().empty();
}

std::unique_ptr<PostgresServer> PostgresServer::start(std::vector<std::string> settings) {
    std::unique_ptr<PostgresServer> server(new PostgresServer(std::move(settings)));
    if (server->make() && server->launch()) return server;
    ADD_FAILURE() << "PostgreSQL does not come up";
    return nullptr;
}

bool PostgresServer::make() {
    static const Template fresh;
    folder_ = make_folder();
    return fresh.made() && !folder_.empty() && run({"/bin/cp", "-a", fresh.data(), folder_ + "/data"});
}

bool PostgresServer::launch() {
    std::vector<std::string> words{programs() + "/postgres", "-D", folder_ + "/data", "-k", folder_,
                                   // No port of the machine: the socket's name only.
                                   "-h", "", "-c", "max_connections=20"};
    for (const std::string& setting : settings_) {
        words.emplace_back("-c");
        words.push_back(setting);
    }
    const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(60);
    while (std::chrono::steady_clock::now() < deadline) {
        if (pid_ <= 0) pid_ = spawn(words);
        if (answers()) return true;
        // After a kill its memory may still be held for a moment by what is dying: again.
        if (::waitpid(pid_, nullptr, WNOHANG) == pid_) pid_ = -1;
        std::this_thread::sleep_for(std::chrono::milliseconds(20));
    }
    return false;
}

bool PostgresServer::answers() const {
    const SystemClock clock;
    store::PostgresOptions options;
    options.url = url();
    return store::PostgresLink::connect(options, clock).has_value();
}

std::string PostgresServer::url() const {
    return "host=" + folder_ + " user=tidegate dbname=postgres";
}

// The children of the server: its sessions and its own helpers.
std::vector<pid_t> PostgresServer::sessions() const {
    std::ifstream list("/proc/" + std::to_string(pid_) + "/task/" + std::to_string(pid_) + "/children");
    std::vector<pid_t> pids;
    for (pid_t pid = 0; list >> pid;) pids.push_back(pid);
    return pids;
}

void PostgresServer::kill() {
    if (pid_ <= 0) return;
    // The server first, stopped, so that it starts no new session while its sessions are named.
    ::kill(pid_, SIGSTOP);
    const std::vector<pid_t> children = sessions();
    ::kill(pid_, SIGKILL);
    for (const pid_t child : children) ::kill(child, SIGKILL);
    ::waitpid(pid_, nullptr, 0);
    pid_ = -1;
}

bool PostgresServer::restart() {
    kill();
    return launch();
}

PostgresServer::~PostgresServer() {
    kill();
    std::error_code ignored;
    if (!folder_.empty()) fs::remove_all(folder_, ignored);
}

}  // namespace tidegate::testing
