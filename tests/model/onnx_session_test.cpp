// Sessions over the real ONNX Runtime: every type, dimensions that requests choose, cancellation, the bound on memory.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <array>
#include <atomic>
#include <cstring>
#include <numeric>
#include <string>
#include <thread>
#include <vector>

#include "support/onnx_backend.h"
#include "support/onnx_file.h"

namespace tidegate::model {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using tidegate::testing::as_file;
using tidegate::testing::onnx_backend;
using tidegate::testing::OnnxFile;

template <class T>
TensorView view_of(DataType type, const Shape& shape, const std::vector<T>& values) {
    return {.type = type, .shape = shape, .bytes = std::as_bytes(std::span(values)), .strings = {}};
}

template <class T>
std::vector<T> values_of(const Tensor& tensor) {
    std::vector<T> out(tensor.bytes().size() / sizeof(T));
    if (!out.empty()) std::memcpy(out.data(), tensor.bytes().data(), tensor.bytes().size());
    return out;
}

class OnnxSession : public ::testing::Test {
  protected:
    void SetUp() override { TG_SKIP_WITHOUT_ONNX(backend_); }

    std::unique_ptr<Session> load(const std::string& file, const SessionOptions& options = {}) {
        auto session = backend_->load(as_file(file), options);
        EXPECT_TRUE(session) << session.error().message;
        return session ? std::move(*session) : nullptr;
    }

    static Result<std::vector<Tensor>> run(Session& session, const std::vector<TensorView>& inputs,
                                           const std::vector<std::uint32_t>& wanted = {0},
                                           const RunOptions& options = {}) {
        std::vector<Tensor> results;
        TG_CHECK(session.run(inputs, wanted, results, options));
        return results;
    }

    std::unique_ptr<Backend> backend_ = onnx_backend();
};

TEST_F(OnnxSession, SaysWhatItIs) {
    EXPECT_EQ(backend_->name(), "onnxruntime");
    EXPECT_THAT(backend_->version(), HasSubstr("1."));
    EXPECT_TRUE(backend_->offers(Device::kCpu, 0));
}

TEST_F(OnnxSession, DescribesInputsAndOutputs) {
    const auto session = load(OnnxFile()
                                  .input("ids", DataType::kInt64, {-1, -1})
                                  .input("mask", DataType::kBool, {2, 3})
                                  .output("out", DataType::kInt64, {-1, -1})
                                  .output("kept", DataType::kBool, {2, 3})
                                  .node("Identity", {"ids"}, {"out"})
                                  .node("Identity", {"mask"}, {"kept"})
                                  .bytes());
    ASSERT_NE(session, nullptr);
    ASSERT_EQ(session->inputs().size(), 2U);
    EXPECT_EQ(session->inputs()[0].name, "ids");
    EXPECT_EQ(session->inputs()[0].type, DataType::kInt64);
    EXPECT_EQ(session->inputs()[0].shape.text(), "[-1,-1]");
    EXPECT_EQ(session->inputs()[1].shape.text(), "[2,3]");
    EXPECT_EQ(session->outputs()[1].name, "kept");
    EXPECT_EQ(session->outputs()[1].type, DataType::kBool);
    EXPECT_EQ(session->device(), Device::kCpu);
}

TEST_F(OnnxSession, PassesEveryTypeThroughUnchanged) {
    for (const DataType type : {DataType::kBool, DataType::kUint8, DataType::kUint16, DataType::kUint32,
                                DataType::kUint64, DataType::kInt8, DataType::kInt16, DataType::kInt32,
                                DataType::kInt64, DataType::kFp16, DataType::kBf16, DataType::kFp32, DataType::kFp64}) {
        const auto session = load(tidegate::testing::onnx_identity(type, {-1, 3}));
        ASSERT_NE(session, nullptr) << to_string(type);
        EXPECT_EQ(session->inputs()[0].type, type);
        for (const std::int64_t rows : {0, 1, 2, 33}) {
            std::vector<unsigned char> bytes(static_cast<std::size_t>(rows) * 3 * element_size(type));
            std::iota(bytes.begin(), bytes.end(), static_cast<unsigned char>(1));
            if (type == DataType::kBool) {
                for (auto& byte : bytes) byte &= 1U;
            }
            const auto results = run(*session, {view_of(type, {rows, 3}, bytes)});
            ASSERT_TRUE(results) << to_string(type) << ": " << results.error().message;
            EXPECT_EQ((*results)[0].type(), type);
            EXPECT_EQ((*results)[0].shape(), (Shape{rows, 3}));
            EXPECT_EQ(values_of<unsigned char>((*results)[0]), bytes) << to_string(type) << " x " << rows;
        }
    }
}

TEST_F(OnnxSession, PassesStringsOfAnyBytes) {
    const auto session = load(tidegate::testing::onnx_identity(DataType::kBytes, {-1, 2}));
    ASSERT_NE(session, nullptr);
    const std::string with_zero("a\0b", 3);
    const std::string long_one(100'000, 'x');
    const std::vector<std::string_view> strings{"", with_zero, "\xFF\xFE", long_one};
    const TensorView view{.type = DataType::kBytes, .shape = {2, 2}, .bytes = {}, .strings = strings};
    const auto results = run(*session, {view});
    ASSERT_TRUE(results) << results.error().message;
    EXPECT_THAT((*results)[0].strings(), ElementsAre("", with_zero, "\xFF\xFE", long_one));
    const TensorView none{.type = DataType::kBytes, .shape = {0, 2}, .bytes = {}, .strings = {}};
    EXPECT_TRUE(run(*session, {none}).value()[0].strings().empty());
}

TEST_F(OnnxSession, ComputesAndGivesTheOutputsThatAreWanted) {
    const auto session = load(tidegate::testing::onnx_sum_and_product(2));
    ASSERT_NE(session, nullptr);
    const std::vector<float> a{1, 2, 3, 4};
    const std::vector<float> b{10, 20, 30, 40};
    const std::vector<TensorView> inputs{view_of(DataType::kFp32, {2, 2}, a), view_of(DataType::kFp32, {2, 2}, b)};
    const auto both = run(*session, inputs, {1, 0});
    ASSERT_TRUE(both) << both.error().message;
    EXPECT_THAT(values_of<float>((*both)[0]), ElementsAre(10, 40, 90, 160));
    EXPECT_THAT(values_of<float>((*both)[1]), ElementsAre(11, 22, 33, 44));
    const auto one = run(*session, inputs, {0});
    ASSERT_EQ(one->size(), 1U);
    EXPECT_THAT(values_of<float>((*one)[0]), ElementsAre(11, 22, 33, 44));
}

TEST_F(OnnxSession, CastsHalfPrecision) {
    const auto session = load(tidegate::testing::onnx_cast(DataType::kFp16, DataType::kFp32, {-1}));
    ASSERT_NE(session, nullptr);
    const std::vector<std::uint16_t> halves{0x3C00, 0xC000, 0x7BFF};
    EXPECT_THAT(values_of<float>(run(*session, {view_of(DataType::kFp16, {3}, halves)}).value()[0]),
                ElementsAre(1.0F, -2.0F, 65504.0F));
}

TEST_F(OnnxSession, BytesBetweenElementsAreTakenAllTheSame) {
    const auto session = load(tidegate::testing::onnx_identity(DataType::kInt64, {-1}));
    ASSERT_NE(session, nullptr);
    alignas(8) std::array<std::byte, 33> body{};
    const std::vector<std::int64_t> values{1, -2, 3, -4};
    std::memcpy(body.data() + 1, values.data(), 32);
    const TensorView view{.type = DataType::kInt64, .shape = {4}, .bytes = std::span(body).subspan(1), .strings = {}};
    EXPECT_EQ(values_of<std::int64_t>(run(*session, {view}).value()[0]), values);
}

TEST_F(OnnxSession, RefusesWhatDoesNotFitWithoutReadingIt) {
    const auto session = load(tidegate::testing::onnx_identity(DataType::kFp32, {-1, 4}));
    ASSERT_NE(session, nullptr);
    const std::vector<float> four{1, 2, 3, 4};
    const auto code = [&](const std::vector<TensorView>& inputs, const std::vector<std::uint32_t>& wanted = {0}) {
        const auto results = run(*session, inputs, wanted);
        EXPECT_FALSE(results);
        return results ? ErrorCode::kDataLoss : results.error().code;
    };
    EXPECT_EQ(code({view_of(DataType::kFp32, {2, 4}, four)}), ErrorCode::kInvalidArgument);
    EXPECT_EQ(code({view_of(DataType::kFp32, {1LL << 40, 1LL << 40}, four)}), ErrorCode::kInvalidArgument);
    EXPECT_EQ(code({view_of(DataType::kFp32, {-1, 4}, four)}), ErrorCode::kInvalidArgument);
    EXPECT_EQ(code({}), ErrorCode::kInvalidArgument);
    EXPECT_EQ(code({view_of(DataType::kFp32, {1, 4}, four)}, {}), ErrorCode::kInvalidArgument);
    EXPECT_EQ(code({view_of(DataType::kFp32, {1, 4}, four)}, {7}), ErrorCode::kInvalidArgument);
    // Of another type or shape than the model says: the runtime's own check.
    EXPECT_EQ(code({view_of(DataType::kInt32, {1, 4}, four)}), ErrorCode::kFailedValidation);
    EXPECT_EQ(code({view_of(DataType::kFp32, {4}, four)}), ErrorCode::kFailedValidation);
    EXPECT_TRUE(run(*session, {view_of(DataType::kFp32, {1, 4}, four)}));
}

TEST_F(OnnxSession, AnIndexThatIsNotThereIsAnErrorOfTheRequest) {
    const std::vector<float> table{0.5F, 1.5F, 2.5F};
    const auto session = load(OnnxFile()
                                  .input("i", DataType::kInt64, {-1})
                                  .output("y", DataType::kFp32, {-1})
                                  .constant("t", DataType::kFp32, {3}, tidegate::testing::raw_bytes(table))
                                  .node("Gather", {"t", "i"}, {"y"})
                                  .bytes());
    ASSERT_NE(session, nullptr);
    const std::vector<std::int64_t> good{2, 0};
    const std::vector<std::int64_t> bad{99};
    EXPECT_THAT(values_of<float>(run(*session, {view_of(DataType::kInt64, {2}, good)}).value()[0]),
                ElementsAre(2.5F, 0.5F));
    const auto refused = run(*session, {view_of(DataType::kInt64, {1}, bad)});
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().code, ErrorCode::kFailedValidation);
    EXPECT_THAT(refused.error().message, HasSubstr("99"));
}

TEST_F(OnnxSession, AnswersOutliveTheirSession) {
    std::vector<Tensor> results;
    {
        const auto session = load(tidegate::testing::onnx_identity(DataType::kFp32, {-1, 20'000}));
        ASSERT_NE(session, nullptr);
        const std::vector<float> values(40'000, 3.0F);
        results = run(*session, {view_of(DataType::kFp32, {2, 20'000}, values)}).value();
    }
    EXPECT_EQ(values_of<float>(results[0]), std::vector<float>(40'000, 3.0F));
}

TEST_F(OnnxSession, CountsItsMemory) {
    constexpr std::int64_t kSide = 512;
    const std::vector<float> weights(static_cast<std::size_t>(kSide * kSide), 0.5F);
    const std::vector<float> bias(static_cast<std::size_t>(kSide), 0.0F);
    const auto session = load(tidegate::testing::onnx_linear(kSide, kSide, weights, bias));
    ASSERT_NE(session, nullptr);
    EXPECT_GE(session->memory_bytes(), weights.size() * sizeof(float));
    const std::uint64_t before = session->memory_bytes();
    const std::vector<float> rows(64 * static_cast<std::size_t>(kSide), 1.0F);
    ASSERT_TRUE(run(*session, {view_of(DataType::kFp32, {64, kSide}, rows)}));
    const std::uint64_t after = session->memory_bytes();
    EXPECT_GE(after, before + 64U * 512 * sizeof(float));
    for (int i = 0; i < 20; ++i) ASSERT_TRUE(run(*session, {view_of(DataType::kFp32, {64, kSide}, rows)}));
    EXPECT_EQ(session->memory_bytes(), after) << "passes of one shape use the same blocks again";
}

TEST_F(OnnxSession, APassOverItsMemoryIsRefusedAndTheNextOneRuns) {
    const auto session =
        load(tidegate::testing::onnx_identity(DataType::kFp32, {-1, 1024}), {.arena_bytes_max = 4 * 1024 * 1024});
    ASSERT_NE(session, nullptr);
    const std::vector<float> much(2048 * 1024, 1.0F);
    const auto refused = run(*session, {view_of(DataType::kFp32, {2048, 1024}, much)});
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().code, ErrorCode::kTooLarge) << refused.error().message;
    const std::vector<float> less(512 * 1024, 1.0F);
    EXPECT_TRUE(run(*session, {view_of(DataType::kFp32, {512, 1024}, less)}));
    EXPECT_LE(session->memory_bytes(), 4U * 1024 * 1024);
}

TEST_F(OnnxSession, ALoadOverItsMemoryIsRefused) {
    const std::vector<float> weights(1024 * 1024, 0.5F);
    const std::vector<float> bias(1024, 0.0F);
    const std::string file = tidegate::testing::onnx_linear(1024, 1024, weights, bias);
    const auto refused = backend_->load(as_file(file), {.arena_bytes_max = 1024 * 1024});
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().code, ErrorCode::kTooLarge) << refused.error().message;
}

TEST_F(OnnxSession, ACancelledPassEndsEarlyAndTheNextOneRuns) {
    // A loop that would take hours: the flag is what ends it.
    const OnnxFile body = OnnxFile()
                              .input("i", DataType::kInt64, {})
                              .input("go", DataType::kBool, {})
                              .input("v", DataType::kFp32, {-1, 8})
                              .output("go_on", DataType::kBool, {})
                              .output("w", DataType::kFp32, {-1, 8})
                              .node("Identity", {"go"}, {"go_on"})
                              .node("Add", {"v", "v"}, {"w"});
    const auto session =
        load(OnnxFile()
                 .input("n", DataType::kInt64, {})
                 .input("go", DataType::kBool, {})
                 .input("x", DataType::kFp32, {-1, 8})
                 .output("y", DataType::kFp32, {-1, 8})
                 .node("Loop", {"n", "go", "x"}, {"y"}, {OnnxFile::graph_attribute("body", body.graph())})
                 .bytes());
    ASSERT_NE(session, nullptr);
    const std::vector<std::int64_t> endless{1LL << 50};
    const std::vector<std::int64_t> three{3};
    const std::vector<unsigned char> go{1};
    const std::vector<float> x(8, 1.0F);
    const auto pass = [&](const std::vector<std::int64_t>& n, const RunOptions& options) {
        return run(
            *session,
            {view_of(DataType::kInt64, {}, n), view_of(DataType::kBool, {}, go), view_of(DataType::kFp32, {1, 8}, x)},
            {0}, options);
    };
    for (int i = 0; i < 3; ++i) {
        std::atomic<bool> cancelled{false};
        std::thread other([&cancelled] { cancelled = true; });
        const auto ended = pass(endless, {.cancelled = &cancelled});
        other.join();
        ASSERT_FALSE(ended);
        EXPECT_EQ(ended.error().code, ErrorCode::kCancelled) << ended.error().message;
        const std::atomic<bool> unset{false};
        EXPECT_EQ(values_of<float>(pass(three, {.cancelled = &unset}).value()[0]), std::vector<float>(8, 8.0F));
    }
}

TEST_F(OnnxSession, ManyThreadsShareOneSession) {
    const std::vector<float> weights{1, 0, 0, 1};
    const std::vector<float> bias{0.5F, -0.5F};
    for (const unsigned threads_of_one : {1U, 2U}) {
        const auto session =
            load(tidegate::testing::onnx_linear(2, 2, weights, bias), {.intra_op_threads = threads_of_one});
        ASSERT_NE(session, nullptr);
        std::atomic<int> wrong{0};
        const std::atomic<bool> unset{false};
        std::vector<std::thread> threads;
        for (int t = 0; t < 4; ++t) {
            threads.emplace_back([&, t] {
                for (int i = 0; i < 200; ++i) {
                    const auto base = static_cast<float>(t * 1000 + i);
                    const std::vector<float> x{base, base + 1};
                    const auto y = run(*session, {view_of(DataType::kFp32, {1, 2}, x)}, {0}, {.cancelled = &unset});
                    if (!y || values_of<float>((*y)[0]) != std::vector<float>{base + 0.5F, base + 0.5F}) ++wrong;
                }
            });
        }
        for (auto& thread : threads) thread.join();
        EXPECT_EQ(wrong, 0);
    }
}

TEST_F(OnnxSession, TheSameInputsGiveTheSameBits) {
    std::vector<float> weights(64 * 64);
    for (std::size_t i = 0; i < weights.size(); ++i) weights[i] = static_cast<float>(i % 97) / 31.0F - 1.5F;
    const std::vector<float> bias(64, 0.1F);
    const auto session =
        load(tidegate::testing::onnx_linear(64, 64, weights, bias), {.intra_op_threads = 2, .inter_op_threads = 2});
    ASSERT_NE(session, nullptr);
    std::vector<float> x(32 * 64);
    for (std::size_t i = 0; i < x.size(); ++i) x[i] = static_cast<float>(i % 89) / 17.0F - 2.0F;
    const auto first = values_of<float>(run(*session, {view_of(DataType::kFp32, {32, 64}, x)}).value()[0]);
    for (int i = 0; i < 20; ++i) {
        EXPECT_EQ(values_of<float>(run(*session, {view_of(DataType::kFp32, {32, 64}, x)}).value()[0]), first);
    }
}

TEST_F(OnnxSession, RefusesWordsItDoesNotKnow) {
    const std::string file = tidegate::testing::onnx_identity(DataType::kFp32, {-1});
    const auto refused = backend_->load(as_file(file), {.more = {{"graph_optimisation", "all"}}});
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().code, ErrorCode::kInvalidArgument);
    EXPECT_THAT(refused.error().message, HasSubstr("graph_optimisation"));
    EXPECT_FALSE(backend_->load(as_file(file), {.more = {{"enable_mem_pattern", "yes"}}}));
    for (const char* level : {"disable", "basic", "extended", "all"}) {
        EXPECT_TRUE(backend_->load(as_file(file),
                                   {.more = {{"graph_optimization_level", level}, {"enable_mem_pattern", "1"}}}));
    }
}

}  // namespace
}  // namespace tidegate::model
