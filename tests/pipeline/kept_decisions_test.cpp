// What is kept of an answer's decisions comes back as it was; what is not ours is refused.
#include "pipeline/kept_decisions.h"

#include <gtest/gtest.h>

#include "base/random.h"

namespace tidegate::pipeline {
namespace {

audit::Decision decision() {
    ManualClock clock;
    SeededRandom random(1);
    audit::Decision made;
    made.id = make_uuid7(clock, random);
    made.service = "provenance";
    made.operation = "detect/text";
    made.input_hash = sha256("text");
    made.input_size = 4;
    made.model = "text_detector";
    made.model_version = "1";
    made.output = R"({"band":"human"})";
    made.band = "human";
    made.confidence = 0.1;
    made.tags = {{"domain", "a\x7f\n\"b"}};
    return made;
}

TEST(KeptDecisions, ComeBackAndNameTheirOriginal) {
    const audit::Decision made = decision();
    const std::string text = pack_decisions({made, made});
    for (const char c : text) EXPECT_TRUE(c >= 0x20 && c != 0x7f);
    const auto read = unpack_decisions(text);
    ASSERT_TRUE(read.has_value());
    ASSERT_EQ(read->size(), 2U);
    audit::Decision expected = made;
    expected.id = {};
    expected.tags.push_back({"original", to_string(made.id)});
    EXPECT_EQ(read->at(0), expected);
    EXPECT_EQ(read->at(1), expected);
}

TEST(KeptDecisions, AnInputOfUnknownSizeStaysOne) {
    audit::Decision made = decision();
    made.input_size = 0;
    made.input_size_stated = false;
    const auto read = unpack_decisions(pack_decisions({made}));
    ASSERT_TRUE(read.has_value());
    EXPECT_FALSE(read->at(0).stated_input_size());
}

TEST(KeptDecisions, AreEmptyForNoneAndRefusedWhenNotOurs) {
    EXPECT_EQ(pack_decisions({}), "");
    EXPECT_TRUE(unpack_decisions("")->empty());
    const std::string good = pack_decisions({decision()});
    for (const std::string& bad : {std::string("{}"), std::string("[1]"), std::string("[{}]"), good.substr(0, 40)}) {
        EXPECT_FALSE(unpack_decisions(bad).has_value()) << bad;
    }
    std::string other = good;
    other.replace(other.find("\"hash\":\"") + 8, 1, "x");
    EXPECT_FALSE(unpack_decisions(other).has_value());
}

}  // namespace
}  // namespace tidegate::pipeline
