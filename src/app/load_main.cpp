#include "app/load_main.h"

#include <fmt/core.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <cstdlib>

#include "app/load_target.h"
#include "base/file.h"
#include "load/compare.h"
#include "load/report.h"
#include "load/result.h"
#include "load/run.h"

namespace tidegate::app {
namespace {

constexpr int kFailed = 1;
constexpr int kWrongUse = 2;
constexpr int kSloMissed = 3;
constexpr std::uint64_t kResultBytesMax = 256ULL * 1024 * 1024;

int say(const Error& error, int status) {
    fmt::print(stderr, "tidegate: {}\n", error.message);
    return status;
}

int status_of(const Error& error) {
    return error.code == ErrorCode::kInvalidArgument ? kWrongUse : kFailed;
}

/// SIGINT and SIGTERM are waited for, not suffered: blocked before the first thread, so that all inherit it.
class Signals {
  public:
    Signals() {
        sigemptyset(&set_);
        sigaddset(&set_, SIGINT);
        sigaddset(&set_, SIGTERM);
        pthread_sigmask(SIG_BLOCK, &set_, nullptr);
        std::signal(SIGPIPE, SIG_IGN);
    }
    /// A second one ends the process at once.
    bool came() {
        const timespec none{};
        if (::sigtimedwait(&set_, nullptr, &none) < 0) return false;
        std::signal(SIGINT, SIG_DFL);
        std::signal(SIGTERM, SIG_DFL);
        pthread_sigmask(SIG_UNBLOCK, &set_, nullptr);
        return true;
    }

  private:
    sigset_t set_{};
};

/// A line that moves, where somebody looks at it.
class ProgressBar {
  public:
    explicit ProgressBar(bool quiet) : shown_(!quiet && ::isatty(STDERR_FILENO) == 1) {}
    ~ProgressBar() {
        if (shown_) fmt::print(stderr, "\r\033[K");
    }
    ProgressBar(const ProgressBar&) = delete;
    ProgressBar& operator=(const ProgressBar&) = delete;

    void show(const load::Now& now) const {
        if (!shown_) return;
        constexpr int kWidth = 24;
        const int done = now.end > 0 ? static_cast<int>(std::min(1.0, now.second / now.end) * kWidth) : 0;
        fmt::print(stderr,
                   "\r\033[K[{:#<{}}{:.<{}}] {:.0f}/{:.0f} s {:<9} {:>8.0f}/s  {:>8.3f} ms  {} under way  {} errors",
                   "", done, "", kWidth - done, now.second, now.end, now.measuring ? "measuring" : "warm-up", now.per_s,
                   now.latency_ms, now.level, now.errors);
        std::fflush(stderr);
    }

  private:
    const bool shown_;
};

/// The server's own metrics at both ends of the window.
class Metrics {
  public:
    Metrics(const load::Place& place, const std::string& fields) : place_(place), fields_(fields) {}
    void begin() { before_ = read(); }
    void end(load::RunResult& result) const {
        if (!before_) {
            result.server_view_absent = why_.empty() ? "the measured window was never reached" : why_;
            return;
        }
        const auto after = load::ask(place_, "GET", "/metrics", fields_);
        if (after && after->status == 200) {
            const load::MetricsText text = load::MetricsText::read(after->body);
            if (is_another(*before_, text)) {
                result.server_view_absent = "the server was started anew during the run: its counters are others";
            } else {
                result.server_view = load::ServerView::between(*before_, text);
            }
        } else {
            result.server_view_absent = "GET /metrics was not answered at the end";
        }
    }

  private:
    /// Counters never fall in one process.
    static bool is_another(const load::MetricsText& before, const load::MetricsText& after) {
        return after.cpu_s < before.cpu_s || std::ranges::any_of(
                                                 before.routes,
                                                 [&](const auto& route) {
                                                     const auto now = after.routes.find(route.first);
                                                     return now == after.routes.end() ||
                                                            now->second.count < route.second.count;
                                                 });
    }
    std::optional<load::MetricsText> read() {
        const auto answer = load::ask(place_, "GET", "/metrics", fields_);
        if (!answer) {
            why_ = answer.error().message;
        } else if (answer->status != 200) {
            why_ = fmt::format("GET /metrics is answered {}", answer->status);
        } else {
            auto text = load::MetricsText::read(answer->body);
            if (!text.routes.empty()) return text;
            why_ = "GET /metrics has no http_request_duration_seconds by method and handler";
        }
        return std::nullopt;
    }
    const load::Place& place_;
    const std::string& fields_;
    std::optional<load::MetricsText> before_;
    std::string why_;
};

Result<void> write_files(const load::RunResult& result, const std::string& out, const std::string& html) {
    SystemDisk disk;
    if (!out.empty()) TG_CHECK(disk.write_atomic(out, load::write(result)));
    if (!html.empty()) TG_CHECK(disk.write_atomic(html, load::render_html(result)));
    return {};
}

Result<load::RunResult> carry_out(const LoadOptions& options, const std::string& url, const std::string& version) {
    Signals signals;
    TG_TRY(LoadTarget target, find_target(options, url));
    load::RunResult result{.tool = "tidegate " + version,
                           .target = target.place.url,
                           .server = target.server,
                           .label = options.label,
                           .machine = load::look_at_machine(),
                           .plan = options.plan};
    TG_TRY(const load::Mix mix, make_mix(target.offers, options, target.fields));
    result.left_out = target.offers.left_out;
    // An operation that no run could have is told before the run, not after an hour.
    load::RunResult names;
    for (const load::Operation& operation : mix.operations()) names.operations.push_back({.name = operation.name});
    TG_CHECK(load::judge(options.slos, names));
    if (!options.quiet) {
        fmt::print(stderr, "tidegate load: {} against {}, {:.0f} s of ramp and warm-up, then {:.0f} s\n",
                   options.plan.profile, target.place.url, options.plan.lead_s(), options.plan.window_s());
        for (const load::LeftOut& one : result.left_out) fmt::print(stderr, "left out: {}: {}\n", one.name, one.reason);
    }
    Metrics metrics(target.place, target.fields);
    {
        const ProgressBar bar(options.quiet);
        TG_TRY(const load::RunOutcome outcome, load::run_load(
                                                   options.plan, mix, target.place,
                                                   [&](const load::Now& now) {
                                                       bar.show(now);
                                                       return !signals.came();
                                                   },
                                                   [&] { metrics.begin(); }));
        load::take_tally(result, outcome, mix.operations());
    }
    metrics.end(result);
    TG_TRY(result.slo, load::judge(options.slos, result));
    return result;
}

Result<load::RunResult> read_result(const std::string& path) {
    const SystemDisk disk;
    TG_TRY(const std::string text, disk.read(path, kResultBytesMax));
    auto result = load::read(text);
    if (!result) return fail(result.error().code, path + ": " + result.error().message);
    return result;
}

int run_compare(const std::vector<std::string>& words) {
    if (words.size() != 3) return say({ErrorCode::kInvalidArgument, "load compare takes two result files"}, kWrongUse);
    const auto a = read_result(words[1]);
    if (!a) return say(a.error(), kFailed);
    const auto b = read_result(words[2]);
    if (!b) return say(b.error(), kFailed);
    fmt::print("A {} ({})\nB {} ({})\n\n{}", words[1], a->began, words[2], b->began,
               load::render(load::compare(*a, *b)));
    return 0;
}

int run_report(const std::vector<std::string>& words) {
    const bool html = words.size() == 4 && words[2] == "--html";
    if (words.size() != 2 && !html) {
        return say({ErrorCode::kInvalidArgument, "load report takes a result file and --html FILE"}, kWrongUse);
    }
    const auto result = read_result(words[1]);
    if (!result) return say(result.error(), kFailed);
    if (!html) fmt::print("{}", load::render_text(*result));
    const auto written = write_files(*result, "", html ? words[3] : "");
    return written ? 0 : say(written.error(), kFailed);
}

}  // namespace

int load_main(const std::vector<std::string>& words, const std::string& url, const std::string& version) {
    if (!words.empty() && (words[0] == "help" || words[0] == "--help")) {
        fmt::print("{}", load_help());
        return 0;
    }
    if (!words.empty() && words[0] == "compare") return run_compare(words);
    if (!words.empty() && words[0] == "report") return run_report(words);
    const auto options = read_load_words(words);
    if (!options) return say({options.error().code, options.error().message + "; see `tidegate load help`"}, kWrongUse);
    const auto result = carry_out(*options, url, version);
    if (!result) return say(result.error(), status_of(result.error()));
    fmt::print("{}", load::render_text(*result));
    if (const auto written = write_files(*result, options->out, options->html); !written)
        return say(written.error(), kFailed);
    return result->slo_met() ? 0 : kSloMissed;
}

}  // namespace tidegate::app
