// `tidegate top`: what a running server does, a line a route, renewed each second.
//
// Terminal    Keys are read as they come (q ends it); the terminal is put back as it was, whichever way this ends. Where standard output
//             is no terminal each sample is printed below the last, without control codes.
#include <fmt/core.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <optional>

#include "app/commands.h"
#include "app/perf_client.h"
#include "app/perf_view.h"

namespace tidegate::app {
namespace {

constexpr std::string_view kTopUsage = "top takes [--once] [--server URL] [--key KEY]";
constexpr std::size_t kColumnsPrinted = 160;
constexpr std::size_t kRoutesPrinted = 20;

volatile std::sig_atomic_t interrupted = 0;

void note_interrupt(int) {
    interrupted = 1;
}

/// Keys one by one and unseen, until it ends.
class RawKeys {
  public:
    RawKeys() {
        if (::isatty(STDIN_FILENO) != 1 || ::tcgetattr(STDIN_FILENO, &before_) != 0) return;
        termios raw = before_;
        raw.c_lflag &= ~static_cast<tcflag_t>(ICANON | ECHO);
        set_ = ::tcsetattr(STDIN_FILENO, TCSANOW, &raw) == 0;
    }
    ~RawKeys() {
        if (set_) ::tcsetattr(STDIN_FILENO, TCSANOW, &before_);
    }
    RawKeys(const RawKeys&) = delete;
    RawKeys& operator=(const RawKeys&) = delete;

    bool quit() const {
        if (!set_) return false;
        pollfd keys{.fd = STDIN_FILENO, .events = POLLIN, .revents = 0};
        char key = 0;
        while (::poll(&keys, 1, 0) > 0 && ::read(STDIN_FILENO, &key, 1) == 1) {
            if (key == 'q' || key == 'Q') return true;
        }
        return false;
    }

  private:
    termios before_{};
    bool set_ = false;
};

struct Screen {
    std::size_t columns = kColumnsPrinted;
    std::size_t routes = kRoutesPrinted;
};

Screen screen_size() {
    winsize size{};
    if (::ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) != 0 || size.ws_col == 0) return {};
    constexpr std::size_t kAbove = 9;  // Lines over the first route, and the one of the cursor.
    return {.columns = size.ws_col, .routes = size.ws_row > kAbove ? size.ws_row - kAbove : 1};
}

}  // namespace

int run_top(const Invocation& invocation) {
    const auto words = PerfWords::read(invocation.words, 0, {"--server", "--key"}, {"--once"});
    if (!words) return wrong_use(words.error().message + "\n" + std::string(kTopUsage));
    const auto talk = ServerTalk::open(invocation, *words);
    if (!talk) return wrong_use(talk.error().message);
    const bool once = words->has("--once");
    const bool terminal = !once && ::isatty(STDOUT_FILENO) == 1;
    std::optional<RawKeys> keys;
    if (terminal) keys.emplace();
    std::signal(SIGINT, note_interrupt);
    std::signal(SIGTERM, note_interrupt);
    Result<std::string> page;
    const auto listened = (*talk)->listen(
        "/api/v1/performance/live",
        [&](std::string_view name, std::string_view data) {
            if (name != "sample") return true;
            const Screen screen = terminal ? screen_size() : Screen{};
            page = live_page(data, screen.columns, screen.routes);
            if (!page) return false;
            // Home, the page, and what is left of the last one goes.
            fmt::print("{}{}{}", terminal ? "\x1b[H\x1b[J" : "", *page, once ? "" : "\n");
            std::fflush(stdout);
            return !once;
        },
        [&] { return interrupted == 0 && !(keys && keys->quit()); });
    if (!page || !listened) {
        keys.reset();
        fmt::print(stderr, "tidegate: {}\n", !page ? page.error().message : listened.error().message);
        return 1;
    }
    return 0;
}

}  // namespace tidegate::app
