// What of a record becomes an observation, and what is left out of one.
#include "services/compliance/drift/extract.h"

#include <gtest/gtest.h>

namespace tidegate::compliance {
namespace {

TEST(Extract, AFigureThatNobodyStatedIsLeftOutAndAZeroIsNot) {
    const Extract extract({}, {});
    audit::segments::RecordView record;
    const auto known = extract.take(1, record);
    ASSERT_TRUE(known);
    EXPECT_EQ(known->observation.latency_us, 0);
    EXPECT_EQ(known->observation.input_size, 0);
    EXPECT_EQ(known->observation.tokens, 0);
    record.latency_stated = record.input_size_stated = record.tokens_stated = false;
    const auto unknown = extract.take(2, record);
    ASSERT_TRUE(unknown);
    EXPECT_EQ(unknown->observation.latency_us, drift::kNotCounted);
    EXPECT_EQ(unknown->observation.input_size, drift::kNotCounted);
    EXPECT_EQ(unknown->observation.tokens, drift::kNotCounted);
    EXPECT_EQ(unknown->observation.failed, 0) << "it counts as a decision all the same";
}

}  // namespace
}  // namespace tidegate::compliance
