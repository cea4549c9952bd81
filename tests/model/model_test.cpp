// One model: what it refuses and how it says so, what it counts, that answers come exactly once.
#include "model/model.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "model/ask.h"
#include "model/fake_backend.h"
#include "model/repository.h"
#include "support/tiny_tokenizer.h"

namespace tidegate::model {
namespace {

using testing::ask;
using testing::ask_row;
using testing::FakeBackend;
using ::testing::HasSubstr;
using testing::ModelsFolder;
using testing::request_of;

class ModelTest : public ::testing::Test {
  protected:
    ModelPtr load(const std::string& lines, const std::string& config = "") {
        files.put("m/1/model.onnx", lines);
        if (!config.empty()) files.put("m/config.yaml", config);
        auto opened = ModelRepository::open(files.options(), &backend, clock);
        EXPECT_TRUE(opened);
        repository = std::move(*opened);
        auto model = repository->find("m");
        EXPECT_TRUE(model) << model.error().message;
        return model ? *model : nullptr;
    }
    static std::string refusal(const ModelPtr& model, InferRequest request) {
        const auto checked = model->check(request);
        return checked ? "(taken)" : checked.error().message;
    }

    SystemClock clock;
    ModelsFolder files;
    FakeBackend backend;
    std::unique_ptr<ModelRepository> repository;
};

TEST_F(ModelTest, AnswersCarryNamesShapesAndBatch) {
    const ModelPtr model = load(testing::scaler(3));
    std::promise<Result<InferAnswer>> promise;
    InferRequest request = request_of("x", {2, 4}, {1, 2, 3, 4, 5, 6, 7, 8});
    request.done = [&](Result<InferAnswer> answer) { promise.set_value(std::move(answer)); };
    model->infer(std::move(request));
    const auto answer = promise.get_future().get();
    ASSERT_TRUE(answer) << answer.error().message;
    ASSERT_EQ(answer->outputs.size(), 1U);
    EXPECT_EQ(answer->outputs[0].name, "y");
    EXPECT_EQ(answer->outputs[0].tensor.shape.text(), "[2,4]");
    EXPECT_EQ(answer->batch_rows, 2U);
    EXPECT_EQ(answer->model.get(), model.get());

    const ModelStatistics counted = model->statistics();
    EXPECT_EQ(counted.inference_count, 2U);
    EXPECT_EQ(counted.execution_count, 1U);
    EXPECT_EQ(counted.success.count, 1U);
    EXPECT_EQ(counted.fail.count, 0U);
    EXPECT_EQ(counted.queue.count, 1U);
    EXPECT_EQ(counted.compute_infer.count, 1U);
    EXPECT_GT(counted.last_inference, 0);
    ASSERT_EQ(counted.batches.size(), 1U);
    EXPECT_EQ(counted.batches[0].batch_size, 2U);
    EXPECT_EQ(counted.batches[0].compute_infer.count, 1U);
}

TEST_F(ModelTest, EachRefusalNamesTheInput) {
    const ModelPtr model = load("input a FP32 -1,2\ninput b FP32 -1,2\noutput y FP32 -1,2\noutput z FP32 -1,2\n");
    const auto with = [](std::vector<NamedTensor> inputs) {
        InferRequest request;
        request.inputs = std::move(inputs);
        return request;
    };
    static const std::vector<float> two(2), four(4);
    const auto view = [](const std::vector<float>& values, const Shape& shape, DataType type = DataType::kFp32) {
        return TensorView{.type = type, .shape = shape, .bytes = std::as_bytes(std::span(values)), .strings = {}};
    };
    const TensorView good = view(two, {1, 2});
    EXPECT_EQ(refusal(model, with({{"a", good}, {"b", good}})), "(taken)");
    EXPECT_EQ(refusal(model, with({{"b", good}, {"a", good}})), "(taken)");
    EXPECT_THAT(refusal(model, with({{"a", good}})), HasSubstr("`b` is missing"));
    EXPECT_THAT(refusal(model, with({{"a", good}, {"a", good}, {"b", good}})), HasSubstr("`a` is given twice"));
    EXPECT_THAT(refusal(model, with({{"a", good}, {"q", good}})), HasSubstr("no input `q`; the model takes `a`, `b`"));
    EXPECT_THAT(refusal(model, with({{"a", view(two, {1, 2}, DataType::kInt32)}, {"b", good}})),
                HasSubstr("`a` must be FP32, not INT32"));
    EXPECT_THAT(refusal(model, with({{"a", view(two, {1, 3})}, {"b", good}})),
                HasSubstr("`a`: shape [1,3] does not fit [-1,2]"));
    EXPECT_THAT(refusal(model, with({{"a", view(two, {2})}, {"b", good}})), HasSubstr("`a`: shape [2]"));
    EXPECT_THAT(refusal(model, with({{"a", view(two, {-1, 2})}, {"b", good}})), HasSubstr("below 1"));
    EXPECT_THAT(refusal(model, with({{"a", view(two, {0, 2})}, {"b", good}})), HasSubstr("below 1"));
    EXPECT_THAT(refusal(model, with({{"a", view(four, {1, 2})}, {"b", good}})), HasSubstr("`a`: 16 bytes"));
    EXPECT_THAT(refusal(model, with({{"a", view(two, {2, 2})}, {"b", good}})), HasSubstr("`a`: 8 bytes"));
    EXPECT_THAT(refusal(model, with({{"a", view(two, {1LL << 47, 2})}, {"b", good}})), HasSubstr("`a`"));
    EXPECT_THAT(refusal(model, with({{"a", good}, {"b", view(four, {2, 2})}})),
                HasSubstr("`b` has 2 rows, and `a` has 1"));
    InferRequest outputs = with({{"a", good}, {"b", good}});
    outputs.outputs = {"z"};
    EXPECT_EQ(model->check(outputs)->wanted, std::vector<std::uint32_t>{1});
    outputs.outputs = {"nope"};
    EXPECT_THAT(refusal(model, std::move(outputs)), HasSubstr("no output `nope`"));
    InferRequest again = with({{"a", good}, {"b", good}});
    again.outputs = {"y", "y"};
    EXPECT_THAT(refusal(model, std::move(again)), HasSubstr("asked for twice"));
    EXPECT_LT(refusal(model, with({{std::string(1'000'000, 'n'), good}})).size(), 1000U);
}

TEST_F(ModelTest, ARequestThatDoesNotFitIsAnsweredToo) {
    const ModelPtr model = load(testing::scaler(1));
    const auto answer = ask(model, request_of("q", {1, 4}, {1, 2, 3, 4})).get();
    ASSERT_FALSE(answer);
    EXPECT_EQ(answer.error().code, ErrorCode::kInvalidArgument);
}

TEST_F(ModelTest, FiveHundredRowsAreOnePass) {
    const ModelPtr model = load(testing::scaler(2));
    const int before = backend.passes;
    const auto answer = ask(model, request_of("x", {500, 4}, std::vector<float>(2000, 1.5F))).get();
    ASSERT_TRUE(answer);
    EXPECT_EQ(answer->size(), 2000U);
    EXPECT_EQ(answer->back(), 3.0F);
    EXPECT_EQ(backend.passes - before, 1);
}

TEST_F(ModelTest, WithoutMergingARequestOverTheBatchSizeIsRefused) {
    const ModelPtr model = load(testing::scaler(2), "max_batch_size: 4\n");
    EXPECT_TRUE(ask(model, request_of("x", {4, 4}, std::vector<float>(16, 1))).get());
    const auto answer = ask(model, request_of("x", {5, 4}, std::vector<float>(20, 1))).get();
    ASSERT_FALSE(answer);
    EXPECT_THAT(answer.error().message, HasSubstr("5 rows, and a request may have 4"));
}

TEST_F(ModelTest, AReshapedOutputHasTheShapeOfTheConfig) {
    const ModelPtr model = load("input x FP32 -1,4\noutput y FP32 -1,4\n",
                                "max_batch_size: 8\n"
                                "input: [{name: x, data_type: TYPE_FP32, dims: [2, 2], reshape: {shape: [4]}}]\n"
                                "output: [{name: y, data_type: TYPE_FP32, dims: [1, 4], reshape: {shape: [4]}}]\n");
    EXPECT_EQ(model->inputs()[0].shape.text(), "[-1,2,2]");
    std::promise<Result<InferAnswer>> promise;
    InferRequest request = request_of("x", {1, 2, 2}, {1, 2, 3, 4});
    request.done = [&](Result<InferAnswer> answer) { promise.set_value(std::move(answer)); };
    model->infer(std::move(request));
    const auto answer = promise.get_future().get();
    ASSERT_TRUE(answer) << answer.error().message;
    EXPECT_EQ(answer->outputs[0].tensor.shape.text(), "[1,1,4]");
}

TEST_F(ModelTest, AClientsTimeoutIsKept) {
    const ModelPtr model = load(testing::scaler(2));
    backend.gate.close();
    auto first = ask_row(model, {1, 1, 1, 1});
    backend.gate.wait_for_pass();
    InferRequest late = request_of("x", {1, 4}, {1, 2, 3, 4});
    late.timeout_us = 1000;
    const auto answer = ask(model, std::move(late)).get();
    backend.gate.open();
    ASSERT_FALSE(answer);
    EXPECT_TRUE(answer.error().code == ErrorCode::kDeadlineExceeded || answer.error().code == ErrorCode::kUnavailable);
    EXPECT_TRUE(first.get());
    EXPECT_EQ(model->statistics().fail.count, 1U);
}

TEST_F(ModelTest, WarmUpRunsTheSamplesBeforeTheModelIsReady) {
    load(testing::scaler(2));
    EXPECT_EQ(backend.passes, 1) << "one pass of zeros";
    load(testing::scaler(2), "model_warmup: []\n");
    EXPECT_EQ(backend.passes, 1) << "none";
    files.put("m/warmup/data", std::string(16, '\0'));
    load(
        testing::scaler(2),
        "model_warmup:\n"
        "  - {name: a, batch_size: 2, count: 3, inputs: {x: {data_type: TYPE_FP32, dims: [4], values: [1, 2, 3, 4]}}}\n"
        "  - {name: b, inputs: {x: {data_type: TYPE_FP32, dims: [4], input_data_file: data}}}\n"
        "  - {name: c, inputs: {x: {data_type: TYPE_FP32, dims: [4], random_data: true}}}\n");
    EXPECT_EQ(backend.passes, 1 + 3 + 1 + 1);
}

TEST_F(ModelTest, ATokenizerIsReadWithTheModelAndSaysHowToPad) {
    const std::string lines = "input input_ids INT64 -1,-1\ninput attention_mask INT64 -1,-1\noutput y FP32 -1,-1\n";
    std::string tokenizer = tidegate::testing::kTinyTokenizer;
    const std::string padded = R"("padding":{"strategy":"BatchLongest","direction":"Right","pad_to_multiple_of":null,)"
                               R"("pad_id":1,"pad_type_id":0,"pad_token":"[UNK]"})";
    files.put("m/tokenizer.json", tokenizer.replace(tokenizer.find(R"("padding":null)"), 14, padded));
    const ModelPtr model = load(lines, "task: embedding\ntokenizer: tokenizer.json\n");
    ASSERT_NE(model, nullptr);
    EXPECT_EQ(model->config().text.padding.at("input_ids"), 1);
    EXPECT_EQ(model->config().text.padding.at("attention_mask"), 0);

    files.put("m/tokenizer.json", tokenizer.replace(tokenizer.find("WordPiece"), 9, "WordPeace"));
    const auto again = ModelRepository::open(files.options(), &backend, clock);
    ASSERT_TRUE(again);
    const auto broken = (*again)->find("m");
    ASSERT_FALSE(broken);
    EXPECT_THAT(broken.error().message, HasSubstr("m/tokenizer.json"));
}

TEST_F(ModelTest, AModelThatRefusesZerosServesAndOneThatRefusesItsOwnSampleDoesNot) {
    load("no_zeros\n" + testing::scaler(2));
    files.put("m/config.yaml",
              "model_warmup: [{name: w, inputs: {x: {data_type: TYPE_FP32, dims: [4], zero_data: true}}}]\n");
    auto opened = ModelRepository::open(files.options(), &backend, clock);
    ASSERT_TRUE(opened);
    const auto model = (*opened)->find("m");
    ASSERT_FALSE(model);
    EXPECT_THAT(model.error().message, HasSubstr("model_warmup `w`: zeros divide by zero"));
}

}  // namespace
}  // namespace tidegate::model
