// Training and serving read a text alike: the same features, and a model trained here scores here.

#include <gtest/gtest.h>

#include "base/hash.h"
#include "base/json_writer.h"
#include "base/random.h"
#include "rows.h"
#include "services/provenance/text/detector.h"
#include "services/provenance/text/model_file.h"
#include "services/provenance_text/texts.h"
#include "train_detector.h"

namespace tidegate::provenance::text::training {
namespace {

// Two made-up writers: one joins short words with "and" and shouts, the other likes long words and semicolons.
std::string sentence_by(bool ai, Random& random) {
    constexpr std::string_view kPlain[] = {"dog",   "rain",    "we ran", "my mate",
                                           "a van", "I think", "no way", "the shop"};
    constexpr std::string_view kGrand[] = {
        "the landscape",           "profound innovation",   "a testament",
        "the intricate tapestry",  "remarkable resilience", "fostering collaboration",
        "the realm of possibility"};
    std::string out = ai ? "Ultimately, " : "So ";
    for (int i = 0; i < 6; ++i) {
        out += ai ? kGrand[random.next_u64() % std::size(kGrand)] : kPlain[random.next_u64() % std::size(kPlain)];
        out += i == 5 ? (ai ? ". " : "! ") : (ai ? "; moreover, " : " and ");
    }
    return out;
}

Dataset made_up(std::size_t documents) {
    Dataset data;
    SeededRandom random(3);
    for (std::size_t d = 0; d < documents; ++d) {
        Sample sample;
        sample.label = d % 2 == 1 ? Label::kAi : Label::kHuman;
        sample.domain = d % 3 == 0 ? "first" : "second";
        sample.prompt_id = "prompt-" + std::to_string(d / 2);
        for (int s = 0; s < 12; ++s) sample.text += sentence_by(d % 2 == 1, random);
        data.samples.push_back(std::move(sample));
    }
    data.digest = "made up";
    return data;
}

TrainOptions small_options() {
    TrainOptions options;
    options.rows.crops = 1;
    options.folds.folds = 2;
    options.folds.threads = 2;
    options.folds.base.iterations_max = 15;
    options.folds.base.char_slot_bits = 12;
    options.date = "2020-01-01";
    return options;
}

TEST(Training, AModelTrainedHereIsServedHereAndTellsTheTwoApart) {
    const auto trained = train_detector(made_up(40), small_options());
    ASSERT_TRUE(trained.has_value()) << trained.error().message;
    const std::string bytes = serialise_model(trained->model);
    const auto detector = TextDetector::load(bytes);
    ASSERT_TRUE(detector.has_value()) << detector.error().message;
    SeededRandom random(99);
    for (int i = 0; i < 6; ++i) {
        std::string text;
        for (int s = 0; s < 12; ++s) text += sentence_by(i % 2 == 1, random);
        const auto analysis = (*detector)->analyse(text);
        ASSERT_TRUE(analysis.has_value());
        EXPECT_EQ(analysis->confidence > 0.5, i % 2 == 1) << i;
    }
}

TEST(Training, TheSameDataGivesTheSameModelByteForByte) {
    const auto once = train_detector(made_up(24), small_options());
    TrainOptions one_thread = small_options();
    one_thread.folds.threads = 1;
    const auto again = train_detector(made_up(24), one_thread);
    ASSERT_TRUE(once.has_value() && again.has_value());
    EXPECT_EQ(to_hex(sha256(serialise_model(once->model))), to_hex(sha256(serialise_model(again->model))));
}

TEST(Training, TooFewTextsAreAnError) {
    const auto trained = train_detector(made_up(6), small_options());
    ASSERT_FALSE(trained.has_value());
    EXPECT_EQ(trained.error().code, ErrorCode::kInvalidArgument);
}

TEST(Training, TheTrainersFeaturesAreTheDetectorsFeatures) {
    const std::vector<Document> documents = {{std::string(text::testing::kProse), "g", "d", false}};
    const std::vector<Row> rows = {{documents[0].text, 0, true}};
    const FeatureTable table = extract_features(documents, rows, 0);
    Reading reading;
    reading.read(text::testing::repeat("Another text comes first and must leave no trace. ", 50));
    reading.measure(reading.windows().front());
    reading.read(documents[0].text);
    ASSERT_EQ(reading.windows().size(), 1U);
    reading.measure(reading.windows().front());
    for (std::size_t h = 0; h < kHashedHeadCount; ++h) {
        const GramCounter& counter = reading.counter(h);
        ASSERT_EQ(counter.slots().size(), table.heads[h].columns(0).size());
        for (std::size_t i = 0; i < counter.slots().size(); ++i) {
            EXPECT_EQ(counter.slots()[i], table.heads[h].columns(0)[i]);
            EXPECT_EQ(static_cast<float>(counter.weight(counter.slots()[i]) / counter.norm()),
                      table.heads[h].values(0)[i]);
        }
    }
    for (std::size_t i = 0; i < stylometry_size(); ++i) {
        EXPECT_EQ(static_cast<float>(reading.features().style[i]), table.style.values(0)[i]);
    }
}

// Fails when the meaning of any feature changes: then raise kFeatureVersion, train again, and put the new digest here.
TEST(Training, TheFeaturesAreThoseTheShippedModelWasTrainedOn) {
    Reading reading;
    reading.read(text::testing::kProse);
    reading.measure(reading.windows().front());
    std::string record;
    for (std::size_t h = 0; h < kHashedHeadCount; ++h) {
        for (const std::uint32_t slot : reading.counter(h).slots()) record += std::to_string(slot) + " ";
        append_json_number(record, reading.counter(h).norm());
    }
    for (const double value : reading.features().style) append_json_number(record += ' ', value);
    EXPECT_EQ(to_hex(sha256(record)).substr(0, 16), "fb906f88d0a2db77");
}

}  // namespace
}  // namespace tidegate::provenance::text::training
