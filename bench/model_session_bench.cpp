// What a pass costs: a tiny model's in nanoseconds and allocations, a heavy one's by threads while event loops want the cores too.
//
// Use         bench_model_session [LIBRARY; default build/deps/onnxruntime/lib/libonnxruntime.so.1] [SECONDS a row, default 2]
//             writes JSON. Times of the tiny model are CPU time of the thread, best of five: other work on the machine only adds.
// Load        Tiny: [1,4] x [4,4] + bias. Heavy: 32 rows through 8 products with [256,256], 34 million operations a pass. The loops are
//             one thread a core that wakes each millisecond and computes for 300 us, as a loop under half load does; its lateness
//             is how long after its time it began.
#include <fmt/format.h>
#include <time.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdlib>
#include <new>
#include <string>
#include <thread>
#include <vector>

#include "base/strings.h"
#include "model/onnx/onnx.h"
#include "support/onnx_file.h"

namespace {

std::atomic<std::uint64_t> allocations{0};

}  // namespace

// Counts what the program and the runtime's library take from the heap.
void* operator new(std::size_t bytes) {
    allocations.fetch_add(1, std::memory_order_relaxed);
    if (void* const memory = std::malloc(bytes)) return memory;
    throw std::bad_alloc();
}
void operator delete(void* memory) noexcept {
    std::free(memory);
}
void operator delete(void* memory, std::size_t /*bytes*/) noexcept {
    std::free(memory);
}

namespace tidegate::model {
namespace {

using Steady = std::chrono::steady_clock;

double seconds(clockid_t clock) {
    timespec now{};
    ::clock_gettime(clock, &now);
    return static_cast<double>(now.tv_sec) + static_cast<double>(now.tv_nsec) / 1e9;
}

std::unique_ptr<Session> load(Backend& backend, const std::string& file, const SessionOptions& options) {
    auto session = backend.load({reinterpret_cast<const std::byte*>(file.data()), file.size()}, options);
    if (!session) {
        fmt::print(stderr, "{}\n", session.error().message);
        std::exit(1);
    }
    return std::move(*session);
}

// Passes of rows of ones.
class Passes {
  public:
    Passes(Session& session, std::int64_t rows, std::int64_t width, const std::atomic<bool>* cancelled)
        : session_(session), data_(static_cast<std::size_t>(rows * width), 1.0F), options_{cancelled} {
        inputs_.push_back(
            {.type = DataType::kFp32, .shape = {rows, width}, .bytes = std::as_bytes(std::span(data_)), .strings = {}});
    }
    void one() {
        const auto ran = session_.run(inputs_, wanted_, results_, options_);
        if (!ran) {
            fmt::print(stderr, "{}\n", ran.error().message);
            std::exit(1);
        }
    }

  private:
    Session& session_;
    std::vector<float> data_;
    std::vector<TensorView> inputs_;
    std::vector<std::uint32_t> wanted_{0};
    std::vector<Tensor> results_;
    RunOptions options_;
};

std::string tiny(Backend& backend, const char* name, const std::atomic<bool>* cancelled) {
    constexpr int kRuns = 100'000;
    std::vector<float> weights(16, 0.5F);
    const std::vector<float> bias(4, 0.1F);
    const auto session = load(backend, testing::onnx_linear(4, 4, weights, bias), {});
    Passes passes(*session, 1, 4, cancelled);
    for (int i = 0; i < 1000; ++i) passes.one();
    double best = 1e9;
    const std::uint64_t before = allocations.load();
    for (int round = 0; round < 5; ++round) {
        const double begin = seconds(CLOCK_THREAD_CPUTIME_ID);
        for (int i = 0; i < kRuns; ++i) passes.one();
        best = std::min(best, (seconds(CLOCK_THREAD_CPUTIME_ID) - begin) / kRuns);
    }
    const double each = static_cast<double>(allocations.load() - before) / (5.0 * kRuns);
    return fmt::format(R"(    {{"run": "{}", "cpu_ns": {:.0f}, "heap_allocations": {:.2f}, "session_bytes": {}}})",
                       name, best * 1e9, each, session->memory_bytes());
}

struct Row {
    const char* name;
    unsigned instances;  // Threads that run passes.
    unsigned intra_op;   // Threads of a session.
    bool spins;
    bool loops;  // One a core beside them.
};

std::string heavy(Backend& backend, const Row& row, double length) {
    const auto session = load(backend, testing::onnx_heavy(256, 8),
                              {.intra_op_threads = row.intra_op, .more = {{"allow_spinning", row.spins ? "1" : "0"}}});
    std::atomic<bool> stop{false};
    std::atomic<std::uint64_t> passes{0};
    std::vector<std::thread> threads;
    std::vector<std::vector<double>> late(row.loops ? std::max(1U, std::thread::hardware_concurrency()) : 0);
    const double cpu_begin = seconds(CLOCK_PROCESS_CPUTIME_ID);
    std::atomic<std::int64_t> loops_cpu_ns{0};
    for (auto& mine : late) {
        threads.emplace_back([&stop, &mine, &loops_cpu_ns] {
            auto next = Steady::now();
            while (!stop.load(std::memory_order_relaxed)) {
                next += std::chrono::milliseconds(1);
                std::this_thread::sleep_until(next);
                mine.push_back(std::chrono::duration<double, std::micro>(Steady::now() - next).count());
                const double begin = seconds(CLOCK_THREAD_CPUTIME_ID);
                while (seconds(CLOCK_THREAD_CPUTIME_ID) - begin < 300e-6) {
                }
                // A loop that is far behind does not make up for it.
                if (Steady::now() > next + std::chrono::milliseconds(20)) next = Steady::now();
            }
            loops_cpu_ns += static_cast<std::int64_t>(seconds(CLOCK_THREAD_CPUTIME_ID) * 1e9);
        });
    }
    for (unsigned i = 0; i < row.instances; ++i) {
        threads.emplace_back([&] {
            Passes mine(*session, 32, 256, nullptr);
            while (!stop.load(std::memory_order_relaxed)) {
                mine.one();
                passes.fetch_add(1, std::memory_order_relaxed);
            }
        });
    }
    const auto begin = Steady::now();
    std::this_thread::sleep_for(std::chrono::duration<double>(length));
    // On a full machine the sleep itself ends late.
    const auto count = static_cast<double>(passes.load());
    const double lasted = std::chrono::duration<double>(Steady::now() - begin).count();
    stop = true;
    for (auto& thread : threads) thread.join();
    const double loops_cpu = static_cast<double>(loops_cpu_ns.load()) / 1e9;
    const double cpu = seconds(CLOCK_PROCESS_CPUTIME_ID) - cpu_begin - loops_cpu;
    std::vector<double> all;
    for (const auto& mine : late) all.insert(all.end(), mine.begin(), mine.end());
    std::ranges::sort(all);
    const auto at = [&all](double share) {
        return all.empty() ? 0.0 : all[static_cast<std::size_t>(share * static_cast<double>(all.size() - 1))];
    };
    return fmt::format(
        R"(    {{"run": "{}", "instances": {}, "intra_op_threads": {}, "spinning": {}, "loops": {}, "passes_per_s": {:.0f}, )"
        R"("cpu_us_per_pass": {:.0f}, "loop_wakes_per_s": {:.0f}, "loop_late_us_p50": {:.0f}, "loop_late_us_p99": {:.0f}}})",
        row.name, row.instances, row.intra_op, row.spins, row.loops, count / lasted,
        cpu / static_cast<double>(passes.load()) * 1e6, static_cast<double>(all.size()) / lasted, at(0.50), at(0.99));
}

}  // namespace
}  // namespace tidegate::model

int main(int argc, char** argv) {
    using namespace tidegate;
    using namespace tidegate::model;
    const std::string library = argc > 1 ? argv[1] : "build/deps/onnxruntime/lib/libonnxruntime.so.1";
    const double length = argc > 2 ? parse_double(argv[2]).value_or(2.0) : 2.0;
    auto backend = open_onnx(library);
    if (!backend) {
        fmt::print(stderr, "{}\n", backend.error().message);
        return 1;
    }
    const std::atomic<bool> unset{false};
    std::string tiny_rows =
        tiny(**backend, "tiny", nullptr) + ",\n" + tiny(**backend, "tiny, can be cancelled", &unset);
    std::string heavy_rows;
    for (const bool loops : {false, true}) {
        for (const Row& row : {Row{"1 x 1", 1, 1, false, loops}, Row{"2 x 1", 2, 1, false, loops},
                               Row{"1 x 2", 1, 2, false, loops}, Row{"1 x 2, spinning", 1, 2, true, loops},
                               Row{"2 x 2", 2, 2, false, loops}, Row{"2 x 2, spinning", 2, 2, true, loops}}) {
            heavy_rows += (heavy_rows.empty() ? "" : ",\n") + heavy(**backend, row, length);
        }
    }
    fmt::print(
        "{{\n  \"runtime\": \"{} {}\",\n  \"cores\": {},\n  \"tiny\": [\n{}\n  ],\n  \"heavy\": [\n{}\n  ]\n}}\n",
        (*backend)->name(), (*backend)->version(), std::thread::hardware_concurrency(), tiny_rows, heavy_rows);
    return 0;
}
