// What is made of words: errors counted, subtitles, summaries, rows of the store.
#include <gtest/gtest.h>

#include "services/speech/store.h"
#include "services/speech/text/subtitles.h"
#include "services/speech/text/summary.h"
#include "services/speech/text/word_errors.h"
#include "store/temporary_folder.h"

namespace tidegate::speech {
namespace {

TEST(WordErrors, AreTheLeastChangesOverTheReference) {
    EXPECT_EQ(count_word_errors("The cat, sat!", "the cat sat").errors, 0U);
    EXPECT_EQ(count_word_errors("the cat sat", "the bat sat").errors, 1U);
    EXPECT_EQ(count_word_errors("the cat sat", "cat sat down").errors, 2U);
    EXPECT_EQ(count_word_errors("the cat sat", "").errors, 3U);
    EXPECT_EQ(count_word_errors("", "a b").errors, 2U);
    EXPECT_EQ(count_word_errors("it's a b", "its a b").errors, 1U);
    EXPECT_DOUBLE_EQ(count_word_errors("a b c d", "a x c d").rate(), 0.25);
    EXPECT_EQ(count_word_errors("", "").rate(), 0);
}

const std::vector<Segment> kTalk{{.speaker = "left", .start = 0.5, .end = 3661.2345, .text = "good morning"},
                                 {.speaker = "right", .start = 3662, .end = 3663.9996, .text = "hello"}};

TEST(Subtitles, AreAsPlayersReadThem) {
    EXPECT_EQ(to_srt(kTalk, false),
              "1\n00:00:00,500 --> 01:01:01,235\ngood morning\n\n2\n01:01:02,000 --> 01:01:04,000\nhello\n\n");
    EXPECT_EQ(to_vtt(kTalk, false),
              "WEBVTT\n\n00:00:00.500 --> 01:01:01.235\ngood morning\n\n01:01:02.000 --> 01:01:04.000\nhello\n\n");
    EXPECT_TRUE(to_vtt(kTalk, true).contains("<v right>hello"));
    EXPECT_TRUE(to_srt(kTalk, true).contains("left: good morning"));
    EXPECT_EQ(to_text(kTalk, false), "good morning hello\n");
    EXPECT_EQ(to_text(kTalk, true), "left: good morning\nright: hello\n");
    EXPECT_EQ(to_vtt({}, false), "WEBVTT\n\n");
    EXPECT_EQ(to_text({}, false), "\n");
}

const std::vector<Turn> kMeeting{
    {"left", "um good morning everybody"},
    {"right", "yeah hi"},
    {"left", "the harbour gate was damaged by the storm on monday night"},
    {"right", "i mean the harbour gate needs a new motor and the motor costs nine thousand"},
    {"left", "the weather was nice in the mountains last summer"},
    {"right", "we will order the motor for the harbour gate tomorrow"},
    {"left", "okay"},
    {"left", "the storm also damaged the harbour wall near the gate"}};

TEST(Summary, KeepsWhatTheTalkIsAboutAndNamesWhereItWasSaid) {
    const Summary summary = summarise(kMeeting, 3);
    ASSERT_EQ(summary.key_points.size(), 3U);
    std::size_t last = 0;
    for (const KeyPoint& one : summary.key_points) {
        EXPECT_TRUE(one.text.contains("harbour")) << one.text;
        EXPECT_GE(one.turns.front(), last);  // In the order they were said.
        last = one.turns.front();
        // Its very words, less the fillers.
        std::string said;
        for (const std::size_t turn : one.turns) said += (said.empty() ? "" : " ") + drop_fillers(kMeeting[turn].text);
        EXPECT_EQ(one.text, said);
        EXPECT_EQ(one.speaker, kMeeting[one.turns.front()].speaker);
    }
    ASSERT_EQ(summary.action_items.size(), 1U);
    EXPECT_EQ(summary.action_items[0].turns, std::vector<std::size_t>{5});
}

TEST(Summary, SaysNothingOfNothing) {
    EXPECT_TRUE(summarise({}, 5).key_points.empty());
    const std::vector<Turn> fillers{{"left", "um yeah"}, {"right", "okay you know"}};
    EXPECT_TRUE(summarise(fillers, 5).key_points.empty());
    EXPECT_EQ(summarise(kMeeting, 0).key_points.size(), 0U);
    // The same sentence again and again is said once, as far as there are others.
    std::vector<Turn> parrot(5, {"", "the tide gate is broken beyond repair"});
    parrot.push_back({"", "the insurance company pays for half of the repair"});
    const Summary summary = summarise(parrot, 2);
    ASSERT_EQ(summary.key_points.size(), 2U);
    EXPECT_NE(summary.key_points[0].text, summary.key_points[1].text);
}

TEST(Summary, ALongTalkIsTakenInLargerPieces) {
    std::vector<Turn> turns;
    for (int i = 0; i < 1600; ++i) {
        turns.push_back({i % 2 == 0 ? "left" : "right", "item number " + std::to_string(i % 97) + " belongs to group " +
                                                            std::to_string(i % 13) + " there"});
    }
    const Summary summary = summarise(turns, 4);
    ASSERT_EQ(summary.key_points.size(), 4U);
    for (const KeyPoint& one : summary.key_points) EXPECT_GE(one.turns.size(), 2U);
}

TEST(Summary, ALongTextOfTheSameWordsTakesNoLong) {
    // 390 kB in 871 sentences of the same 64 words: once minutes. Judged by its share of work, not by a clock: a unit is asked for once.
    std::string sentence;
    for (int i = 0; i < 64; ++i)
        sentence += "wd" + std::string(1, static_cast<char>('a' + i % 26)) + std::to_string(i) + " ";
    std::vector<Turn> turns(871, {"", sentence});
    std::size_t asked = 0;
    const Summary summary = summarise(turns, 5, [&asked] { return ++asked > kUnitsMax; });
    EXPECT_EQ(summary.key_points.size(), 5U);
    EXPECT_LE(asked, kUnitsMax);
    // Whoever has left is not worked for.
    EXPECT_EQ(summarise(turns, 5, [] { return true; }).key_points.size(), 5U);
}

TEST(Summary, ATextIsCutIntoItsSentences) {
    const auto sentences = split_sentences("One is 1.5 m. Two?  Three!\nFour");
    ASSERT_EQ(sentences.size(), 4U);
    EXPECT_EQ(sentences[0].text, "One is 1.5 m.");
    EXPECT_EQ(sentences[3].text, "Four");
    EXPECT_EQ(drop_fillers("um we, you know, need uh it"), "we, need it");
}

TEST(SpeechStore, ASessionIsCompletedOnceAndIsItsTenantsAlone) {
    const store::TemporaryFolder folder;
    const SystemClock clock;
    const auto store = SpeechStore::open(folder.file("tidegate.db"), clock);
    ASSERT_TRUE(store);
    Session session{.id = "s1", .tenant = "acme", .file_name = "a.wav", .bytes = 7, .sha256 = "00", .created = 5};
    ASSERT_TRUE((*store)->add(session));
    session.transcript.segments = {{.speaker = "left",
                                    .start = 1,
                                    .end = 2,
                                    .text = "hello",
                                    .confidence = 0.5,
                                    .words = {{.text = "hello", .start = 1, .end = 2, .confidence = 0.5}}}};
    session.finished = clock.unix_ms();
    EXPECT_TRUE((*store)->complete(session).value());
    session.transcript.segments[0].text = "again";
    EXPECT_FALSE((*store)->complete(session).value());
    EXPECT_FALSE((*store)->fail_session("s1", {ErrorCode::kInternal, "late"}, 10).value());
    EXPECT_FALSE((*store)->cancel_session("s1", 10).value());
    const auto found = (*store)->find("s1", "acme");
    ASSERT_TRUE(found);
    EXPECT_EQ(found->state, "completed");
    ASSERT_EQ(found->transcript.segments.size(), 1U);
    EXPECT_EQ(found->transcript.segments[0].text, "hello");
    EXPECT_EQ(found->transcript.segments[0].words[0].text, "hello");
    EXPECT_EQ((*store)->find("s1", "").error().code, ErrorCode::kNotFound);
    EXPECT_FALSE((*store)->remove("s1", "other").value());
    ASSERT_TRUE((*store)->save_summary("s1", "{}", 1));
    EXPECT_TRUE((*store)->remove("s1", "acme").value());
    EXPECT_FALSE((*store)->summary("s1").value());  // It went with its session.
    EXPECT_EQ((*store)->sessions().value(), 0U);
}

TEST(SpeechStore, WhatIsOlderThanKeptIsNotFoundUnlessItsJobMayStillWait) {
    const store::TemporaryFolder folder;
    ManualClock clock;
    const auto store = SpeechStore::open(folder.file("tidegate.db"), clock, std::chrono::minutes(10));
    ASSERT_TRUE(store);
    for (const char* const id : {"s1", "s2"}) {
        ASSERT_TRUE((*store)->add({.id = id, .tenant = "acme", .created = clock.unix_ms()}));
    }
    ASSERT_TRUE((*store)->fail_session("s1", {ErrorCode::kInternal, "no"}, clock.unix_ms()));
    EXPECT_EQ((*store)->list("acme", "", 9)->size(), 2U);
    clock.advance(std::chrono::minutes(11));
    EXPECT_EQ((*store)->find("s1", "acme").error().code, ErrorCode::kNotFound);
    EXPECT_TRUE((*store)->find("s2", "acme"));
    EXPECT_EQ((*store)->list("acme", "", 9)->size(), 1U);
    ASSERT_TRUE((*store)->remove_old());
    EXPECT_EQ((*store)->sessions().value(), 1U);
    ASSERT_TRUE((*store)->add({.id = "s3", .tenant = "acme", .created = clock.unix_ms() - 1}));
    const auto unfinished = (*store)->accepted_before(clock.unix_ms());
    ASSERT_TRUE(unfinished);
    ASSERT_EQ(unfinished->size(), 2U);
    EXPECT_EQ(unfinished->front().id, "s2");
    EXPECT_TRUE(unfinished->front().is_old);
    EXPECT_EQ(unfinished->back().id, "s3");
    EXPECT_FALSE(unfinished->back().is_old);
    EXPECT_EQ((*store)->accepted_before(clock.unix_ms() - 1)->size(), 1U);
    ASSERT_TRUE((*store)->set_decision("s2", "d1"));
    EXPECT_EQ((*store)->record_of("s2")->decision, "d1");
    EXPECT_EQ((*store)->record_of("s9")->decision, "");
}

}  // namespace
}  // namespace tidegate::speech
