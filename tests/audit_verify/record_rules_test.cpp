#include <gtest/gtest.h>

#include "audit/verify/layout.h"
#include "audit_verify/log_writer.h"

namespace tidegate::audit::verify {
namespace {

const char* fault_of(const std::string& record) {
    RecordFacts facts;
    return record_fault({reinterpret_cast<const std::uint8_t*>(record.data()), record.size()}, facts);
}

TEST(RecordRules, TakeEveryFormOfAGoodRecord) {
    EXPECT_EQ(fault_of(record_bytes({})), nullptr);
    EXPECT_EQ(fault_of(record_bytes({.number = 7, .output = "", .error = "internal: no", .stages = {}, .tags = {}})),
              nullptr);
    EXPECT_EQ(fault_of(record_bytes({.output = std::string(4'194'304, 'x')})), nullptr);
    EXPECT_EQ(fault_of(record_bytes({.stages = std::vector<std::pair<std::string, std::int64_t>>(64, {"s", 0}),
                                     .tags = std::vector<std::pair<std::string, std::string>>(64, {"t", ""})})),
              nullptr);
    EXPECT_EQ(fault_of(record_bytes({.confidence = 1.0})), nullptr);
}

TEST(RecordRules, RefuseEachValueOutOfItsRange) {
    const std::string good = record_bytes({});
    const auto with = [&](std::size_t at, std::uint64_t value, std::size_t size) {
        std::string changed = good;
        put_le(changed, at, value, size);
        return changed;
    };
    EXPECT_NE(fault_of(with(0, 2, 1)), nullptr) << "version";
    EXPECT_EQ(fault_of(with(1, 2, 1)), nullptr) << "an event";
    EXPECT_NE(fault_of(with(1, 3, 1)), nullptr) << "kind";
    EXPECT_NE(fault_of(with(2, 5, 1)), nullptr) << "status";
    EXPECT_NE(fault_of(with(2, 1, 1)), nullptr) << "an error without words";
    EXPECT_NE(fault_of(with(3, 4, 1)), nullptr) << "cache state";
    EXPECT_NE(fault_of(with(4, 16 + 1, 1)), nullptr) << "flags";
    EXPECT_NE(fault_of(with(4, 0, 1)), nullptr) << "a confidence that is not announced";
    EXPECT_NE(fault_of(with(5, 65, 1)), nullptr) << "stages";
    EXPECT_NE(fault_of(with(6, 65, 1)), nullptr) << "tags";
    EXPECT_NE(fault_of(with(7, 1, 1)), nullptr) << "zero";
    EXPECT_NE(fault_of(with(8, ~std::uint64_t{0}, 8)), nullptr) << "recorded";
    EXPECT_NE(fault_of(with(22, 0x40, 1)), nullptr) << "UUID version";
    EXPECT_NE(fault_of(with(24, 0xC0, 1)), nullptr) << "UUID variant";
    EXPECT_NE(fault_of(with(80, (std::uint64_t{1} << 62U) + 1, 8)), nullptr) << "input size";
    for (const double confidence : {1.0000001, -0.1, -0.0}) {
        EXPECT_NE(fault_of(record_bytes({.confidence = confidence})), nullptr) << confidence;
    }
    EXPECT_NE(fault_of(with(88, 0x7FF8000000000000U, 8)), nullptr) << "NaN";
    for (const std::size_t at : {96, 104, 112}) {
        EXPECT_EQ(fault_of(with(at, std::uint64_t{1} << 40U, 8)), nullptr) << at;
        EXPECT_NE(fault_of(with(at, (std::uint64_t{1} << 40U) + 1, 8)), nullptr) << at;
        EXPECT_NE(fault_of(with(at, ~std::uint64_t{0}, 8)), nullptr) << at << ", negative";
    }
    EXPECT_NE(fault_of(with(120, 4'194'305, 4)), nullptr) << "output";
    EXPECT_NE(fault_of(with(126, 0, 1)), nullptr) << "request id";
    EXPECT_NE(fault_of(with(129, 0, 1)), nullptr) << "service";
    EXPECT_NE(fault_of(with(134, 1, 2)), nullptr) << "zero";
    EXPECT_NE(fault_of(with(136, ' ', 1)), nullptr) << "request id, visible";
}

TEST(RecordRules, AFigureThatIsNotStatedIsZero) {
    struct Figure {
        std::uint8_t flag;
        std::size_t at;
    };
    for (const Figure figure : {Figure{2, 96}, Figure{4, 80}, Figure{8, 112}}) {
        std::string record = record_bytes({});
        put_le(record, figure.at, 0, 8);
        EXPECT_EQ(fault_of(record), nullptr) << "0 was stated";
        put_le(record, 4, 1U + figure.flag, 1);
        EXPECT_EQ(fault_of(record), nullptr) << figure.at;
        put_le(record, figure.at, 1, 8);
        EXPECT_NE(fault_of(record), nullptr) << figure.at;
    }
}

TEST(RecordRules, RefuseEveryOtherLength) {
    const std::string good = record_bytes({});
    for (std::size_t size = 0; size < good.size(); ++size) EXPECT_NE(fault_of(good.substr(0, size)), nullptr) << size;
    EXPECT_NE(fault_of(good + '\0'), nullptr);
    EXPECT_NE(fault_of(record_bytes({.stages = {{"", 1}}})), nullptr);
    EXPECT_NE(fault_of(record_bytes({.stages = {{"s", -1}}})), nullptr);
    EXPECT_NE(fault_of(record_bytes({.tags = {{"t", std::string(257, 'v')}}})), nullptr);
}

}  // namespace
}  // namespace tidegate::audit::verify
