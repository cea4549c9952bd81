// Configs in the three notations: what they say, what is refused and how it is named.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "model/config/tree.h"
#include "model/model_config.h"

namespace tidegate::model {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;

Result<ModelConfig> pbtxt(std::string_view text) {
    return parse_config(text, ConfigFormat::kPbtxt, "config.pbtxt");
}
Result<ModelConfig> yaml(std::string_view text) {
    return parse_config(text, ConfigFormat::kYaml, "config.yaml");
}
Result<ModelConfig> inline_json(std::string_view text) {
    return parse_config(text, ConfigFormat::kJson, "config");
}

std::string message(const Result<ModelConfig>& config) {
    return config ? "(no error)" : config.error().message;
}

std::vector<TensorInfo> image_in() {
    return {{.name = "x", .type = DataType::kFp32, .shape = {-1, 3, 224, 224}}};
}
std::vector<TensorInfo> image_out() {
    return {{.name = "y", .type = DataType::kFp32, .shape = {-1, 1000}}};
}

constexpr std::string_view kWhole = R"(
# As Triton's documentation writes it.
name: "resnet"
platform: "onnxruntime_onnx"
max_batch_size: 16
input [
  { name: "x" data_type: TYPE_FP32 dims: [ 3, 224, 224 ] }
]
output { name: "y", data_type: TYPE_FP32; dims: 1000 }
version_policy: { specific: { versions: [1, 3] } }
instance_group [ { count: 2 kind: KIND_CPU } ]
dynamic_batching {
  preferred_batch_size: [ 4, 8 ]
  max_queue_delay_microseconds: 100
  priority_levels: 3
  default_priority_level: 2
  default_queue_policy { timeout_action: REJECT default_timeout_microseconds: 5000
                         allow_timeout_override: true max_queue_size: 64 }
}
optimization { graph { level: 1 } }
parameters { key: "intra_op_thread_count" value: { string_value: "3" } }
parameters: { key: 'enable_mem_pattern', value < string_value: "0" > }
model_warmup [ {
  name: "one" batch_size: 2
  inputs { key: "x" value { data_type: TYPE_FP32 dims: [3, 224, 224] zero_data: true } }
} ]
default_model_filename: "net" ".onnx"
)";

TEST(ModelConfigTest, TritonsTextFormatIsReadWhole) {
    const auto config = pbtxt(kWhole);
    ASSERT_TRUE(config) << message(config);
    EXPECT_EQ(config->name, "resnet");
    EXPECT_EQ(config->max_batch_size, 16U);
    EXPECT_TRUE(config->merges);
    ASSERT_EQ(config->inputs.size(), 1U);
    EXPECT_EQ(config->inputs[0].dims.text(), "[3,224,224]");
    ASSERT_EQ(config->outputs.size(), 1U);
    EXPECT_EQ(config->outputs[0].dims.text(), "[1000]");
    EXPECT_EQ(config->version_policy.kind, VersionPolicy::Kind::kSpecific);
    EXPECT_THAT(config->version_policy.versions, ElementsAre(1, 3));
    EXPECT_EQ(config->instances, 2U);
    EXPECT_EQ(config->device, DeviceChoice::kCpu);
    EXPECT_THAT(config->preferred_batch_sizes, ElementsAre(4U, 8U));
    EXPECT_EQ(config->max_queue_delay_us, 100U);
    EXPECT_EQ(config->priority_levels, 3U);
    EXPECT_EQ(config->default_priority_level, 2U);
    EXPECT_EQ(config->queue_timeout_us, 5000U);
    EXPECT_EQ(config->queue_rows_max, 64U);
    EXPECT_EQ(config->intra_op_threads, 3U);
    EXPECT_EQ(config->backend_options.at("graph_optimization_level"), "extended");
    EXPECT_EQ(config->backend_options.at("enable_mem_pattern"), "0");
    ASSERT_EQ(config->warmup.size(), 1U);
    EXPECT_EQ(config->warmup[0].batch_size, 2U);
    EXPECT_EQ(config->default_model_filename, "net.onnx");

    const BatcherOptions options = batcher_options(*config);
    EXPECT_TRUE(options.batches);
    EXPECT_EQ(options.rows_max, 8U) << "the largest preferred size";
    EXPECT_EQ(options.queue_rows_max, 64U);
    EXPECT_EQ(options.wait_max, std::chrono::microseconds(100));
    EXPECT_EQ(options.queue_time_max, std::chrono::milliseconds(5));
    EXPECT_EQ(options.instances, 2U);
    EXPECT_EQ(options.priorities, 3U);
}

TEST(ModelConfigTest, YamlHasTritonsWordsAndOurs) {
    const auto config = yaml(R"(
max_batch_size: 32
dynamic_batching: {max_queue_delay_microseconds: 500}
input:
  - {name: input_ids, data_type: TYPE_INT64, dims: [-1]}
  - {name: attention_mask, data_type: INT64, dims: [-1]}
tokenizer: tokenizer.json
task: embedding
pooling: cls
normalize: false
sequence_max: 256
tokens_max: 8192
queue_timeout_ms: 250
queue_rows_max: 99
deadline_ms: 2000
threads: 2
device: cpu
version_policy: {all: {}}
parameters: {enable_mem_pattern: "1"}
)");
    ASSERT_TRUE(config) << message(config);
    EXPECT_EQ(config->text.task, Task::kEmbedding);
    EXPECT_EQ(config->text.pooling, Pooling::kCls);
    EXPECT_FALSE(config->text.normalize);
    EXPECT_EQ(config->text.sequence_max, 256U);
    EXPECT_EQ(config->tokens_max, 8192U);
    EXPECT_EQ(config->queue_timeout_us, 250'000U);
    EXPECT_EQ(config->queue_rows_max, 99U);
    EXPECT_EQ(config->deadline_ms, 2000U);
    EXPECT_EQ(config->intra_op_threads, 2U);
    EXPECT_EQ(config->version_policy.kind, VersionPolicy::Kind::kAll);
}

TEST(ModelConfigTest, AConfigThatIsShownCanBeSentBack) {
    auto config = pbtxt(kWhole);
    ASSERT_TRUE(config) << message(config);
    ASSERT_TRUE(complete(*config, image_in(), image_out(), {}));
    const std::string shown = to_triton_json(*config);
    const auto again = inline_json(shown);
    ASSERT_TRUE(again) << message(again) << "\n" << shown;
    EXPECT_EQ(to_triton_json(*again), shown);
    EXPECT_THAT(shown, AllOf(HasSubstr(R"("max_batch_size":16)"), HasSubstr(R"("data_type":"TYPE_FP32")"),
                             HasSubstr(R"("dims":[3,224,224])"), HasSubstr(R"("platform":"onnxruntime_onnx")")));
}

TEST(ModelConfigTest, ATextModelsConfigCanBeSentBackToo) {
    auto config = yaml(
        "tokenizer: t.json\ntask: classification\nlabels: [good, bad]\nactivation: sigmoid\nthreads: 4\n"
        "model_warmup: []\ndeadline_ms: 7\ndevice: auto\n");
    ASSERT_TRUE(config) << message(config);
    const std::vector<TensorInfo> in{{.name = "input_ids", .type = DataType::kInt64, .shape = {-1, -1}},
                                     {.name = "attention_mask", .type = DataType::kInt64, .shape = {-1, -1}}};
    const std::vector<TensorInfo> out{{.name = "logits", .type = DataType::kFp32, .shape = {-1, 2}}};
    ASSERT_TRUE(complete(*config, in, out, {}));
    EXPECT_FALSE(config->warms_up);
    EXPECT_TRUE(config->merges);
    EXPECT_TRUE(config->text.padding.contains("input_ids")) << "texts of different length share a pass behind a mask";
    const std::string shown = to_triton_json(*config);
    const auto again = inline_json(shown);
    ASSERT_TRUE(again) << message(again) << "\n" << shown;
    EXPECT_EQ(to_triton_json(*again), shown);
}

TEST(ModelConfigTest, AnUnknownWordIsNamedWithItsLineAndTheNearestKnown) {
    EXPECT_THAT(message(pbtxt("name: \"a\"\nmax_batchsize: 3\n")),
                AllOf(HasSubstr("config.pbtxt:2:"), HasSubstr("`max_batchsize`"), HasSubstr("`max_batch_size`")));
    EXPECT_THAT(message(yaml("dynamic_batching:\n  max_queue_delay_microsecond: 3\n")),
                AllOf(HasSubstr("config.yaml:2:"), HasSubstr("dynamic_batching.max_queue_delay_microsecond")));
    EXPECT_THAT(message(inline_json(R"({"frobnicate": 1})")), HasSubstr("`frobnicate` is unknown"));
    // Every fault is told, not the first alone.
    EXPECT_THAT(message(yaml("one: 1\ntwo: 2\n")), AllOf(HasSubstr("`one`"), HasSubstr("`two`")));
}

TEST(ModelConfigTest, OurWordsInTritonsFileAreRefusedWithTheWayOut) {
    EXPECT_THAT(message(pbtxt("pooling: \"mean\"\n")), HasSubstr("config.yaml"));
}

TEST(ModelConfigTest, WordsOfTritonsThatDoNothingHereAreRefusedByName) {
    for (const char* text :
         {"sequence_batching { max_sequence_idle_microseconds: 5 }",
          "ensemble_scheduling { step: {} step { model_name: \"a\" } }", "response_cache { enable: true }",
          "model_transaction_policy { decoupled: true }", "cc_model_filenames { key: \"8.0\" value: \"m\" }",
          "runtime: \"x\"", "dynamic_batching { priority_queue_policy { key: 1 value { max_queue_size: 2 } } }",
          "optimization { execution_accelerators { gpu_execution_accelerator { name: \"tensorrt\" } } }",
          "optimization { input_pinned_memory { enable: true } }", "instance_group { rate_limiter { priority: 1 } }",
          "input { name: \"x\" data_type: TYPE_FP32 dims: 1 allow_ragged_batch: true }"}) {
        EXPECT_THAT(message(pbtxt(text)), HasSubstr("not supported")) << text;
    }
    // What changes nothing may stay.
    const auto neutral = pbtxt(
        "response_cache { enable: false } optimization { priority: PRIORITY_DEFAULT } "
        "model_transaction_policy { decoupled: false } input { name: \"x\" data_type: TYPE_FP32 dims: 1 format: "
        "FORMAT_NONE }");
    EXPECT_TRUE(neutral) << message(neutral);
}

TEST(ModelConfigTest, ValuesOfTheWrongKindAreRefused) {
    const std::pair<const char*, const char*> cases[] = {
        {"max_batch_size: \"8\"", "whole number"},
        {"max_batch_size: -1", "whole number"},
        {"max_batch_size: 1.5", "whole number"},
        {"max_batch_size: 99999999999999999999", "whole number"},
        {"max_batch_size: 1 max_batch_size: 2", "twice"},
        {"name: resnet", "takes a text"},
        {"input { data_type: TYPE_FP32 dims: 1 }", "`input.name` is missing"},
        {"input { name: \"x\" data_type: \"TYPE_FP32\" dims: 1 }", "data type"},
        {"input { name: \"x\" data_type: TYPE_FP31 dims: 1 }", "TYPE_FP31"},
        {"input { name: \"x\" data_type: TYPE_BYTES dims: 1 }", "TYPE_BYTES"},
        {"input { name: \"x\" data_type: FP32 dims: 1 }", "data type"},
        {"input { name: \"x\" data_type: TYPE_FP32 dims: 0 }", "dimension of 0"},
        {"input { name: \"x\" data_type: TYPE_FP32 dims: -2 }", "`input.dims`"},
        {"input { name: \"x\" data_type: TYPE_FP32 dims: [1,1,1,1,1,1,1,1,1] }", "`input.dims`"},
        {"input { name: \"x\" data_type: TYPE_FP32 dims: 1 } input { name: \"x\" data_type: TYPE_FP32 dims: 1 }",
         "twice"},
        {"input { name: \"x\" data_type: TYPE_FP32 dims: [6] reshape { shape: [2, 2] } }", "elements"},
        {"instance_group { count: 0 }", "instance_group.count"},
        {"instance_group { kind: KIND_CPU gpus: [0] }", "KIND_CPU"},
        {"instance_group { gpus: [0, 1] }", "one a model"},
        {"instance_group [ { kind: KIND_CPU }, { kind: KIND_GPU } ]", "one device"},
        {"dynamic_batching { priority_levels: 2 }", "default_priority_level"},
        {"dynamic_batching { default_queue_policy { timeout_action: DELAY } }", "DELAY"},
        {"version_policy { all {} latest {} }", "one of latest, all, specific"},
        {"version_policy { specific {} }", "names no version"},
        {"platform: \"tensorrt_plan\"", "onnxruntime_onnx"},
        {"backend: \"python\"", "onnxruntime"},
        {"default_model_filename: \"../../etc/passwd\"", "plain file name"},
        {"default_model_filename: \"..\"", "plain file name"},
        {"parameters { key: \"intra_op_thread_count\" value { string_value: \"many\" } }", "whole number"},
        {"parameters { key: \"a\" value { string_value: \"1\" } } parameters { key: \"a\" value { string_value: \"2\" "
         "} }",
         "twice"},
        {"model_warmup { inputs { key: \"x\" value { data_type: TYPE_FP32 dims: 1 } } }", "must be given"},
        {"model_warmup { inputs { key: \"x\" value { data_type: TYPE_FP32 dims: -1 zero_data: true } } }", "-1"},
    };
    for (const auto& [text, expected] : cases) {
        EXPECT_THAT(message(pbtxt(text)), AllOf(HasSubstr(expected), HasSubstr("config.pbtxt:1:"))) << text;
    }
    EXPECT_THAT(message(yaml("pooling: cls\n")), HasSubstr("says nothing without task: embedding"));
    EXPECT_THAT(message(yaml("task: embedding\n")), HasSubstr("needs a tokenizer"));
    EXPECT_THAT(message(yaml("device: tpu\n")), HasSubstr("cpu, cuda, auto"));
    EXPECT_THAT(
        message(
            yaml("queue_timeout_ms: 5\ndynamic_batching: {default_queue_policy: {default_timeout_microseconds: 5}}\n")),
        HasSubstr("one setting"));
}

TEST(ModelConfigTest, TextThatIsNoConfigIsRefusedWithItsLine) {
    for (const char* text :
         {"name", "name:", "name: \"a", "name: \"a\nb\"", "{", "input {", "input [ {}", "input [ {} {} ]",
          "name: 'a\\q'", "name: \"\\xZZ\"", "name: \"\\ud800\"", "name: \"\\377\"", "3: 4", "name = 3", "dims [1]",
          "[ext]: 4", "a: }", "name: \"\\400\""}) {
        const auto config = pbtxt(text);
        ASSERT_FALSE(config) << text;
        EXPECT_THAT(config.error().message, HasSubstr("config.pbtxt:")) << text;
    }
    EXPECT_FALSE(yaml("- a\n- b\n"));
    EXPECT_FALSE(yaml("a: [b\n"));
    EXPECT_FALSE(yaml("name: a\n---\nname: b\n"));
    EXPECT_FALSE(yaml("name: a\nname: b\n")) << "the same word twice";
    EXPECT_FALSE(inline_json("[]"));
    EXPECT_FALSE(inline_json(R"({"name": null})"));
    EXPECT_FALSE(inline_json(R"({"name": "a", "name": "b"})"));
    EXPECT_TRUE(yaml("# nothing at all\n"));
    EXPECT_TRUE(pbtxt(""));
}

TEST(ModelConfigTest, DeepAndMultiplyingTextsAreBounded) {
    EXPECT_THAT(message(pbtxt(std::string(100'000, '['))), Not(HasSubstr("no error")));
    std::string deep;
    for (int i = 0; i < 10'000; ++i) deep += "input {";
    EXPECT_THAT(message(pbtxt(deep)), HasSubstr("levels"));
    std::string many = "labels: [";
    for (int i = 0; i < 60'000; ++i) many += "a,";
    EXPECT_THAT(message(pbtxt(many + "b]")), HasSubstr("values"));
    // Ten lines that would be ten thousand million values.
    std::string bomb = "a0: &a0 [x,x,x,x,x,x,x,x,x,x]\n";
    for (int i = 1; i < 10; ++i) {
        const std::string n = std::to_string(i), p = std::to_string(i - 1);
        bomb += "a" + n + ": &a" + n + " [*a" + p + ",*a" + p + ",*a" + p + ",*a" + p + ",*a" + p + ",*a" + p + ",*a" +
                p + ",*a" + p + ",*a" + p + ",*a" + p + "]\n";
    }
    EXPECT_THAT(message(yaml(bomb)), HasSubstr("values"));
    EXPECT_THAT(message(yaml(std::string(kConfigBytesMax + 1, '#'))), HasSubstr("bytes"));
    EXPECT_LT(message(yaml(std::string(100'000, 'k') + ": 1\n")).size(), 1000U)
        << "a message shows no more than a piece of a name";
}

TEST(ModelConfigTest, WithoutAWordTheBatchIsDerivedFromTheSession) {
    ModelConfig image;
    ASSERT_TRUE(complete(image, image_in(), image_out(), {}));
    EXPECT_EQ(image.max_batch_size, 32U);
    EXPECT_TRUE(image.merges);
    EXPECT_EQ(image.inputs.at(0).dims.text(), "[3,224,224]");
    EXPECT_EQ(client_info(image, image.inputs[0]).shape.text(), "[-1,3,224,224]");

    ModelConfig table;
    const std::vector<TensorInfo> rows{{.name = "x", .type = DataType::kFp32, .shape = {-1, 30}}};
    ASSERT_TRUE(complete(table, rows, {{{.name = "p", .type = DataType::kFp32, .shape = {-1, 2}}}}, {}));
    EXPECT_EQ(table.max_batch_size, 1024U) << "500 rows of a classic model are one matrix call";

    ModelConfig fixed;
    const std::vector<TensorInfo> one{{.name = "x", .type = DataType::kFp32, .shape = {1, 30}}};
    ASSERT_TRUE(complete(fixed, one, one, {}));
    EXPECT_EQ(fixed.max_batch_size, 0U);
    EXPECT_FALSE(fixed.merges);
    EXPECT_EQ(client_info(fixed, fixed.inputs[0]).shape.text(), "[1,30]");
}

TEST(ModelConfigTest, AsInTritonAGivenBatchSizeMergesNothingByItself) {
    auto config = pbtxt("max_batch_size: 4");
    ASSERT_TRUE(config);
    ASSERT_TRUE(complete(*config, image_in(), image_out(), {}));
    EXPECT_FALSE(config->merges);
    EXPECT_FALSE(batcher_options(*config).batches);
}

TEST(ModelConfigTest, WhatDoesNotFitTheSessionIsNamed) {
    const std::pair<const char*, const char*> cases[] = {
        {"input: [{name: z, data_type: TYPE_FP32, dims: [3]}]", "no input `z`"},
        {"input: [{name: x, data_type: TYPE_INT8, dims: [3,224,224]}]", "INT8 in the config and FP32"},
        {"max_batch_size: 4\ninput: [{name: x, data_type: TYPE_FP32, dims: [3,224,225]}]", "[3,224,225]"},
        {"max_batch_size: 4\ninput: [{name: x, data_type: TYPE_FP32, dims: [-1,224,224]}]", "[-1,224,224]"},
        {"max_batch_size: 4\ndynamic_batching: {preferred_batch_size: [8]}", "above max_batch_size"},
        {"max_batch_size: 0\ndynamic_batching: {}", "needs a batch"},
        {"dynamic_batching: {preserve_ordering: true}\ninstance_group: [{count: 2}]", "preserve_ordering"},
        {"tokens_max: 5", "tokens_max"},
        {"padding: {x: 1}", "padding"},
        {"model_warmup: [{name: w, inputs: {q: {data_type: TYPE_FP32, dims: [1], zero_data: true}}}]",
         "`x` is missing"},
        {"model_warmup: [{name: w, batch_size: 99, inputs: {x: {data_type: TYPE_FP32, dims: [3,224,224], zero_data: "
         "true}}}]",
         "batch_size 99"},
        {"model_warmup: [{name: w, inputs: {x: {data_type: TYPE_FP32, dims: [3,224,224], values: [1]}}}]", "1 values"},
    };
    for (const auto& [text, expected] : cases) {
        auto config = yaml(text);
        ASSERT_TRUE(config) << message(config) << text;
        const auto outcome = complete(*config, image_in(), image_out(), {});
        ASSERT_FALSE(outcome) << text;
        EXPECT_THAT(outcome.error().message, HasSubstr(expected));
    }
    auto fixed = yaml("max_batch_size: 4");
    const std::vector<TensorInfo> one{{.name = "x", .type = DataType::kFp32, .shape = {1, 30}}};
    EXPECT_THAT(complete(*fixed, one, one, {}).error().message, HasSubstr("first dimension"));
}

TEST(ModelConfigTest, AReshapeIsUndoneForTheClient) {
    auto config = yaml(
        "max_batch_size: 4\n"
        "input: [{name: x, data_type: TYPE_FP32, dims: [-1, 2], reshape: {shape: [1, -1, 2]}}]\n"
        "output: [{name: y, data_type: TYPE_FP32, dims: [1], reshape: {shape: []}}]\n");
    ASSERT_TRUE(config) << message(config);
    const std::vector<TensorInfo> in{{.name = "x", .type = DataType::kFp32, .shape = {-1, 1, -1, 2}}};
    const std::vector<TensorInfo> out{{.name = "y", .type = DataType::kFp32, .shape = {-1}}};
    const auto done = complete(*config, in, out, {});
    ASSERT_TRUE(done) << done.error().message;
    EXPECT_EQ(session_shape(*config, config->inputs[0], {3, 7, 2}).value().text(), "[3,1,7,2]");
    EXPECT_EQ(client_shape(*config, config->outputs[0], {3}).value().text(), "[3,1]");
}

// A model may give another size than its config says, and a shape that claims more than there is would be read past its end.
TEST(ModelConfigTest, AReshapeThatChangesHowMuchThereIsIsRefused) {
    auto config = yaml(
        "max_batch_size: 4\n"
        "input: [{name: x, data_type: TYPE_FP32, dims: [4], reshape: {shape: [2, 2]}}]\n"
        "output: [{name: y, data_type: TYPE_FP32, dims: [4], reshape: {shape: [2, 2]}}]\n");
    ASSERT_TRUE(config) << message(config);
    const std::vector<TensorInfo> in{{.name = "x", .type = DataType::kFp32, .shape = {-1, 2, 2}}};
    const std::vector<TensorInfo> out{{.name = "y", .type = DataType::kFp32, .shape = {-1, -1, -1}}};
    const auto done = complete(*config, in, out, {});
    ASSERT_TRUE(done) << done.error().message;
    EXPECT_EQ(client_shape(*config, config->outputs[0], {3, 2, 2}).value().text(), "[3,4]");
    const auto claimed = client_shape(*config, config->outputs[0], {3, 1, 1});
    ASSERT_FALSE(claimed);
    EXPECT_THAT(claimed.error().message, HasSubstr("equally many elements"));
    EXPECT_FALSE(client_shape(*config, config->outputs[0], {3}));
    EXPECT_FALSE(session_shape(*config, config->inputs[0], {3, 5}));
}

}  // namespace
}  // namespace tidegate::model
