#include "observe/profile/cpu_sampler.h"

#include <sys/mman.h>
#include <ucontext.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <csignal>
#include <filesystem>
#include <span>
#include <thread>
#include <utility>

#include "base/assert.h"
#include "base/file.h"
#include "base/strings.h"
#include "observe/profile/frames.h"
#include "observe/profile/maps.h"

namespace tidegate::profile {

/// One record: a head word (thread << 32 | ticks << 8 | frames), then the frames. A head of zero ends them.
struct CpuSampler::Buffer {
    explicit Buffer(std::size_t bytes) : words(bytes / sizeof(std::uintptr_t)) {
        void* got = ::mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
        if (got != MAP_FAILED) memory = static_cast<std::uintptr_t*>(got);
    }
    ~Buffer() {
        if (memory != nullptr) ::munmap(memory, words * sizeof(std::uintptr_t));
    }
    Buffer(const Buffer&) = delete;
    Buffer& operator=(const Buffer&) = delete;

    const std::size_t words;
    std::uintptr_t* memory = nullptr;
    std::atomic<std::size_t> used{0};
    std::atomic<std::uint64_t> dropped{0};
};

namespace {

constexpr std::uint64_t kNsPerSecond = 1'000'000'000;
constexpr std::uint64_t kTicksMax = 0xFF'FFFF;

constinit std::atomic<bool> running{false};  // Some sampler stands.

}  // namespace

struct Handler {
    static constinit std::atomic<CpuSampler::Buffer*> active;
    static constinit std::atomic<int> entered;  // Between reading `active` and leaving.

    static void on_tick(int, siginfo_t* info, void* machine) noexcept {
        const int saved = errno;
        entered.fetch_add(1, std::memory_order_seq_cst);
        CpuSampler::Buffer* const buffer = active.load(std::memory_order_seq_cst);
        if (buffer != nullptr && info->si_code == SI_TIMER) keep(*buffer, *info, machine);
        entered.fetch_sub(1, std::memory_order_release);
        errno = saved;
    }

#if defined(__x86_64__) && defined(__linux__) && defined(__GLIBC__)
    static void keep(CpuSampler::Buffer& buffer, const siginfo_t& info, const void* machine) noexcept {
        const auto& registers = static_cast<const ucontext_t*>(machine)->uc_mcontext.gregs;
        std::array<std::uintptr_t, kFramesMax> frames;
        frames[0] = static_cast<std::uintptr_t>(registers[REG_RIP]);
        const std::size_t count =
            1 + walk(static_cast<std::uintptr_t>(registers[REG_RBP]), static_cast<std::uintptr_t>(registers[REG_RSP]),
                     std::span(frames).subspan(1));
        // A tick that came while the one before was not yet delivered is counted by the kernel.
        const std::uint64_t ticks = std::min<std::uint64_t>(1 + static_cast<std::uint64_t>(info.si_overrun), kTicksMax);
        const std::size_t at = buffer.used.fetch_add(count + 1, std::memory_order_relaxed);
        if (at + count + 1 >= buffer.words) {
            buffer.dropped.fetch_add(ticks, std::memory_order_relaxed);
            return;
        }
        for (std::size_t i = 0; i < count; ++i) buffer.memory[at + 1 + i] = frames[i];
        buffer.memory[at] = static_cast<std::uintptr_t>(::gettid()) << 32U | ticks << 8U | count;
    }

    static bool install() noexcept {
        struct sigaction action{};
        action.sa_sigaction = &on_tick;
        action.sa_flags = SA_SIGINFO | SA_RESTART | SA_ONSTACK;
        sigemptyset(&action.sa_mask);
        // It stays: a tick on its way when its timer is deleted would end the process.
        return ::sigaction(SIGPROF, &action, nullptr) == 0;
    }

    static bool arm(pid_t thread, unsigned hz, timer_t& timer) noexcept {
        sigevent event{};
        event.sigev_notify = SIGEV_THREAD_ID;
        event.sigev_signo = SIGPROF;
        event._sigev_un._tid = thread;
        // The kernel's name for the CPU clock of a thread by its id, as pthread_getcpuclockid() makes it: ~id << 3, of a
        // thread (4), scheduler time (2).
        const auto clock = static_cast<clockid_t>((~static_cast<unsigned>(thread) << 3U) | 4U | 2U);
        if (::timer_create(clock, &event, &timer) != 0) return false;
        const auto period = static_cast<long>(kNsPerSecond / hz);
        const itimerspec times{.it_interval = {.tv_sec = period / 1'000'000'000, .tv_nsec = period % 1'000'000'000},
                               .it_value = {.tv_sec = period / 1'000'000'000, .tv_nsec = period % 1'000'000'000}};
        if (::timer_settime(timer, 0, &times, nullptr) == 0) return true;
        ::timer_delete(timer);
        return false;
    }
#else
    static bool install() noexcept { return false; }
    static bool arm(pid_t, unsigned, timer_t&) noexcept { return false; }
    static void keep(CpuSampler::Buffer&, const siginfo_t&, const void*) noexcept {}
#endif
};

constinit std::atomic<CpuSampler::Buffer*> Handler::active{nullptr};
constinit std::atomic<int> Handler::entered{0};

Result<std::unique_ptr<CpuSampler>> CpuSampler::start(const Clock& clock, unsigned hz, std::size_t bytes) {
    TG_ASSERT(hz >= 1 && hz <= kHzMax);
    if constexpr (!kSupported) return fail(ErrorCode::kUnavailable, "CPU profiles are made on x86-64 Linux only");
    if (running.exchange(true)) return fail(ErrorCode::kUnavailable, "a CPU profile is being taken already");
    auto buffer = std::make_unique<Buffer>(bytes);
    if (buffer->memory == nullptr || !Handler::install()) {
        running.store(false);
        return fail(ErrorCode::kUnavailable, "the system gives no memory or no signal for a profile");
    }
    prepare_walks();
    std::unique_ptr<CpuSampler> sampler(new CpuSampler(clock, hz, std::move(buffer)));
    Handler::active.store(sampler->buffer_.get(), std::memory_order_seq_cst);
    sampler->rescan();
    if (sampler->timers_.empty()) return fail(ErrorCode::kUnavailable, "the system gives no timer for a profile");
    return sampler;
}

CpuSampler::CpuSampler(const Clock& clock, unsigned hz, std::unique_ptr<Buffer> buffer)
    : clock_(clock), hz_(hz), began_(clock.now()), buffer_(std::move(buffer)) {}

CpuSampler::~CpuSampler() {
    end();
}

void CpuSampler::rescan() {
    std::error_code error;
    for (const auto& entry : std::filesystem::directory_iterator("/proc/self/task", error)) {
        const std::string task = entry.path().filename().string();
        const auto thread = static_cast<pid_t>(parse_i64(task).value_or(0));
        if (thread == 0) continue;
        // Read again each time: a thread names itself when it has begun.
        if (const auto name = SystemDisk().read("/proc/self/task/" + task + "/comm", 64)) names_[thread] = trim(*name);
        if (timers_.contains(thread)) continue;
        timer_t timer{};
        if (Handler::arm(thread, hz_, timer)) {
            timers_.emplace(thread, timer);
        } else if (errno == EAGAIN) {
            untimed_.insert(thread);  // Anything else: it has ended meanwhile.
        }
    }
}

void CpuSampler::end() noexcept {
    if (std::exchange(ended_, true)) return;
    for (const auto& [thread, timer] : timers_) ::timer_delete(timer);
    Handler::active.store(nullptr, std::memory_order_seq_cst);
    // A handler that has the buffer still takes microseconds at most.
    while (Handler::entered.load(std::memory_order_acquire) != 0) std::this_thread::yield();
    running.store(false);
}

Profile CpuSampler::stop() {
    end();
    return gather();
}

Profile CpuSampler::gather() const {
    const std::vector<Mapping> maps = read_maps();
    const auto is_code = [&maps](std::uintptr_t address) {
        const Mapping* mapping = find_mapping(maps, address);
        return mapping != nullptr && mapping->executable;
    };
    struct Key {
        std::string thread;
        std::vector<std::uintptr_t> stack;
        auto operator<=>(const Key&) const = default;
    };
    std::map<Key, std::int64_t> ticks_of;
    const std::size_t used = std::min(buffer_->used.load(std::memory_order_acquire), buffer_->words);
    for (std::size_t at = 0; at < used && buffer_->memory[at] != 0;) {
        const std::uintptr_t head = buffer_->memory[at];
        const std::size_t count = head & 0xFFU;
        Key key;
        const auto named = names_.find(static_cast<pid_t>(head >> 32U));
        if (named != names_.end()) key.thread = named->second;
        for (std::size_t i = 0; i < count; ++i) {
            // A caller's address is one behind its call. What is no code ends the chain: a register that was no frame pointer.
            const std::uintptr_t address = buffer_->memory[at + 1 + i] - (i == 0 ? 0 : 1);
            if (i > 0 && !is_code(address)) break;
            key.stack.push_back(address);
        }
        ticks_of[std::move(key)] += static_cast<std::int64_t>(head >> 8U & kTicksMax);
        at += count + 1;
    }
    Profile profile;
    profile.types = {{"samples", "count"}, {"cpu", "nanoseconds"}};
    profile.period_type = {"cpu", "nanoseconds"};
    profile.period = static_cast<std::int64_t>(kNsPerSecond / hz_);
    profile.taken_at = clock_.unix_ms();
    profile.duration = clock_.now() - began_;
    profile.dropped = buffer_->dropped.load(std::memory_order_relaxed);
    profile.missed = untimed_.size();
    for (const auto& [key, ticks] : ticks_of) {
        profile.samples.push_back(
            {.stack = key.stack, .values = {ticks, ticks * profile.period}, .thread = key.thread});
    }
    return profile;
}

}  // namespace tidegate::profile
