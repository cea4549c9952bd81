// FakeSession: a model whose passes a test sees, holds up and breaks. y = 2 x + 1 for FP32 `x` of any shape [-1,...].
#pragma once

#include <algorithm>
#include <atomic>
#include <cstring>
#include <future>
#include <limits>
#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "base/clock.h"
#include "base/mutex.h"
#include "model/backend.h"
#include "model/batcher.h"

namespace tidegate::testing {

/// Waits for a condition, not for a time; false after so long that something is broken.
template <class Condition>
bool eventually(Condition condition) {
    const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(120);
    while (!condition()) {
        if (std::chrono::steady_clock::now() > end) return false;
        std::this_thread::yield();
    }
    return true;
}

class FakeSession final : public model::Session {
  public:
    /// A request with this value anywhere makes its pass fail.
    static constexpr float kPoison = -12345.0F;

    FakeSession() {
        inputs_.push_back({"x", model::DataType::kFp32, model::Shape{-1, -1}});
        outputs_.push_back({"y", model::DataType::kFp32, model::Shape{-1, -1}});
    }
    std::span<const model::TensorInfo> inputs() const noexcept override { return inputs_; }
    std::span<const model::TensorInfo> outputs() const noexcept override { return outputs_; }
    std::uint64_t memory_bytes() const noexcept override { return 0; }
    model::Device device() const noexcept override { return model::Device::kCpu; }

    Result<void> run(std::span<const model::TensorView> inputs, std::span<const std::uint32_t> wanted,
                     std::vector<model::Tensor>& results, const model::RunOptions& options) override {
        running.fetch_add(1);
        const Result<void> done = pass(inputs, wanted, results, options);
        running.fetch_sub(1);
        return done;
    }

    /// While it is held, passes wait for let().
    void hold() { held_.store(true); }
    /// Lets so many passes go.
    void let(int passes = 1) { free_.fetch_add(passes); }
    void let_all() { held_.store(false); }

    std::vector<model::Shape> passes() const {
        const Lock lock(mutex_);
        return passes_;
    }
    std::vector<std::int64_t> rows() const {
        const Lock lock(mutex_);
        std::vector<std::int64_t> rows;
        for (const auto& shape : passes_) rows.push_back(shape[0]);
        return rows;
    }
    std::vector<std::vector<float>> seen() const {
        const Lock lock(mutex_);
        return seen_;
    }

    std::atomic<int> running{0};
    std::atomic<const void*> last_input{nullptr};
    std::atomic<bool> loses_rows{false};
    std::atomic<bool> keeps{false};  // What it saw, for seen().
    std::atomic<ManualClock*> clock{nullptr};
    std::atomic<std::int64_t> takes_ns{0};  // Of that clock.
    std::atomic<std::int64_t> spins_ns{0};  // Of the real one.

  private:
    Result<void> pass(std::span<const model::TensorView> inputs, std::span<const std::uint32_t> wanted,
                      std::vector<model::Tensor>& results, const model::RunOptions& options) {
        const model::TensorView& x = inputs.front();
        std::vector<float> values(x.bytes.size() / sizeof(float));
        if (!values.empty()) std::memcpy(values.data(), x.bytes.data(), x.bytes.size());
        {
            const Lock lock(mutex_);
            passes_.push_back(x.shape);
            if (keeps) seen_.push_back(values);
        }
        last_input = x.bytes.data();
        while (held_) {
            if (options.cancelled != nullptr && *options.cancelled) return fail(ErrorCode::kCancelled, "cancelled");
            int free = free_.load();
            if (free > 0 && free_.compare_exchange_strong(free, free - 1)) break;
            std::this_thread::yield();
        }
        if (ManualClock* manual = clock) manual->advance(Duration(takes_ns));
        const auto end = std::chrono::steady_clock::now() + Duration(spins_ns);
        while (spins_ns > 0 && std::chrono::steady_clock::now() < end) {
        }
        if (std::ranges::find(values, kPoison) != values.end()) return fail(ErrorCode::kInvalidArgument, "poison");
        results.clear();
        for (std::size_t i = 0; i < wanted.size(); ++i) {
            model::Shape shape = x.shape;
            if (loses_rows && shape[0] > 1) shape.set(0, shape[0] - 1);
            auto y = model::Tensor::make(model::DataType::kFp32, shape, std::numeric_limits<std::uint64_t>::max());
            if (!y) return std::unexpected(y.error());
            const auto to = y->bytes();
            for (std::size_t at = 0; at < to.size() / sizeof(float); ++at) {
                const float value = 2 * values[at] + 1;
                std::memcpy(to.data() + at * sizeof value, &value, sizeof value);
            }
            results.push_back(*std::move(y));
        }
        return {};
    }

    std::vector<model::TensorInfo> inputs_, outputs_;
    std::atomic<bool> held_{false};
    std::atomic<int> free_{0};
    mutable Mutex mutex_;
    std::vector<model::Shape> passes_ TG_GUARDED_BY(mutex_);
    std::vector<std::vector<float>> seen_ TG_GUARDED_BY(mutex_);
};

/// A request of FP32 [rows, width], its bytes kept by itself.
inline model::BatchRequest floats(const std::vector<float>& values, std::uint32_t rows) {
    auto kept = std::make_shared<const std::vector<float>>(values);
    model::BatchRequest request;
    request.rows = rows;
    request.wanted = {0};
    request.inputs.push_back({.type = model::DataType::kFp32,
                              .shape = model::Shape{rows, static_cast<std::int64_t>(values.size() / rows)},
                              .bytes = std::as_bytes(std::span(*kept)),
                              .strings = {}});
    request.owner = std::move(kept);
    return request;
}

inline std::vector<float> values_of(const model::TensorView& view) {
    std::vector<float> values(view.bytes.size() / sizeof(float));
    if (!values.empty()) std::memcpy(values.data(), view.bytes.data(), view.bytes.size());
    return values;
}

inline std::vector<float> expected_of(std::vector<float> values) {
    for (float& value : values) value = 2 * value + 1;
    return values;
}

/// submit(), and the answer to come.
inline std::future<model::Answer> ask(model::Batcher& batcher, model::BatchRequest request) {
    std::promise<model::Answer> promise;
    auto future = promise.get_future();
    request.done = [promise = std::move(promise)](model::Answer answer) mutable {
        promise.set_value(std::move(answer));
    };
    batcher.submit(std::move(request));
    return future;
}

inline bool is_ready(const std::future<model::Answer>& future) {
    return future.wait_for(std::chrono::seconds(0)) == std::future_status::ready;
}

}  // namespace tidegate::testing
