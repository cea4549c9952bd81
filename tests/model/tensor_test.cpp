// Element types, shapes and tensors: sizes are judged before anything is allocated.
#include "model/tensor.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdint>
#include <limits>
#include <string>
#include <utility>
#include <vector>

namespace tidegate::model {
namespace {

using testing::HasSubstr;

TEST(DataType, NamesAndSizesAreThoseOfTheProtocol) {
    const std::vector<std::pair<std::string, std::size_t>> expected{
        {"BOOL", 1},  {"UINT8", 1}, {"UINT16", 2}, {"UINT32", 4}, {"UINT64", 8}, {"INT8", 1}, {"INT16", 2},
        {"INT32", 4}, {"INT64", 8}, {"FP16", 2},   {"BF16", 2},   {"FP32", 4},   {"FP64", 8}, {"BYTES", 0}};
    for (const auto& [name, size] : expected) {
        const auto type = data_type_of(name);
        ASSERT_TRUE(type.has_value()) << name;
        EXPECT_EQ(to_string(*type), name);
        EXPECT_EQ(element_size(*type), size) << name;
    }
    EXPECT_FALSE(data_type_of("fp32").has_value());
    EXPECT_FALSE(data_type_of("").has_value());
}

TEST(Shape, CountsItsElements) {
    EXPECT_EQ(Shape{}.elements().value(), 1U);
    EXPECT_EQ((Shape{2, 3, 4}).elements().value(), 24U);
    EXPECT_EQ((Shape{2, 0, 4}).elements().value(), 0U);
    EXPECT_EQ((Shape{std::int64_t{1} << 48}).elements().value(), 1ULL << 48);
}

TEST(Shape, RefusesProductsThatOverflowAndNegativeDimensions) {
    constexpr std::int64_t kHuge = std::numeric_limits<std::int64_t>::max();
    for (const Shape& shape : {Shape{kHuge, kHuge}, Shape{kHuge}, Shape{1 << 30, 1 << 30}, Shape{0, kHuge},
                               Shape{std::int64_t{1} << 32, std::int64_t{1} << 32}, Shape{2, -1}, Shape{-1}}) {
        const auto elements = shape.elements();
        ASSERT_FALSE(elements.has_value()) << shape.text();
        EXPECT_EQ(elements.error().code, ErrorCode::kInvalidArgument);
        EXPECT_THAT(elements.error().message, HasSubstr(shape.text()));
    }
}

TEST(Shape, TakesADimensionCountUpToItsMost) {
    const std::vector<std::int64_t> eight(8, 1);
    const std::vector<std::int64_t> nine(9, 1);
    EXPECT_EQ(Shape::of(eight).value().size(), 8U);
    EXPECT_EQ(Shape::of(nine).error().code, ErrorCode::kInvalidArgument);
    EXPECT_THAT(Shape::of(std::vector<std::int64_t>{3, -2}).error().message, HasSubstr("dimension 1"));
}

TEST(Shape, ADeclaredOneTakesWhatFits) {
    const Shape declared{-1, 3};
    EXPECT_TRUE(declared.takes({7, 3}));
    EXPECT_TRUE(declared.takes({0, 3}));
    EXPECT_FALSE(declared.takes({7, 4}));
    EXPECT_FALSE(declared.takes({7, 3, 1}));
    EXPECT_FALSE(declared.takes({3}));
    EXPECT_EQ(declared.text(), "[-1,3]");
    EXPECT_EQ(Shape{}.text(), "[]");
}

TEST(Tensor, IsMadeOfZerosAndAligned) {
    auto tensor = Tensor::make(DataType::kInt64, {3, 5}, 1 << 20).value();
    ASSERT_EQ(tensor.bytes().size(), 120U);
    EXPECT_EQ(reinterpret_cast<std::uintptr_t>(tensor.bytes().data()) % 64, 0U);
    for (const std::byte byte : tensor.bytes()) EXPECT_EQ(byte, std::byte{0});
    EXPECT_EQ(Tensor::make(DataType::kBytes, {2, 2}, 1 << 20).value().strings().size(), 4U);
    EXPECT_TRUE(Tensor::make(DataType::kFp32, {0, 5}, 0).value().bytes().empty());
}

TEST(Tensor, OverItsBoundIsRefusedBeforeItIsAllocated) {
    EXPECT_EQ(Tensor::make(DataType::kFp64, {1025}, 8192).error().code, ErrorCode::kTooLarge);
    EXPECT_TRUE(Tensor::make(DataType::kFp64, {1024}, 8192).has_value());
    EXPECT_EQ(Tensor::make(DataType::kBytes, {std::int64_t{1} << 40}, 1 << 20).error().code, ErrorCode::kTooLarge);
    EXPECT_EQ(Tensor::make(DataType::kFp32, {-1}, 1 << 20).error().code, ErrorCode::kInvalidArgument);
}

TEST(Tensor, AdoptedBytesAreReleasedOnce) {
    int released = 0;
    std::vector<std::byte> bytes(16);
    const auto release = [](void* context) noexcept { ++*static_cast<int*>(context); };
    {
        Tensor first = Tensor::adopt(DataType::kFp32, {4}, bytes, release, &released);
        Tensor second = std::move(first);
        EXPECT_EQ(second.bytes().data(), bytes.data());
        EXPECT_EQ(second.bytes().size(), 16U);
        EXPECT_EQ(released, 0);
    }
    EXPECT_EQ(released, 1);
    {
        const Tensor empty = Tensor::adopt(DataType::kFp32, {0}, {}, release, &released);
    }
    EXPECT_EQ(released, 2);
}

}  // namespace
}  // namespace tidegate::model
