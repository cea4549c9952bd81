// Tensors as JSON: exact both ways, and nothing that a type cannot hold.
#include "services/inference/values.h"
#include "model/half.h"

#include <gtest/gtest.h>

#include <bit>
#include <cmath>
#include <cstring>
#include <limits>

#include "base/json_writer.h"

namespace tidegate::inference {
namespace {

using model::Bf16;
using model::DataType;
using model::Fp16;
using model::narrow;
using model::Shape;
using model::widen;

struct ReadValues {
    json::Document document;
    ValueStore store;
    Result<model::TensorView> view;
};

ReadValues read(std::string_view text, DataType type, const Shape& shape) {
    ReadValues made{.document = *json::parse(text), .store = {}, .view = fail(ErrorCode::kInternal, "")};
    made.view = read_values(made.document.root(), type, shape, text.size(), made.store);
    return made;
}

std::string flat(std::string_view text, DataType type, const Shape& shape) {
    const ReadValues made = read(text, type, shape);
    if (!made.view) return made.view.error().message;
    std::string out;
    write_flat(out, *made.view);
    return out;
}

std::string nested(std::string_view text, DataType type, const Shape& shape) {
    const ReadValues made = read(text, type, shape);
    if (!made.view) return made.view.error().message;
    std::string out;
    write_nested(out, *made.view);
    return out;
}

TEST(Values, IntegersKeepEveryDigitOfTheirType) {
    EXPECT_EQ(flat("[-9223372036854775808,9223372036854775807]", DataType::kInt64, {2}),
              "[-9223372036854775808,9223372036854775807]");
    EXPECT_EQ(flat("[18446744073709551615,0]", DataType::kUint64, {2}), "[18446744073709551615,0]");
    EXPECT_EQ(flat("[-128,127]", DataType::kInt8, {2}), "[-128,127]");
    EXPECT_EQ(flat("[0,255]", DataType::kUint8, {2}), "[0,255]");
    EXPECT_EQ(flat("[-32768,32767]", DataType::kInt16, {2}), "[-32768,32767]");
    EXPECT_EQ(flat("[65535]", DataType::kUint16, {1}), "[65535]");
    EXPECT_EQ(flat("[-2147483648]", DataType::kInt32, {1}), "[-2147483648]");
    EXPECT_EQ(flat("[4294967295]", DataType::kUint32, {1}), "[4294967295]");
    EXPECT_EQ(flat("[true,false]", DataType::kBool, {2}), "[true,false]");
}

TEST(Values, WhatATypeCannotHoldIsRefusedWithItsPlace) {
    EXPECT_EQ(flat("[1,300]", DataType::kUint8, {2}), ": element 1 of `data` is larger than the type holds");
    EXPECT_EQ(flat("[-1]", DataType::kUint64, {1}), ": element 0 of `data` must not be negative");
    EXPECT_EQ(flat("[-129]", DataType::kInt8, {1}), ": element 0 of `data` is smaller than the type holds");
    EXPECT_EQ(flat("[9223372036854775808]", DataType::kInt64, {1}),
              ": element 0 of `data` is larger than the type holds");
    EXPECT_EQ(flat("[1.0]", DataType::kInt32, {1}), ": element 0 of `data` must be an integer");
    EXPECT_EQ(flat("[\"1\"]", DataType::kInt32, {1}), ": element 0 of `data` must be an integer");
    EXPECT_EQ(flat("[1]", DataType::kBool, {1}), ": element 0 of `data` must be true or false");
    EXPECT_EQ(flat("[1e39]", DataType::kFp32, {1}), ": element 0 of `data` is larger than the type holds");
    EXPECT_EQ(flat("[65520]", DataType::kFp16, {1}), ": element 0 of `data` is larger than the type holds");
    EXPECT_EQ(flat("[null]", DataType::kFp32, {1}),
              ": element 0 of `data` must be a number, \"NaN\", \"Infinity\" or \"-Infinity\"");
    EXPECT_EQ(flat("[1]", DataType::kBytes, {1}), ": element 0 of `data` must be a text");
}

TEST(Values, FloatsReadBackAsTheSameBits) {
    EXPECT_EQ(flat("[0.1,-0.0,3.4028234663852886e38]", DataType::kFp32, {3}), "[0.1,-0,3.4028235e+38]");
    EXPECT_EQ(flat("[0.1,1e-320]", DataType::kFp64, {2}), "[0.1,1e-320]");
    for (const float value : {1.0e-45F, 0.3F, 16777217.0F, 9.2233720e18F, 1.2345678e20F}) {
        std::string text = "[";
        append_json_number(text, static_cast<double>(value));
        const std::string once = flat(text + "]", DataType::kFp32, {1});
        const auto again = json::parse(once);
        ASSERT_TRUE(again) << once;
        again->root().each([&](json::Value one) { EXPECT_EQ(static_cast<float>(one.as_double()), value) << once; });
    }
}

TEST(Values, WhatJsonHasNoNumberForIsATextBothWays) {
    for (const DataType type : {DataType::kFp16, DataType::kBf16, DataType::kFp32, DataType::kFp64}) {
        EXPECT_EQ(flat(R"(["NaN","Infinity","-Infinity"])", type, {3}), R"(["NaN","Infinity","-Infinity"])");
    }
    EXPECT_NE(flat(R"(["nan"])", DataType::kFp32, {1}).find("must be a number"), std::string::npos);
    EXPECT_NE(flat(R"(["NaN"])", DataType::kInt32, {1}).find("must be an integer"), std::string::npos);
}

TEST(Values, DataIsFlatOrNestedExactlyAsTheShape) {
    EXPECT_EQ(nested("[1,2,3,4,5,6]", DataType::kInt32, {2, 3}), "[[1,2,3],[4,5,6]]");
    EXPECT_EQ(flat("[[1,2,3],[4,5,6]]", DataType::kInt32, {2, 3}), "[1,2,3,4,5,6]");
    EXPECT_EQ(nested("7", DataType::kInt32, {}), "7");
    EXPECT_EQ(nested("[7]", DataType::kInt32, {}), "7");
    EXPECT_EQ(nested("[]", DataType::kInt32, {0}), "[]");
    EXPECT_EQ(nested("[[],[]]", DataType::kInt32, {2, 0}), "[[],[]]");
    const std::string ragged = ": the nested arrays of `data` are not of the shape [2,2]";
    EXPECT_EQ(flat("[[1,2],[3]]", DataType::kInt32, {2, 2}), ragged);
    EXPECT_EQ(flat("[[1,2],3]", DataType::kInt32, {2, 2}), ragged);
    EXPECT_EQ(flat("[[1,2],[3,[4]]]", DataType::kInt32, {2, 2}), ragged);
    EXPECT_EQ(flat("[[[1,2],[3,4]]]", DataType::kInt32, {2, 2}), ragged);
    EXPECT_EQ(flat("{}", DataType::kInt32, {1}), ": `data` must be an array");
}

TEST(Values, DataShorterOrLongerThanTheShapeSaysBothNumbers) {
    EXPECT_EQ(flat("[1,2,3,4,5]", DataType::kFp32, {2, 3}), ": shape [2,3] has 6 elements, `data` holds 5");
    EXPECT_EQ(flat("[1,2,3]", DataType::kFp32, {2}), ": shape [2] has 2 elements, `data` holds 3");
    // Nothing is allocated for it.
    EXPECT_EQ(flat("[1]", DataType::kFp64, {1'000'000, 1'000'000}),
              ": shape [1000000,1000000] has 1000000000000 elements, `data` holds fewer");
}

TEST(Values, StringsArePackedWithTheirLengths) {
    const std::vector<std::string_view> texts{"", "a", "two words"};
    std::string packed;
    pack_strings(texts, packed);
    ASSERT_EQ(packed.size(), 12U + 10U);
    const std::span bytes(reinterpret_cast<const std::byte*>(packed.data()), packed.size());
    const auto back = unpack_strings(bytes, 3);
    ASSERT_TRUE(back);
    EXPECT_EQ(*back, texts);
    EXPECT_FALSE(unpack_strings(bytes, 2));
    for (std::size_t cut = 1; cut < 9; ++cut) EXPECT_FALSE(unpack_strings(bytes.first(bytes.size() - cut), 3)) << cut;
    EXPECT_EQ(unpack_strings(bytes.first(0), 0)->size(), 0U);
    const std::string huge("\xff\xff\xff\xff", 4);
    EXPECT_FALSE(unpack_strings({reinterpret_cast<const std::byte*>(huge.data()), 4}, 3));
}

TEST(Half, EveryValueOfBothFormsComesBackAsItWas) {
    for (std::uint32_t bits = 0; bits <= 0xFFFFU; ++bits) {
        const auto small = static_cast<std::uint16_t>(bits);
        for (const auto& [wide, back] : {std::pair(widen<Fp16>(small), narrow<Fp16>(widen<Fp16>(small))),
                                         std::pair(widen<Bf16>(small), narrow<Bf16>(widen<Bf16>(small)))}) {
            ASSERT_TRUE(back.has_value()) << bits;
            if (!std::isnan(wide)) {
                ASSERT_EQ(*back, small);
            }
        }
        // BF16 is the upper half of FP32.
        if (!std::isnan(widen<Bf16>(small))) {
            ASSERT_EQ(std::bit_cast<std::uint32_t>(widen<Bf16>(small)), bits << 16U);
        }
    }
}

TEST(Half, RoundsToNearestAndTiesToEvenOnce) {
    EXPECT_EQ(narrow<Fp16>(1.0), 0x3C00);
    EXPECT_EQ(narrow<Fp16>(65504.0), 0x7BFF);
    EXPECT_EQ(narrow<Fp16>(65519.99), 0x7BFF);
    EXPECT_EQ(narrow<Fp16>(65520.0), std::nullopt);
    EXPECT_EQ(narrow<Fp16>(5.960464477539063e-8), 0x0001);
    EXPECT_EQ(narrow<Fp16>(2.98023223876953125e-8), 0x0000);  // Half of the least: to even.
    EXPECT_EQ(narrow<Fp16>(2.99e-8), 0x0001);
    EXPECT_EQ(narrow<Fp16>(6.1035e-5), 0x0400);          // A carry into the exponent.
    EXPECT_EQ(narrow<Fp16>(1.00048828125), 0x3C00);      // A tie.
    EXPECT_EQ(narrow<Fp16>(1.00146484375), 0x3C02);      // The other.
    EXPECT_EQ(narrow<Fp16>(1.000488281250001), 0x3C01);  // By way of FP32 it would be the tie.
    EXPECT_EQ(narrow<Fp16>(-2.0), 0xC000);
    EXPECT_EQ(narrow<Bf16>(3.3e38), 0x7F78);
    EXPECT_EQ(narrow<Bf16>(3.4e38), std::nullopt);
}

}  // namespace
}  // namespace tidegate::inference
