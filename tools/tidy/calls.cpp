#include <algorithm>
#include <array>
#include <span>

#include "tidy/checks.h"
#include "tidy/lexer.h"

namespace tidegate::tidy {
namespace {

struct Ban {
    std::string_view call;
    std::string_view instead;
    bool in_tests = false;  // Banned in tests, tools, models and benchmarks too.
};

constexpr std::string_view kLock = "Mutex, Lock and Condition of base/mutex.h, which clang's analysis understands";
constexpr std::string_view kNumber =
    "parse_i64, parse_u64 or parse_double of base/strings.h, which say what is no number";
constexpr std::string_view kText = "std::string and fmt::format";
constexpr std::string_view kClock = "a Clock, so that a test can move the time";
constexpr std::string_view kRandom = "a Random of base/random.h";
constexpr std::string_view kWait = "Condition::wait_for or a timer of the loop, which a shutdown can wake";
constexpr std::string_view kOutput = "the log of observe/; only app/ writes to the terminal";
constexpr std::string_view kDisk = "a Disk of base/file.h, so that a test can make it fail";
constexpr std::string_view kEnd = "an Error to the caller; only app/ ends the process";

constexpr auto kBans = std::to_array<Ban>({
    {"std::mutex", kLock, true},
    {"std::recursive_mutex", kLock, true},
    {"std::shared_mutex", kLock},
    {"std::lock_guard", kLock, true},
    {"std::unique_lock", kLock},
    {"std::scoped_lock", kLock},
    {"std::condition_variable", kLock, true},
    {"rand(", kRandom, true},
    {"srand(", kRandom, true},
    {"std::random_device", kRandom},
    {"std::mt19937", kRandom},
    {"sprintf", kText, true},
    {"vsprintf", kText, true},
    {"strcpy", kText, true},
    {"strcat", kText, true},
    {"strtok", "split of base/strings.h", true},
    {"gets", kText, true},
    {"gettimeofday", kClock, true},
    {"localtime", "format_rfc3339 of base/clock.h; we print UTC only", true},
    {"system_clock::now", kClock},
    {"steady_clock::now", kClock},
    {"clock_gettime", kClock},
    {"std::time(", kClock},
    {"sleep_for", kWait},
    {"sleep_until", kWait},
    {"usleep", kWait, true},
    {"nanosleep", kWait},
    {"sleep(", kWait, true},
    {"std::cout", kOutput},
    {"std::cerr", kOutput},
    {"printf", kOutput},
    {"puts", kOutput},
    {"std::endl", "'\\n'; nobody waits for the flush", true},
    {"atoi", kNumber, true},
    {"atol", kNumber, true},
    {"atof", kNumber, true},
    {"stoi", kNumber},
    {"stol", kNumber},
    {"stoul", kNumber},
    {"stoull", kNumber},
    {"stod", kNumber},
    {"strtol", kNumber},
    {"strtoul", kNumber},
    {"strtod", kNumber},
    {"new", "std::make_unique or a container"},
    {"delete", "std::unique_ptr"},
    {"malloc(", "a container"},
    {"throw", "fail() of base/result.h; nothing throws across a room's border"},
    {"exit(", kEnd},
    {"quick_exit", kEnd},
    {"std::terminate", "TG_ASSERT of base/assert.h"},
    {"detach(", "a thread that somebody joins", true},
    {"std::regex", "a hand-written scan: std::regex is slow and recurses on the input", true},
    {"getenv", "a setting"},
    {"setenv", "a setting"},
    {"system(", "posix_spawn with an argument list, and a reason", true},
    {"popen", "posix_spawn with an argument list, and a reason"},
    {"std::ofstream", kDisk},
    {"std::ifstream", kDisk},
    {"std::fstream", kDisk},
    {"fopen", kDisk},
});

struct Exemption {
    std::string_view path;  // A file, or a folder ending in `/`.
    std::string_view call;
    std::string_view reason;
};

constexpr auto kExemptions = std::to_array<Exemption>({
    {"src/base/mutex.h", "std::mutex", "the one lock is made of it"},
    {"bench/profile_bench.cpp", "std::mutex", "what the one lock is compared with"},
    {"src/base/mutex.h", "std::condition_variable", "the one condition is made of it"},
    {"src/base/mutex.cpp", "steady_clock::now",
     "how long a lock was waited for; a manual clock stands still meanwhile"},
    {"src/base/clock.cpp", "system_clock::now", "the one clock is made of it"},
    {"src/base/clock.cpp", "steady_clock::now", "the one clock is made of it"},
    {"src/app/", "exit(", "ends the process"},
    {"src/app/", "printf", "writes to the terminal"},
    {"src/app/", "puts", "writes to the terminal"},
    {"src/app/", "std::cout", "writes to the terminal"},
    {"src/app/", "std::cerr", "writes to the terminal"},
    {"src/model/tensor.cpp", "new", "memory with an alignment of its own"},
    {"src/model/onnx/memory.cpp", "new", "the allocator of the models' memory is made of it"},
    {"src/model/onnx/memory.cpp", "delete", "the last block frees its account"},
    {"src/model/onnx/memory.cpp", "malloc(", "the allocator of the models' memory is made of it"},
    {"src/model/onnx/runtime.cpp", "new", "the header of std::bad_alloc"},
    {"src/model/onnx/runtime.cpp", "throw", "how the runtime hears that there is no memory"},
    {"src/app/heap_hooks.cpp", "new", "it is operator new"},
    {"src/app/heap_hooks.cpp", "malloc(", "what operator new is made of"},
    {"src/app/heap_hooks.cpp", "throw", "how operator new says that there is no memory"},
    {"src/runtime/service_manager.cpp", "getenv", "what the service manager says of itself is no setting"},
    {"src/app/ingest_command.cpp", "std::ifstream", "a file of any length, read a line at a time"},
});

bool is_exempt(std::string_view path, std::string_view call) {
    return std::ranges::any_of(kExemptions, [&](const Exemption& exemption) {
        const bool here = exemption.path.ends_with('/') ? path.starts_with(exemption.path) : path == exemption.path;
        return here && exemption.call == call;
    });
}

// The text of `code` that stands before `at`, at most `size` bytes of it.
std::string_view before(std::string_view code, std::size_t at, std::size_t size) {
    const std::size_t from = at > size ? at - size : 0;
    return code.substr(from, at - from);
}

std::string_view line_around(std::string_view code, std::size_t at) {
    const std::size_t from = code.rfind('\n', at) + 1;
    return code.substr(from, code.find('\n', at) - from);
}

// What only looks like the call, and the one use of it that has no better form.
bool is_something_else(std::string_view code, std::size_t at, std::string_view call) {
    std::string_view head = code.substr(0, at);
    while (!head.empty() && (head.back() == ' ' || head.back() == '\n')) head.remove_suffix(1);
    if (call == "delete") return head.ends_with('=') || head.ends_with("operator");
    // A factory over a private constructor: make_unique cannot call that. 120 bytes reach back over a line.
    if (call == "new") {
        const bool is_owned = head.ends_with('(') && before(code, at, 120).find("_ptr<") != std::string_view::npos;
        return is_owned || head.ends_with("operator");
    }
    // A wait on a Condition ends at a real time: no test can move the clock below it.
    if (call == "steady_clock::now") return line_around(code, at).find("deadline") != std::string_view::npos;
    // A thread; streams and handles have a detach() of their own.
    if (call == "detach(") return before(code, at, 40).find("thread") == std::string_view::npos;
    return head.ends_with('.') || head.ends_with("->");
}

void find_calls(const std::string& path, const SourceFile& file, const Ban& ban, Findings& findings) {
    std::size_t at = 0;
    while ((at = find_word(file.code, ban.call, at)) != std::string::npos) {
        if (!is_something_else(file.code, at, ban.call)) {
            std::string name(ban.call);
            if (name.ends_with('(')) name.pop_back();
            findings.push_back(
                {path, line_of(file.code, at), name + " is not used here; use " + std::string(ban.instead)});
        }
        at += ban.call.size();
    }
}

}  // namespace

Findings check_banned_calls(const Tree& tree) {
    Findings findings;
    for (const auto& [path, file] : tree) {
        if (!is_cpp(path)) continue;
        const bool is_source = path.starts_with("src/");
        for (const Ban& ban : kBans) {
            if ((is_source || ban.in_tests) && !is_exempt(path, ban.call)) find_calls(path, file, ban, findings);
        }
    }
    return findings;
}

Findings check_coroutine_temporaries(const Tree& tree) {
    Findings findings;
    for (const auto& [path, file] : tree) {
        if (!is_cpp(path)) continue;
        std::size_t at = 0;
        while ((at = find_word(file.code, "co_await", at)) != std::string::npos) {
            const std::string_view rest = std::string_view(file.code).substr(at);
            const std::string_view statement = rest.substr(0, rest.find(';'));
            // `if (co_await x()) {` ends the expression at the brace of the block.
            const std::size_t brace = statement.find('{');
            const bool is_block = brace != std::string_view::npos && statement.substr(0, brace).ends_with(") ");
            const std::string_view expression = is_block ? statement.substr(0, brace) : statement;
            const bool captures =
                expression.find("[&") != std::string_view::npos || expression.find("[=") != std::string_view::npos;
            if (captures || expression.find('{') != std::string_view::npos) {
                findings.push_back({path, line_of(file.code, at),
                                    "name the aggregate or lambda before the co_await: GCC 12 destroys such "
                                    "a temporary twice"});
            }
            at += 8;
        }
    }
    return findings;
}

}  // namespace tidegate::tidy
