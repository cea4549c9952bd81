// The repository over the real ONNX Runtime: configs against what real sessions declare, torn files, replacing under load.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <thread>

#include "model/ask.h"
#include "model/fake_backend.h"
#include "model/repository.h"
#include "support/onnx_backend.h"
#include "support/onnx_file.h"

namespace tidegate::model {
namespace {

using testing::ask;
using testing::ask_row;
using ::testing::HasSubstr;
using testing::ModelsFolder;
using testing::request_of;

class OnnxRepository : public ::testing::Test {
  protected:
    void SetUp() override { TG_SKIP_WITHOUT_ONNX(backend); }
    ModelRepository& open(RepositoryMode mode) {
        RepositoryOptions options = files.options(mode);
        options.load_at_start = {"*"};
        auto opened = ModelRepository::open(std::move(options), backend.get(), clock);
        EXPECT_TRUE(opened) << opened.error().message;
        repository = std::move(*opened);
        return *repository;
    }
    std::string reason(const std::string& name) const {
        for (const ModelStatus& line : repository->index()) {
            if (line.name == name) return line.reason;
        }
        return "(no line)";
    }
    /// y = the sum of four numbers, times `factor`.
    static std::string sum(float factor) {
        return tidegate::testing::onnx_linear(4, 1, {factor, factor, factor, factor}, {0});
    }

    SystemClock clock;
    ModelsFolder files;
    std::unique_ptr<Backend> backend = tidegate::testing::onnx_backend();
    std::unique_ptr<ModelRepository> repository;
};

TEST_F(OnnxRepository, AFileAloneIsEnough) {
    files.put("sum/1/model.onnx", sum(1));
    open(RepositoryMode::kNone);
    const auto model = repository->find("sum");
    ASSERT_TRUE(model) << model.error().message;
    EXPECT_EQ((*model)->inputs().at(0).shape.text(), "[-1,4]");
    EXPECT_EQ((*model)->config().max_batch_size, 1024U);
    const auto rows = ask(*model, request_of("x", {3, 4}, {1, 2, 3, 4, 0, 0, 0, 0, 5, 5, 5, 5})).get();
    ASSERT_TRUE(rows) << rows.error().message;
    EXPECT_THAT(*rows, ::testing::ElementsAre(10, 0, 20));
}

TEST_F(OnnxRepository, ConfigsAreHeldAgainstTheRealModel) {
    const auto put = [&](const std::string& name, const std::string& config) {
        files.put(name + "/1/model.onnx", tidegate::testing::onnx_sum_and_product(2));
        files.put(name + "/config.pbtxt", config);
    };
    put("good",
        "max_batch_size: 8 input [ { name: \"a\" data_type: TYPE_FP32 dims: [2] }, { name: \"b\" data_type: TYPE_FP32 "
        "dims: [2] } ] "
        "output { name: \"sum\" data_type: TYPE_FP32 dims: [2] } dynamic_batching { } instance_group { count: 2 kind: "
        "KIND_CPU }");
    put("renamed", "input { name: \"c\" data_type: TYPE_FP32 dims: [2] }");
    put("typed", "max_batch_size: 8 input { name: \"a\" data_type: TYPE_INT64 dims: [2] }");
    put("shaped", "max_batch_size: 8 input { name: \"a\" data_type: TYPE_FP32 dims: [3] }");
    put("parameter", "parameters { key: \"session.frobnicate\" value { string_value: \"1\" } }");
    open(RepositoryMode::kNone);
    EXPECT_EQ(reason("good"), "");
    EXPECT_THAT(reason("renamed"), HasSubstr("no input `c`; it has `a`, `b`"));
    EXPECT_THAT(reason("typed"), HasSubstr("INT64 in the config and FP32"));
    EXPECT_THAT(reason("shaped"), HasSubstr("[3] in the config"));
    EXPECT_THAT(reason("parameter"), HasSubstr("session.frobnicate"));
}

TEST_F(OnnxRepository, ATornFileIsAReasonAndNoCrash) {
    const std::string whole = sum(1);
    for (std::size_t cut = 0; cut < whole.size(); cut += 7) {
        files.put("m" + std::to_string(cut) + "/1/model.onnx", whole.substr(0, cut));
    }
    files.put("good/1/model.onnx", whole);
    open(RepositoryMode::kNone);
    EXPECT_TRUE(repository->find("good"));
    EXPECT_FALSE(repository->all_ready());
}

TEST_F(OnnxRepository, ReplacingUnderLoadGivesOldOrNewAndNothingElse) {
    files.put("sum/1/model.onnx", sum(1));
    open(RepositoryMode::kExplicit);
    std::atomic<bool> done{false};
    std::atomic<int> answered{0}, wrong{0};
    std::thread client([&] {
        while (!done) {
            const auto model = repository->find("sum");
            const auto row = model ? ask_row(*model, {1, 2, 3, 4}).get() : std::unexpected(model.error());
            if (!row || (row->at(0) != 10 && row->at(0) != 20)) ++wrong;
            ++answered;
        }
    });
    for (int i = 0; i < 10; ++i) {
        files.put("sum/1/model.onnx", sum(i % 2 == 0 ? 2.0F : 1.0F));
        EXPECT_TRUE(repository->load("sum"));
        for (const int seen = answered; answered < seen + 5;) std::this_thread::yield();
    }
    done = true;
    client.join();
    EXPECT_EQ(wrong, 0);
}

TEST_F(OnnxRepository, WarmUpWithGivenValuesRuns) {
    files.put("sum/1/model.onnx", sum(1));
    files.put("sum/config.yaml",
              "model_warmup: [{name: w, batch_size: 5, count: 2, inputs: {x: {data_type: TYPE_FP32, dims: [4], values: "
              "[1, 2, 3, 4]}}}]\n");
    open(RepositoryMode::kNone);
    const auto model = repository->find("sum");
    ASSERT_TRUE(model) << model.error().message;
    EXPECT_GT((*model)->warmup_time().count(), 0);
    EXPECT_EQ((*model)->statistics().execution_count, 0U) << "a warm-up is nobody's request";
}

}  // namespace
}  // namespace tidegate::model
