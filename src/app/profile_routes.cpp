#include "app/profile_routes.h"

#include <pthread.h>

#include <charconv>

#include "base/strings.h"
#include "observe/profile/contention.h"
#include "observe/profile/cpu_sampler.h"
#include "observe/profile/flame.h"
#include "observe/profile/frames.h"
#include "observe/profile/heap.h"
#include "observe/profile/pprof.h"
#include "pipeline/context.h"
#include "pipeline/problem.h"

namespace tidegate::app {
namespace {

using pipeline::ContextPtr;
using pipeline::optional;
using pipeline::required;
using pipeline::Route;
using pipeline::Schema;
using pipeline::Work;

constexpr int kPprofSecondsDefault = 30;  // As Go's own server takes it.
constexpr int kFlameSecondsDefault = 5;
constexpr std::uint64_t kSymbolBodyBytesMax = 1024 * 1024;  // 50,000 addresses; pprof sends some hundreds.

constexpr std::string_view kIndex = R"html(<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>Profiles</title></head><body>
<h1>Profiles</h1>
<p>All of them need an admin key: <code>go tool pprof http://key:tg_...@host:port/debug/pprof/profile?seconds=10</code></p>
<ul>
<li><a href="/debug/pprof/profile?seconds=10">profile</a>: CPU time of all threads, 100 samples a second; one at a time</li>
<li><a href="/debug/pprof/contention">contention</a> (also <a href="/debug/pprof/mutex">mutex</a>): where threads have waited for a lock since the start</li>
<li><a href="/debug/pprof/heap">heap</a>: which call stacks hold memory, one sample for each 512 KiB asked for by C++ code</li>
<li><a href="/debug/pprof/flame?seconds=5">flame</a>: a CPU profile as a tree in JSON; <a href="/debug/pprof/flame?last=true">the last one</a></li>
<li><a href="/debug/pprof/cmdline">cmdline</a>, <a href="/debug/pprof/symbol">symbol</a>: for tools</li>
</ul></body></html>
)html";

Route profile_route(std::string name, std::string operation, std::string summary) {
    Route route;
    route.method = http::Method::kGet;
    route.path = "/debug/pprof/" + std::move(name);
    route.operation = std::move(operation);
    route.family = "profiles";
    route.summary = std::move(summary);
    route.work = Work::kBlocking;
    route.access = pipeline::Access::kAdmin;
    route.scopes = {"admin"};
    return route;
}

pipeline::Parameter seconds_parameter(const char* doc) {
    return {.name = "seconds", .schema = Schema::integer().range(1, Profiles::kSecondsMax).doc(doc)};
}

void reply_text(const ContextPtr& context, std::string_view type, std::string body) {
    http::Response response;
    response.headers.add("Content-Type", type);
    response.headers.add("X-Content-Type-Options", "nosniff");
    response.body = std::move(body);
    context->reply(std::move(response));
}

void reply_unsupported(const ContextPtr& context, std::string_view detail) {
    context->reply(pipeline::error_response(context->error_shape(), {.status = 501,
                                                                     .error = "not_implemented",
                                                                     .detail = detail,
                                                                     .request_id = context->request_id(),
                                                                     .path = context->head().path}));
}

constexpr std::string_view kOtherAllocator =
    "This build has the allocator of a sanitizer, which is not sampled; memory in use stands in /metrics.";
constexpr std::string_view kNoStacks = "Stacks can be read on x86-64 Linux with glibc only; this is another machine.";

/// The program and the names of its arguments. Their values may hold a secret and are nobody's business here.
std::string command_line(const Disk& disk) {
    const auto bytes = disk.read("/proc/self/cmdline", 1024 * 1024);
    std::string out;
    if (!bytes) return out;
    for (const std::string_view word : split(*bytes, '\0')) {
        if (!out.empty() && !word.starts_with("--")) continue;
        if (!out.empty()) out += '\0';
        out += word.substr(0, word.starts_with("--") ? word.find('=') : word.size());
    }
    return out;
}

/// `0x55d1+0x55d2` -> a line `0x55d1 name` for each; what is no address is left out.
std::string symbol_lines(const Disk& disk, std::string_view asked) {
    profile::Symbols symbols(disk);
    std::string out;
    for (const std::string_view word : split(trim(asked), '+')) {
        std::uintptr_t address = 0;
        const std::string_view digits = word.starts_with("0x") ? word.substr(2) : std::string_view();
        const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), address, 16);
        if (digits.empty() || error != std::errc() || end != digits.data() + digits.size()) continue;
        out.append(word).append(" ").append(symbols.find(address).name).append("\n");
    }
    return out;
}

Schema flame_schema() {
    return Schema::object({
        required("type", Schema::string().doc("`samples`: how often a stack was found running.")),
        required("unit", Schema::string()),
        required("taken_at", Schema::string().format("date-time").doc("When it ended.")),
        required("seconds", Schema::number().doc("What it covers.")),
        required("period", Schema::integer().doc("Nanoseconds of CPU time between two samples of a thread.")),
        required("dropped", Schema::integer().doc("Samples for which there was no room.")),
        required("threads_missed", Schema::integer().doc("Threads that could not be sampled.")),
        required("root", Schema::object({required("name", Schema::string()), required("self", Schema::integer()),
                                         required("total", Schema::integer().doc("self and those of the children.")),
                                         optional("children", Schema::array(Schema::object({}).open()))})
                             .doc("`all`; below it the threads by name, then the calls, outermost first.")),
    });
}

}  // namespace

void Profiles::start(observe::Logger& log) {
    log_ = &log;
    profile::start_contention(clock_);
    if (profile::heap_hooked()) profile::start_heap(clock_);
    {
        const Lock lock(mutex_);
        stopping_ = false;
    }
    thread_ = std::jthread([this] { run(); });
}

void Profiles::stop() {
    {
        const Lock lock(mutex_);
        stopping_ = true;
        wake_.notify_all();
    }
    if (thread_.joinable()) thread_.join();
}

void Profiles::on_loop_start(pipeline::LoopParts& parts) {
    // Up to the colon it is the group that CPU time is told by (observe/thread_times.h).
    ::pthread_setname_np(::pthread_self(), ("loop:" + std::to_string(parts.index)).c_str());
}

void Profiles::want(const ContextPtr& context, int seconds, Form form) {
    if (!profile::kSupported) return reply_unsupported(context, kNoStacks);
    {
        const Lock lock(mutex_);
        if (!stopping_ && !busy_) {
            busy_ = true;
            wish_ = {.context = context, .seconds = seconds, .form = form};
            wake_.notify_all();
            return;
        }
    }
    context->fail({ErrorCode::kUnavailable, "A CPU profile is being taken; one at a time."});
}

void Profiles::run() {
    ::pthread_setname_np(::pthread_self(), "profiles");
    while (true) {
        std::optional<Wish> wish;
        {
            const Lock lock(mutex_);
            while (!wish_ && !stopping_) wake_.wait(mutex_);
            wish.swap(wish_);
            if (!wish) return;
        }
        take(*wish);
    }
}

/// False: the profile is to end.
bool Profiles::wait_a_second(SteadyTime end, const ContextPtr& context) {
    constexpr Duration kOneSecond = std::chrono::seconds(1);
    const SteadyTime turn = std::min(end, clock_.now() + kOneSecond);
    const Lock lock(mutex_);
    while (!stopping_) {
        const Duration left = turn - clock_.now();
        if (left <= Duration::zero()) return turn < end && !context->client_gone();
        wake_.wait_for(mutex_, left);
    }
    return false;
}

void Profiles::take(const Wish& wish) {
    auto sampler = profile::CpuSampler::start(clock_, kHz);
    if (!sampler) {
        {
            const Lock lock(mutex_);
            busy_ = false;
        }
        return wish.context->fail(sampler.error());
    }
    const SteadyTime end = clock_.now() + std::chrono::seconds(wish.seconds);
    while (wait_a_second(end, wish.context)) (*sampler)->rescan();
    (*sampler)->rescan();  // For the names of threads that were young.
    auto profile = std::make_shared<const profile::Profile>((*sampler)->stop());
    const bool whole = clock_.now() >= end;
    {
        // Before the answer: who has it may ask for the next one.
        const Lock lock(mutex_);
        busy_ = false;
        if (whole) last_ = profile;
    }
    taken_.fetch_add(1, std::memory_order_relaxed);
    dropped_.fetch_add(profile->dropped, std::memory_order_relaxed);
    log_->line(observe::Level::kInfo, "profile_taken")
        .field("request_id", wish.context->request_id())
        .field("actor", wish.context->caller() ? std::string_view(wish.context->caller()->actor) : "")
        .field("seconds", std::chrono::duration<double>(profile->duration).count())
        .field("whole", whole)
        .field("stacks", profile->samples.size())
        .field("dropped", profile->dropped);
    if (!whole) return wish.context->fail({ErrorCode::kUnavailable, "The profile ended before its time."});
    reply(wish.context, *profile, wish.form);
}

void Profiles::reply(const ContextPtr& context, const profile::Profile& profile, Form form) const {
    profile::Symbols symbols(disk_);
    if (form == Form::kFlame) return context->reply_json(profile::to_flame(profile, 0, symbols));
    reply_text(context, "application/octet-stream", profile::to_pprof(profile, symbols));
}

void Profiles::answer_flame(const ContextPtr& context) {
    if (context->query("last").value_or("false") != "true") {
        return want(context, static_cast<int>(context->query_int("seconds").value_or(kFlameSecondsDefault)),
                    Form::kFlame);
    }
    std::shared_ptr<const profile::Profile> last;
    {
        const Lock lock(mutex_);
        last = last_;
    }
    if (!last) return context->fail({ErrorCode::kNotFound, "No CPU profile has been taken yet; ask with `seconds`."});
    reply(context, *last, Form::kFlame);
}

void Profiles::register_routes(std::vector<Route>& routes) {
    Route cpu = profile_route("profile", "cpu_profile", "CPU time by call stack, for `go tool pprof`.");
    cpu.query = {seconds_parameter("How long; default 30.")};
    cpu.example = "seconds=1";
    cpu.response_type = "application/octet-stream";
    cpu.handler = [this](const ContextPtr& context) {
        want(context, static_cast<int>(context->query_int("seconds").value_or(kPprofSecondsDefault)), Form::kPprof);
    };
    routes.push_back(std::move(cpu));

    Route flame = profile_route("flame", "flame_graph", "CPU time as a tree of calls, for a flame graph.");
    flame.query = {
        seconds_parameter("How long; default 5."),
        {.name = "last", .schema = Schema::boolean().doc("The last CPU profile that was taken, again; 404: none.")}};
    flame.example = "seconds=1";
    flame.response = flame_schema();
    flame.handler = [this](const ContextPtr& context) { answer_flame(context); };
    routes.push_back(std::move(flame));

    for (const std::string name : {"contention", "mutex"}) {
        Route waits = profile_route(name, name + "_profile", "Where threads waited for a lock, since the start.");
        waits.response_type = "application/octet-stream";
        waits.handler = [this](const ContextPtr& context) {
            if (!profile::kSupported) return reply_unsupported(context, kNoStacks);
            reply(context, profile::contention_profile(clock_), Form::kPprof);
        };
        routes.push_back(std::move(waits));
    }

    Route heap =
        profile_route("heap", "heap_profile", "Which call stacks hold memory, and what was asked for since the start.");
    heap.response_type = "application/octet-stream";
    heap.handler = [this](const ContextPtr& context) {
        if (!profile::kSupported) return reply_unsupported(context, kNoStacks);
        if (!profile::heap_hooked()) return reply_unsupported(context, kOtherAllocator);
        reply(context, profile::heap_profile(clock_), Form::kPprof);
    };
    routes.push_back(std::move(heap));

    Route line =
        profile_route("cmdline", "cmdline", "The program and the names of its arguments, without their values.");
    line.response_type = "text/plain; charset=utf-8";
    line.handler = [this](const ContextPtr& context) {
        reply_text(context, "text/plain; charset=utf-8", command_line(disk_));
    };
    routes.push_back(std::move(line));

    Route can = profile_route("symbol", "can_name_symbols", "That addresses can be named here (POST).");
    can.response_type = "text/plain; charset=utf-8";
    can.handler = [](const ContextPtr& context) {
        reply_text(context, "text/plain; charset=utf-8", "num_symbols: 1\n");
    };
    routes.push_back(std::move(can));

    Route symbol = profile_route("symbol", "name_symbols", "The functions of addresses of this process.");
    symbol.method = http::Method::kPost;
    symbol.raw_body = true;
    symbol.raw_example = "0x10+0x20";
    symbol.body_bytes_max = kSymbolBodyBytesMax;
    symbol.response_type = "text/plain; charset=utf-8";
    symbol.handler = [this](const ContextPtr& context) {
        reply_text(context, "text/plain; charset=utf-8", symbol_lines(disk_, context->raw_body()));
    };
    routes.push_back(std::move(symbol));

    Route index = profile_route("", "profiles", "A page with what there is.");
    index.response_type = "text/html; charset=utf-8";
    index.handler = [](const ContextPtr& context) {
        reply_text(context, "text/html; charset=utf-8", std::string(kIndex));
    };
    routes.push_back(std::move(index));
}

void Profiles::declare_metrics(observe::Registry& registry) {
    registry.callback({.name = "tidegate_profiles_total",
                       .help = "CPU profiles taken.",
                       .when_it_rises = "Somebody with an admin key asks for them."},
                      observe::MetricType::kCounter, [this](observe::Samples& out) {
                          out.add({}, static_cast<double>(taken_.load(std::memory_order_relaxed)));
                      });
    registry.callback({.name = "tidegate_profile_samples_dropped_total",
                       .help = "Samples of CPU profiles for which there was no room.",
                       .when_it_rises = "Ask for fewer seconds."},
                      observe::MetricType::kCounter, [this](observe::Samples& out) {
                          out.add({}, static_cast<double>(dropped_.load(std::memory_order_relaxed)));
                      });
}

}  // namespace tidegate::app
