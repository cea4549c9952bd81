// The recogniser and its pool: spoken sentences come back, nothing of one shapes the next, no model is no answer.
#include <gtest/gtest.h>

#include <atomic>
#include <thread>
#include <vector>

#include "services/speech/recognise/transcribe.h"
#include "services/speech/text/word_errors.h"
#include "sounds.h"
#include "store/temporary_folder.h"

namespace tidegate::speech {
namespace {

constexpr std::array<std::pair<const char*, const char*>, 6> kSentences{
    {{"rms", "please send the invoice to our office before friday"},
     {"awb", "the meeting will start at nine in the morning"},
     {"rms", "we need to order more paper for the printer"},
     {"awb", "the customer asked for a full refund yesterday"},
     {"rms", "the train to the city was late again this morning"},
     {"awb", "we have a contract with the company for two years"}}};

class Recognising : public ::testing::Test {
  protected:
    void SetUp() override {
        if (!missing_model(kModelDir).empty()) GTEST_SKIP() << "pocketsphinx-en-us is not installed";
    }
    static DecoderPool& pool() {
        static DecoderPool kept(kModelDir, 1);
        return kept;
    }
    static std::string text_of(const Transcript& transcript) {
        std::string out;
        for (const Segment& one : transcript.segments) out += one.text + " ";
        return out;
    }
    store::TemporaryFolder folder_;
};

TEST_F(Recognising, SixSpokenSentencesComeBackWithAtMost15PercentOfWordsWrong) {
    WordErrors all;
    for (const auto& [voice, text] : kSentences) {
        const std::string path = folder_.file("said.wav");
        if (!speak(text, path, voice)) GTEST_SKIP() << "flite is not installed";
        const auto heard = transcribe(path, pool(), {});
        ASSERT_TRUE(heard) << heard.error().message;
        const WordErrors errors = count_word_errors(text, text_of(*heard));
        all += errors;
        RecordProperty(text, text_of(*heard));
        double last = 0;
        for (const Segment& segment : heard->segments) {
            for (const Word& word : segment.words) {
                EXPECT_GE(word.start, last - 1e-9);
                EXPECT_GT(word.end, word.start);
                EXPECT_LE(word.end, heard->duration_s + 0.3);
                EXPECT_TRUE(word.confidence >= 0 && word.confidence <= 1);
                EXPECT_FALSE(word.text.contains('('));
                last = word.end;
            }
        }
    }
    EXPECT_LE(all.rate(), 0.15) << all.errors << " of " << all.words;
}

// The engine's own log is one for all threads: a decoder in the making must not take it from another.
TEST_F(Recognising, DecodersAreMadeAtTheSameTimeByManyThreads) {
    std::atomic<int> made{0};
    {
        std::vector<std::jthread> threads;
        for (int i = 0; i < 4; ++i) {
            threads.emplace_back([&] {
                for (int round = 0; round < 3; ++round) made += Decoder::make(kModelDir) ? 1 : 0;
            });
        }
    }
    EXPECT_EQ(made, 12);
}

TEST_F(Recognising, WhatWasHeardBeforeDoesNotShapeWhatIsHeardNext) {
    const std::string first = folder_.file("first.wav");
    const std::string second = folder_.file("second.wav");
    if (!speak("please send the invoice", first) || !speak("the train was late again", second, "rms")) {
        GTEST_SKIP() << "flite is not installed";
    }
    const auto alone = transcribe(second, pool(), {});
    ASSERT_TRUE(alone);
    ASSERT_TRUE(transcribe(first, pool(), {}));
    const auto after = transcribe(second, pool(), {});
    ASSERT_TRUE(after);
    EXPECT_EQ(alone->segments, after->segments);
    EXPECT_EQ(pool().made(), 1U);
    EXPECT_EQ(pool().lent(), 0U);
}

TEST_F(Recognising, EachSpeakerOfACallIsToldByTheChannel) {
    const std::string left = folder_.file("left.wav");
    const std::string right = folder_.file("right.wav");
    if (!speak("the meeting will start at nine", left, "rms") || !speak("please call the manager", right)) {
        GTEST_SKIP() << "flite is not installed";
    }
    // Its own turn each, 35 dB of the other one's voice behind it.
    std::vector<std::int16_t> a;
    std::vector<std::int16_t> b;
    for (const auto& [path, own] : {std::pair{left, &a}, std::pair{right, &b}}) {
        const std::string bytes = read_whole(path);
        for (std::size_t i = 44; i + 1 < bytes.size(); i += 2) {
            own->push_back(static_cast<std::int16_t>(static_cast<unsigned char>(bytes[i]) |
                                                     static_cast<unsigned char>(bytes[i + 1]) << 8));
        }
    }
    std::vector<std::int16_t> call;
    for (const std::int16_t one : a) call.insert(call.end(), {one, static_cast<std::int16_t>(one / 56)});
    for (const std::int16_t one : b) call.insert(call.end(), {static_cast<std::int16_t>(one / 56), one});
    const std::string path = write_file(folder_.file("call.wav"), wav_of(call, 2, 16'000));
    const auto heard = transcribe(path, pool(), {});
    ASSERT_TRUE(heard) << heard.error().message;
    EXPECT_TRUE(heard->separate);
    ASSERT_GE(heard->segments.size(), 2U);
    const double turn = to_seconds(static_cast<std::int64_t>(a.size()));
    for (const Segment& one : heard->segments)
        EXPECT_EQ(one.speaker, one.start < turn - 0.1 ? "left" : "right") << one.text;
}

TEST_F(Recognising, SilenceAndAToneAreNoWords) {
    const auto silence = transcribe(
        write_file(folder_.file("silence.wav"), wav_of(std::vector<std::int16_t>(32'000), 1, 16'000)), pool(), {});
    ASSERT_TRUE(silence);
    EXPECT_TRUE(silence->segments.empty());
    EXPECT_EQ(silence->speech_s, 0);
}

TEST(Recogniser, WithoutItsModelThereIsNoAnswerButAWordOnWhatToInstall) {
    const store::TemporaryFolder folder;
    DecoderPool pool(folder.file("nothing"), 1);
    const auto heard = transcribe(write_file(folder.file("tone.wav"), wav_of(tone(1, 16'000), 1, 16'000)), pool, {});
    ASSERT_FALSE(heard);
    EXPECT_EQ(heard.error().code, ErrorCode::kUnavailable);
    EXPECT_TRUE(heard.error().message.contains("apt-get install pocketsphinx-en-us"));
    EXPECT_EQ(pool.made(), 0U);
}

TEST(Recogniser, WordsAreWithoutTheMarksOfTheDictionary) {
    EXPECT_EQ(plain_word("the(2)"), "the");
    EXPECT_EQ(plain_word("reed"), "reed");
    EXPECT_EQ(plain_word("<sil>"), "");
    EXPECT_EQ(plain_word("[NOISE]"), "");
    EXPECT_EQ(plain_word(""), "");
}

}  // namespace
}  // namespace tidegate::speech
