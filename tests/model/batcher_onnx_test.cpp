// The batcher over the real ONNX Runtime: what comes out of a shared pass is what comes out alone, bit by bit.
#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>
#include <thread>
#include <vector>

#include "model/batcher.h"
#include "model/fake_session.h"
#include "support/onnx_backend.h"
#include "support/onnx_file.h"

namespace tidegate::model {
namespace {

using testing::eventually;
using testing::floats;
using testing::values_of;
using tidegate::testing::as_file;
using tidegate::testing::onnx_backend;

constexpr std::int64_t kIn = 24;
constexpr std::int64_t kOut = 10;
constexpr int kThreads = 4;
constexpr int kEach = 2500;

/// Small numbers that are no round ones.
class Dice {
  public:
    explicit Dice(std::uint32_t seed) : state_(seed * 2654435761U + 1) {}
    std::uint32_t below(std::uint32_t bound) {
        state_ = state_ * 1664525U + 1013904223U;
        return (state_ >> 8U) % bound;
    }
    float real() { return static_cast<float>(below(200'001)) / 70'000.0F - 1.4F; }

  private:
    std::uint32_t state_;
};

std::string linear_model() {
    Dice dice(7);
    std::vector<float> weights(kIn * kOut);
    std::vector<float> bias(kOut);
    for (float& one : weights) one = dice.real();
    for (float& one : bias) one = dice.real();
    return tidegate::testing::onnx_linear(kIn, kOut, weights, bias);
}

class BatcherOnnx : public ::testing::Test {
  protected:
    void SetUp() override { TG_SKIP_WITHOUT_ONNX(backend_); }

    /// All requests from several threads at once; each answer against the same rows, each run by itself.
    void compare(const std::string& file, BatcherOptions options) {
        auto loaded = backend_->load(as_file(file), {});
        ASSERT_TRUE(loaded) << loaded.error().message;
        const std::shared_ptr<Session> session = *std::move(loaded);
        options.queue_rows_max = 100'000;
        static const SystemClock clock;
        auto batcher = *Batcher::create("linear", std::move(options), {session}, clock);
        std::atomic<int> wrong{0};
        std::atomic<int> answered{0};
        std::vector<std::jthread> threads;
        for (unsigned t = 0; t < kThreads; ++t) {
            threads.emplace_back([&, t] {
                Dice dice(t + 1);
                for (int i = 0; i < kEach; ++i) {
                    const std::uint32_t rows = 1 + dice.below(i % 50 == 0 ? 70 : 5);
                    std::vector<float> values(rows * kIn);
                    for (float& one : values) one = dice.real();
                    BatchRequest request = floats(values, rows);
                    std::vector<Tensor> alone;
                    if (!session->run(request.inputs, request.wanted, alone, {})) ++wrong;
                    request.done = [&, alone = std::move(alone)](Answer answer) {
                        const bool same = answer && alone.size() == 1 && answer->outputs.size() == 1 &&
                                          answer->outputs[0].shape == alone[0].shape() &&
                                          std::ranges::equal(answer->outputs[0].bytes, alone[0].bytes());
                        if (!same) ++wrong;
                        ++answered;
                    };
                    batcher->submit(std::move(request));
                }
            });
        }
        threads.clear();
        ASSERT_TRUE(eventually([&] { return answered == kThreads * kEach; }));
        EXPECT_EQ(wrong, 0);
        EXPECT_EQ(batcher->stats().ended(Ended::kAnswered), static_cast<std::uint64_t>(kThreads * kEach));
        RecordProperty("passes", static_cast<int>(batcher->stats().passes));
        RecordProperty("rows", static_cast<int>(batcher->stats().rows));
    }

    const std::unique_ptr<Backend> backend_ = onnx_backend();
};

TEST_F(BatcherOnnx, TenThousandMixedRequestsEqualThoseRunAlone) {
    compare(linear_model(), {.rows_max = 32, .instances = 2});
}

TEST_F(BatcherOnnx, TheSameWithPassesOnTheThreadsThatAsk) {
    compare(linear_model(), {.rows_max = 32, .inline_below = std::chrono::microseconds(50)});
}

}  // namespace
}  // namespace tidegate::model
