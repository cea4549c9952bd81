// What the batcher costs and what it gains: nanoseconds and allocations a request, throughput with 32 askers with and without
// batching, latency at half load, and what remains under four times the load it can carry.
//
// Use         bench_batcher > bench/results/batcher.json
// Model       A session that keeps a core busy for 1 ms + 0.2 ms a row: a pass whose fixed part (weights read from memory) is
//             five rows' worth. That curve is an assumption; what batching gains follows from it.
// Fairness    "Without" is the same batcher with batches = false. Both runs of a pair follow each other in one process.
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <limits>
#include <memory>
#include <new>
#include <thread>
#include <vector>

#include "model/batcher.h"

namespace {
// Allocations of this process outside the session's own run.
std::atomic<std::uint64_t> allocations{0};
thread_local bool in_session = false;
}  // namespace

void* operator new(std::size_t size) {
    if (!in_session) allocations.fetch_add(1, std::memory_order_relaxed);
    if (void* memory = std::malloc(size == 0 ? 1 : size)) return memory;
    std::abort();
}
void operator delete(void* memory) noexcept {
    std::free(memory);
}
void operator delete(void* memory, std::size_t) noexcept {
    std::free(memory);
}

namespace {

using namespace tidegate;
using namespace tidegate::model;
using std::chrono::microseconds;
using std::chrono::milliseconds;
using std::chrono::seconds;
using RealClock = std::chrono::steady_clock;

const SystemClock kClock;

class CurveSession final : public Session {
  public:
    CurveSession(Duration fixed, Duration a_row) : fixed_(fixed), a_row_(a_row) {}
    std::span<const TensorInfo> inputs() const noexcept override { return {&info_, 1}; }
    std::span<const TensorInfo> outputs() const noexcept override { return {&info_, 1}; }
    std::uint64_t memory_bytes() const noexcept override { return 0; }
    Device device() const noexcept override { return Device::kCpu; }
    Result<void> run(std::span<const TensorView> inputs, std::span<const std::uint32_t>, std::vector<Tensor>& results,
                     const RunOptions&) override {
        in_session = true;
        const auto end = RealClock::now() + fixed_ + inputs[0].shape[0] * a_row_;
        auto made = Tensor::make(DataType::kFp32, inputs[0].shape, std::numeric_limits<std::uint64_t>::max());
        if (made) results.push_back(*std::move(made));
        if (fixed_.count() > 0) {
            while (RealClock::now() < end) {
            }
        }
        in_session = false;
        return {};
    }

  private:
    TensorInfo info_{"x", DataType::kFp32, Shape{-1, 16}};
    const Duration fixed_, a_row_;
};

const std::array<float, 16> kRow{};

BatchRequest one_row(AnswerDone done, std::vector<TensorView> inputs = {}) {
    BatchRequest request;
    inputs.clear();
    inputs.push_back({.type = DataType::kFp32, .shape = Shape{1, 16}, .bytes = std::as_bytes(std::span(kRow))});
    request.inputs = std::move(inputs);
    request.wanted = {0};
    request.done = std::move(done);
    return request;
}

std::unique_ptr<Batcher> make(BatcherOptions options, Duration fixed, Duration a_row) {
    std::vector<std::shared_ptr<Session>> sessions{std::make_shared<CurveSession>(fixed, a_row)};
    auto made = Batcher::create("bench", std::move(options), std::move(sessions), kClock);
    if (!made) {
        std::fputs(made.error().message.c_str(), stderr);
        std::exit(1);
    }
    return *std::move(made);
}

struct Cost {
    double ns = 0;
    double allocations = 0;
};

// Requests made outside the measurement would flatter nothing: making one costs two allocations (its vectors), counted here
// and subtracted.
Cost cost(bool inlined) {
    constexpr int kRequests = 200'000;
    constexpr double kOfTheRequest = 2;
    const auto batcher =
        make({.queue_rows_max = 4096, .inline_below = inlined ? milliseconds(1) : Duration{}}, Duration{}, Duration{});
    std::atomic<int> answered{0};
    const auto round = [&](int count) {
        answered = 0;
        for (int i = 0; i < count; ++i) {
            while (i - answered.load(std::memory_order_relaxed) > 1024) std::this_thread::yield();
            batcher->submit(one_row([&answered](Answer) { answered.fetch_add(1, std::memory_order_relaxed); }));
        }
        while (answered < count) std::this_thread::yield();
    };
    for (int i = 0; i < 64; ++i) round(1);  // The pace is known, the threads are up.
    round(20'000);
    Cost least{.ns = 1e18};
    for (int i = 0; i < 5; ++i) {
        const auto before = RealClock::now();
        const std::uint64_t allocated = allocations;
        round(kRequests);
        const double ns = static_cast<double>((RealClock::now() - before).count()) / kRequests;
        if (ns < least.ns) {
            least = {.ns = ns, .allocations = static_cast<double>(allocations - allocated) / kRequests - kOfTheRequest};
        }
    }
    return least;
}

constexpr Duration kFixed = milliseconds(1);
constexpr Duration kARow = microseconds(200);

double quantile(std::vector<double> values, double q) {
    if (values.empty()) return 0;
    std::ranges::sort(values);
    return values[std::min(values.size() - 1, static_cast<std::size_t>(q * static_cast<double>(values.size())))];
}

/// Answers a second with so many askers, each asking again when it has its answer.
double closed_loop(bool batches, int askers, Duration lasts) {
    const auto batcher = make({.batches = batches}, kFixed, kARow);
    std::atomic<std::uint64_t> answered{0};
    std::atomic<int> outstanding{0};
    const auto begin = RealClock::now();
    while (RealClock::now() - begin < lasts) {
        while (outstanding < askers) {
            ++outstanding;
            batcher->submit(one_row([&](Answer answer) {
                if (answer) answered.fetch_add(1);
                outstanding.fetch_sub(1);
            }));
        }
        std::this_thread::sleep_for(microseconds(50));
    }
    return static_cast<double>(answered) / std::chrono::duration<double>(RealClock::now() - begin).count();
}

struct Open {
    double offered = 0;  // A second.
    double answered = 0;
    double p50_ms = 0;
    double p99_ms = 0;
    double refused_p50_us = 0;  // From submit() to the refusal.
    double refused_p99_us = 0;
    double late = 0;  // Of those taken, the share that was not answered in time.
};

/// Requests at random times (Poisson), whatever becomes of them. Good: answered within `deadline`, when there is one.
Open open_loop(bool batches, double a_second, Duration deadline, Duration lasts) {
    const auto batcher = make({.batches = batches, .queue_rows_max = 4096}, kFixed, kARow);
    const auto count = static_cast<std::size_t>(a_second * std::chrono::duration<double>(lasts).count());
    std::vector<double> ms(count, -1);
    std::vector<double> refused_us(count, -1);
    std::atomic<std::size_t> ended{0};
    std::uint64_t dice = 88172645463325252ULL;
    auto next = RealClock::now();
    const auto begin = next;
    for (std::size_t i = 0; i < count; ++i) {
        dice ^= dice << 13U, dice ^= dice >> 7U, dice ^= dice << 17U;  // xorshift64 (Marsaglia 2003).
        const double uniform = (static_cast<double>(dice >> 11U) + 0.5) / 9007199254740992.0;
        next += Duration(static_cast<std::int64_t>(-std::log(uniform) / a_second * 1e9));
        if (next - RealClock::now() > microseconds(100)) std::this_thread::sleep_until(next);
        // From when it was to come: a generator that lags would hide what it waited.
        const auto due = std::min(next, RealClock::now());
        const auto asked = RealClock::now();
        BatchRequest request = one_row([&, i, due, asked](Answer answer) {
            const auto now = RealClock::now();
            if (answer) {
                ms[i] = std::chrono::duration<double, std::milli>(now - due).count();
            } else {
                refused_us[i] = std::chrono::duration<double, std::micro>(now - asked).count();
            }
            ended.fetch_add(1);
        });
        if (deadline.count() > 0) request.deadline = due + deadline;
        batcher->submit(std::move(request));
    }
    const double took = std::chrono::duration<double>(RealClock::now() - begin).count();
    while (ended < count) std::this_thread::sleep_for(milliseconds(1));
    Open open{.offered = static_cast<double>(count) / took};
    const double bound = deadline.count() > 0 ? std::chrono::duration<double, std::milli>(deadline).count() : 1e12;
    const auto good = std::ranges::count_if(ms, [bound](double one) { return one >= 0 && one <= bound; });
    std::erase_if(ms, [](double one) { return one < 0; });
    std::erase_if(refused_us, [](double one) { return one < 0; });
    open.answered = static_cast<double>(good) / took;
    open.p50_ms = quantile(ms, 0.5);
    open.p99_ms = quantile(ms, 0.99);
    // Refused when it came, not after it waited: those that expire are in `late`.
    const auto expired = static_cast<double>(batcher->stats().ended(Ended::kExpired));
    std::ranges::sort(refused_us);
    refused_us.resize(refused_us.size() - std::min(refused_us.size(), static_cast<std::size_t>(expired)));
    open.refused_p50_us = quantile(refused_us, 0.5);
    open.refused_p99_us = quantile(refused_us, 0.99);
    const double taken = static_cast<double>(ms.size()) + expired;
    open.late = taken > 0 ? (taken - static_cast<double>(good)) / taken : 0;
    return open;
}

std::string json(const Open& open) {
    return fmt::format(
        R"({{"offered_a_s": {:.0f}, "answered_in_time_a_s": {:.0f}, "p50_ms": {:.2f}, "p99_ms": {:.2f}, )"
        R"("refused_p50_us": {:.1f}, "refused_p99_us": {:.1f}, "late_share_of_taken": {:.4f}}})",
        open.offered, open.answered, open.p50_ms, open.p99_ms, open.refused_p50_us, open.refused_p99_us, open.late);
}

}  // namespace

int main() {
    const Cost inlined = cost(true);
    const Cost queued = cost(false);
    const Duration lasts = seconds(3);
    const double without = closed_loop(false, 32, lasts);
    const double with = closed_loop(true, 32, lasts);
    const double half = 0.5 / std::chrono::duration<double>(kFixed + kARow).count();
    const Open half_without = open_loop(false, half, Duration{}, lasts);
    const Open half_with = open_loop(true, half, Duration{}, lasts);
    const double peak = closed_loop(true, 128, lasts);
    const Open overload = open_loop(true, 4 * peak, milliseconds(100), lasts);
    fmt::print(
        "{{\n  \"command\": \"bench_batcher\",\n"
        "  \"model\": \"a core busy for 1 ms + 0.2 ms a row; one instance, rows_max 32\",\n"
        "  \"cost_of_a_request\": {{\n"
        "    \"note\": \"a session that does nothing but make its result; its allocations and the request's own two "
        "are not "
        "counted; submitted by one thread\",\n"
        "    \"inline\": {{\"ns\": {:.0f}, \"allocations\": {:.2f}}},\n"
        "    \"queued_in_batches\": {{\"ns\": {:.0f}, \"allocations\": {:.2f}}}\n  }},\n",
        inlined.ns, inlined.allocations, queued.ns, queued.allocations);
    fmt::print(
        "  \"32_askers\": {{\"without_a_s\": {:.0f}, \"with_a_s\": {:.0f}, \"ratio\": {:.2f}, \"goal\": 3, \"gate\": "
        "{}}},\n",
        without, with, with / without, with >= 3 * without);
    fmt::print("  \"half_load\": {{\n    \"without\": {},\n    \"with\": {},\n    \"gate_p99_no_worse\": {}\n  }},\n",
               json(half_without), json(half_with), half_with.p99_ms <= half_without.p99_ms);
    fmt::print(
        "  \"overload\": {{\n    \"peak_a_s\": {:.0f},\n    \"deadline_ms\": 100,\n    \"four_times\": {},\n"
        "    \"goodput_of_peak\": {:.3f}, \"goal\": 0.9, \"gate\": {},\n    \"refused_under_5_ms\": {}\n  }}\n}}\n",
        peak, json(overload), overload.answered / peak, overload.answered >= 0.9 * peak,
        overload.refused_p99_us < 5000);
    return 0;
}
