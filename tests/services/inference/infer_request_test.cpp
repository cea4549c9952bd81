// Infer requests as bytes: what is read, and what each broken one is told.
#include "services/inference/infer_request.h"

#include <gtest/gtest.h>

#include <cstring>

namespace tidegate::inference {
namespace {

using model::DataType;
using model::Shape;

std::string why(std::string_view body, std::optional<std::uint64_t> json_bytes = std::nullopt) {
    const auto made = read_infer(body, json_bytes, 64);
    if (made) return "read";
    EXPECT_EQ(made.error().code, ErrorCode::kInvalidArgument);
    return made.error().message;
}

std::string one_input(std::string_view members) {
    return R"({"inputs":[{"name":"x",)" + std::string(members) + "}]}";
}

TEST(InferRequest, ReadsWhatTheProtocolsExampleHas) {
    const std::string body = R"({"id":"42","parameters":{"priority":1,"timeout":250,"custom":"kept by nobody"},
      "inputs":[{"name":"input0","shape":[2,2],"datatype":"UINT32","data":[1,2,3,4]},
                {"name":"input1","shape":[3],"datatype":"BOOL","data":[true,false,true]},
                {"name":"t","shape":[1],"datatype":"BYTES","data":["\u00e4"]}],
      "outputs":[{"name":"output0","parameters":{"classification":3}},{"name":"o1","parameters":{"binary_data":true}}]})";
    const auto made = read_infer(body, std::nullopt, 64);
    ASSERT_TRUE(made) << made.error().message;
    EXPECT_EQ(made->id, "42");
    EXPECT_EQ(made->priority, 1U);
    EXPECT_EQ(made->timeout_us, 250U);
    EXPECT_FALSE(made->binary_output);
    ASSERT_EQ(made->inputs.size(), 3U);
    EXPECT_EQ(made->inputs[0].name, "input0");
    EXPECT_EQ(made->inputs[0].tensor.type, DataType::kUint32);
    EXPECT_EQ(made->inputs[0].tensor.shape, (Shape{2, 2}));
    EXPECT_EQ(made->inputs[0].tensor.bytes.size(), 16U);
    EXPECT_EQ(made->inputs[2].tensor.strings[0], "\xC3\xA4");
    ASSERT_EQ(made->outputs.size(), 2U);
    EXPECT_EQ(made->outputs[0].classes, 3U);
    EXPECT_FALSE(made->outputs[0].binary);
    EXPECT_TRUE(made->outputs[1].binary);
}

TEST(InferRequest, BinaryTensorsAreViewsOfTheBody) {
    const std::string json = R"({"parameters":{"binary_data_output":true},"inputs":[)"
                             R"({"name":"a","shape":[2],"datatype":"FP32","parameters":{"binary_data_size":8}},)"
                             R"({"name":"b","shape":[1],"datatype":"INT8","data":[5]},)"
                             R"({"name":"c","shape":[2],"datatype":"BYTES","parameters":{"binary_data_size":11}}],)"
                             R"("outputs":[{"name":"o"},{"name":"p","parameters":{"binary_data":false}}]})";
    const float numbers[] = {1.5F, -2.0F};
    std::string body = json;
    body.append(reinterpret_cast<const char*>(numbers), 8);
    body.append("\x03\0\0\0abc\0\0\0\0", 11);
    const auto made = read_infer(body, json.size(), 64);
    ASSERT_TRUE(made) << made.error().message;
    EXPECT_EQ(reinterpret_cast<const char*>(made->inputs[0].tensor.bytes.data()), body.data() + json.size());
    EXPECT_EQ(made->inputs[1].tensor.bytes.size(), 1U);
    ASSERT_EQ(made->inputs[2].tensor.strings.size(), 2U);
    EXPECT_EQ(made->inputs[2].tensor.strings[0], "abc");
    EXPECT_EQ(made->inputs[2].tensor.strings[1], "");
    EXPECT_TRUE(made->binary_output);
    EXPECT_TRUE(made->outputs[0].binary);
    EXPECT_FALSE(made->outputs[1].binary);
}

TEST(InferRequest, AByteThatIsNoBoolIsRefused) {
    const std::string json =
        R"({"inputs":[{"name":"x","shape":[3],"datatype":"BOOL","parameters":{"binary_data_size":3}}]})";
    EXPECT_EQ(why(json + std::string("\x00\x01\x01", 3), json.size()), "read");
    EXPECT_EQ(why(json + std::string("\x00\x01\x02", 3), json.size()), "input `x`: the bytes of BOOL must be 0 or 1");
}

TEST(InferRequest, BinarySizesThatLieAreToldByHowMuch) {
    const auto body = [](std::string_view type, std::string_view shape, std::string_view size, std::size_t behind) {
        const std::string json = R"({"inputs":[{"name":"x","shape":)" + std::string(shape) + R"(,"datatype":")" +
                                 std::string(type) + R"(","parameters":{"binary_data_size":)" + std::string(size) +
                                 "}}]}";
        return why(json + std::string(behind, '\0'), json.size());
    };
    EXPECT_EQ(body("FP32", "[2]", "8", 8), "read");
    EXPECT_EQ(body("FP32", "[2]", "8", 7), "input `x`: `binary_data_size` is 8, 7 bytes are left of the body");
    EXPECT_EQ(body("FP32", "[2]", "7", 7), "input `x`: shape [2] of FP32 has 8 bytes, `binary_data_size` is 7");
    EXPECT_EQ(body("FP32", "[2]", "8", 9), "the body has 1 bytes behind the JSON that no `binary_data_size` speaks of");
    EXPECT_EQ(body("FP32", "[2]", "-8", 8),
              "input `x`: the parameter `binary_data_size` must be an integer from 0 to 9223372036854775807");
    EXPECT_EQ(body("FP32", "[2]", "18446744073709551615", 8),
              "input `x`: the parameter `binary_data_size` must be an integer from 0 to 9223372036854775807");
    EXPECT_EQ(body("BOOL", "[2]", "2", 2), "read");
    EXPECT_EQ(body("BYTES", "[2]", "4", 4), "input `x`: shape [2] has 2 elements, the bytes hold 1");
    EXPECT_EQ(body("BYTES", "[1]", "3", 3), "input `x`: the length of an element is cut off");
    EXPECT_EQ(body("FP32", "[281474976710656]", "0", 0).find("read"), std::string::npos);
    EXPECT_EQ(why(one_input(R"("shape":[1],"datatype":"FP32","parameters":{"binary_data_size":4})")),
              "input `x`: `binary_data_size` needs the field Inference-Header-Content-Length");
    EXPECT_EQ(why("{}", 3), "Inference-Header-Content-Length is 3, the body has 2 bytes");
    EXPECT_EQ(why("{} ", 18446744073709551615U),
              "Inference-Header-Content-Length is 18446744073709551615, the body has 3 bytes");
}

TEST(InferRequest, ShapesThatCannotBeAreRefused) {
    const auto shape = [](std::string_view text) {
        return why(one_input(R"("datatype":"FP32","data":[1],"shape":)" + std::string(text)));
    };
    EXPECT_EQ(shape("[1]"), "read");
    EXPECT_EQ(shape("[-1]"), "input `x`: every dimension of `shape` must be an integer that is not negative");
    EXPECT_EQ(shape("[1.5]"), "input `x`: every dimension of `shape` must be an integer that is not negative");
    EXPECT_EQ(shape("[18446744073709551615]"),
              "input `x`: every dimension of `shape` must be an integer that is not negative");
    EXPECT_EQ(shape("1"), "input `x`: `shape` must be an array of integers");
    EXPECT_EQ(shape("[1,1,1,1,1,1,1,1,1]"), "input `x`: `shape` has more than 8 dimensions");
    for (const char* text : {"[9223372036854775807,2]", "[4294967296,4294967296]", "[9223372036854775807]"}) {
        const std::string told = shape(text);
        EXPECT_TRUE(told.starts_with("input `x`: ")) << told;
    }
    // An empty dimension beside a huge one is empty.
    EXPECT_NE(shape("[0,9223372036854775807]"), "read");
}

TEST(InferRequest, WhatIsMissingOrOfTheWrongKindIsNamed) {
    EXPECT_EQ(why("[]"), "the request must be a JSON object");
    EXPECT_EQ(why("{}"), "`inputs` must be an array");
    EXPECT_EQ(why(R"({"inputs":{}})"), "`inputs` must be an array");
    EXPECT_EQ(why(R"({"inputs":[1]})"), "each of `inputs` must be an object");
    EXPECT_EQ(why(R"({"inputs":[{}]})"), "input 0 has no `name`");
    EXPECT_EQ(why(R"({"inputs":[{"name":""}]})"), "input 0 has no `name`");
    EXPECT_EQ(why(one_input(R"("shape":[1],"data":[1])")), "input `x`: `datatype` must be a text");
    EXPECT_EQ(why(one_input(R"("shape":[1],"data":[1],"datatype":"float")")),
              "input `x`: `datatype` is not one of the protocol's");
    EXPECT_EQ(why(one_input(R"("shape":[1],"datatype":"FP32")")),
              "input `x` has neither `data` nor `binary_data_size`");
    EXPECT_EQ(why(R"({"id":7,"inputs":[]})"), "`id` must be a text");
    EXPECT_EQ(why(R"({"inputs":[],"outputs":[{}]})"), "output 0 has no `name`");
    EXPECT_EQ(why(R"({"inputs":[],"outputs":{}})"), "`outputs` must be an array");
    EXPECT_EQ(why(R"({"inputs":[],"parameters":[]})"), "`parameters` must be an object");
    EXPECT_EQ(why(R"({"inputs":[],"parameters":{"priority":-1}})"),
              "the parameter `priority` must be an integer from 0 to 4294967295");
    EXPECT_EQ(why(R"({"inputs":[],"parameters":{"binary_data_output":1}})"),
              "the parameter `binary_data_output` must be true or false");
    EXPECT_EQ(why(R"({"inputs":[],"parameters":{"sequence_id":5}})"),
              "the parameter `sequence_id`: sequences of requests are not offered");
    EXPECT_EQ(why(one_input(R"("shape":[1],"datatype":"FP32","parameters":{"shared_memory_region":"r"})")),
              "input `x`: the parameter `shared_memory_region`: shared memory is not offered");
}

TEST(InferRequest, BrokenJsonAndBareNanAreRefused) {
    EXPECT_NE(why(one_input(R"("shape":[1],"datatype":"FP32","data":[NaN])")), "read");
    EXPECT_NE(why(""), "read");
    EXPECT_NE(why("{\"inputs\":["), "read");
    EXPECT_NE(why(std::string(200, '[')), "read");
}

TEST(InferRequest, TooManyTensorsAreRefused) {
    std::string body = R"({"inputs":[)";
    for (std::size_t i = 0; i <= kTensorsMax; ++i) body += (i > 0 ? ",{}" : "{}");
    EXPECT_EQ(why(body + "]}"), "`inputs` has more than 256 elements");
}

}  // namespace
}  // namespace tidegate::inference
