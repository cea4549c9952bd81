// Another server's engine: what is sent of a recording, how its times come back, what of an answer is believed, when it is asked again.
#include <gtest/gtest.h>

#include <thread>

#include "services/speech/remote/remote_engine.h"
#include "services/speech/remote/voice_piece.h"
#include "sounds.h"
#include "store/temporary_folder.h"
#include "support/openai_speech.h"

namespace tidegate::speech {
namespace {

using testing::OpenAiSpeech;
using Why = RemoteFailure::Why;

std::vector<std::int16_t> some(std::int64_t samples, std::int16_t value) {
    return std::vector<std::int16_t>(static_cast<std::size_t>(samples), value);
}

TEST(VoicePiece, StretchesFollowOneAnotherWithAShortPauseAndTimesComeBack) {
    VoicePiece piece;
    EXPECT_TRUE(piece.empty());
    // 2 s from 10 s on, 1 s from 12.5 s on, 3 s from 100 s on.
    piece.add({160'000, 192'000}, some(32'000, 5));
    piece.add({200'000, 216'000}, some(16'000, 6));
    piece.add({1'600'000, 1'648'000}, some(48'000, 7));
    EXPECT_DOUBLE_EQ(piece.seconds(), 2 + 0.5 + 1 + 1 + 3);
    EXPECT_DOUBLE_EQ(piece.speech_seconds(), 6);
    EXPECT_DOUBLE_EQ(piece.start_in_recording(0), 10);
    EXPECT_DOUBLE_EQ(piece.end_in_recording(1.5), 11.5);
    // Of a pause the start belongs to what comes, the end to what was.
    EXPECT_DOUBLE_EQ(piece.end_in_recording(2.25), 12);
    EXPECT_DOUBLE_EQ(piece.start_in_recording(2.25), 12.5);
    EXPECT_DOUBLE_EQ(piece.start_in_recording(2.5), 12.5);
    EXPECT_DOUBLE_EQ(piece.end_in_recording(3.5), 13.5);
    EXPECT_DOUBLE_EQ(piece.start_in_recording(4), 100);
    EXPECT_DOUBLE_EQ(piece.end_in_recording(4.5), 13.5);
    EXPECT_DOUBLE_EQ(piece.end_in_recording(7.5), 103);
    // Past its end.
    EXPECT_DOUBLE_EQ(piece.end_in_recording(30), 103);
    EXPECT_DOUBLE_EQ(piece.start_in_recording(30), 103);
    std::string wav;
    piece.append_wav(wav);
    EXPECT_EQ(wav.size(), 44 + 2 * 120'000U);
    EXPECT_EQ(wav.substr(44 + 2 * 32'000, 4), std::string(4, '\0'));
    EXPECT_FALSE(piece.has_room({1'660'000, 1'700'000}, 120'000));
    EXPECT_TRUE(piece.has_room({1'648'000, 1'648'100}, 120'100));
    piece.clear();
    EXPECT_TRUE(piece.empty());
}

TEST(RemoteAnswer, ATranscriptIsReadWithItsTimes) {
    const auto read = read_remote_answer(
        R"({"task":"transcribe","language":"english","duration":4.2,"text":" Hello there.\nYes. ","segments":[
           {"start":2.5,"end":4.4,"text":" Yes.","avg_logprob":-0.5},{"start":0,"end":2,"text":" Hello\nthere. ","avg_logprob":0.5},
           {"start":2,"end":2.5,"text":"  "}],
           "words":[{"word":"Hello","start":0,"end":1},{"word":" there","start":1,"end":2},{"word":"Yes","start":2.5,"end":3}]})",
        RemoteTimes::kWords, 4.2);
    ASSERT_TRUE(read) << read.error().message;
    EXPECT_EQ(read->text, "Hello there. Yes.");
    EXPECT_EQ(read->language, "english");
    ASSERT_EQ(read->segments.size(), 2U);
    EXPECT_EQ(read->segments[0].text, "Hello there.");  // On one line: it stands in subtitles.
    EXPECT_FALSE(read->segments[0].confidence);         // No probability is over one.
    EXPECT_NEAR(*read->segments[1].confidence, 0.6065, 0.001);
    ASSERT_EQ(read->words.size(), 3U);
    EXPECT_EQ(read->words[1].text, "there");
    EXPECT_FALSE(read->words[1].confidence);
    const auto plain = read_remote_answer(R"({"text":"hello"})", RemoteTimes::kNone, 3);
    ASSERT_TRUE(plain);
    ASSERT_EQ(plain->segments.size(), 1U);
    EXPECT_EQ(plain->segments[0].end, 3);
    EXPECT_TRUE(read_remote_answer(R"({"text":" "})", RemoteTimes::kNone, 3)->segments.empty());
    EXPECT_TRUE(read_remote_answer(R"({"text":"","segments":[]})", RemoteTimes::kWords, 3)->segments.empty());
}

TEST(RemoteAnswer, WhatIsNoTranscriptIsAnError) {
    for (const char* const body : {"", "hello", "null", "[]", "{}", R"({"text":7,"segments":[]})", R"({"text":""})",
                                   R"({"text":"a"})", R"({"text":"a","segments":{}})", R"({"text":"a","segments":[]})",
                                   R"({"text":"a","segments":[7]})", R"({"text":"a","segments":[{"start":0,"end":1}]})",
                                   R"({"text":"a","segments":[{"start":-1,"end":1,"text":"a"}]})",
                                   R"({"text":"a","segments":[{"start":2,"end":1,"text":"a"}]})",
                                   R"({"text":"a","segments":[{"start":0,"end":99,"text":"a"}]})",
                                   R"({"text":"a","segments":[{"start":"0","end":1,"text":"a"}]})"}) {
        const auto read = read_remote_answer(body, RemoteTimes::kSegments, 3);
        ASSERT_FALSE(read) << body;
        EXPECT_EQ(read.error().code, ErrorCode::kUnavailable);
        EXPECT_TRUE(read.error().message.contains("no transcript")) << read.error().message;
    }
    for (const char* const words : {"", R"(,"words":[])", R"(,"words":7)", R"(,"words":[{"word":"a"}])",
                                    R"(,"words":[{"word":"a","start":1,"end":0}])"}) {
        const std::string body =
            R"({"text":"a","segments":[{"start":0,"end":1,"text":"a"}])" + std::string(words) + "}";
        EXPECT_TRUE(read_remote_answer(body, RemoteTimes::kSegments, 3)) << body;
        EXPECT_FALSE(read_remote_answer(body, RemoteTimes::kWords, 3)) << body;
    }
    EXPECT_FALSE(read_remote_answer(R"({"text":""})", RemoteTimes::kSegments, 3));
    EXPECT_FALSE(read_remote_answer("{}", RemoteTimes::kNone, 3));
}

class Remote : public ::testing::Test {
  protected:
    void SetUp() override {
        logger_ = std::move(observe::Logger::open({.level = observe::Level::kOff}, clock_)).value();
        options_.upstream.name = "speech";
        options_.upstream.retry.backoff_base = std::chrono::milliseconds(1);
        options_.upstream.retry.backoff_max = std::chrono::milliseconds(1);
        options_.base_path = "/v1";
        options_.model = "whisper-1";
        options_.key = std::string(OpenAiSpeech::kKey);
    }
    RemoteEngine& engine(const std::vector<std::string>& urls) {
        options_.upstream.targets.clear();
        for (const std::string& url : urls) options_.upstream.targets.push_back({.url = url});
        auto made = RemoteEngine::create(options_, clock_, random_, *logger_);
        EXPECT_TRUE(made) << made.error().message;
        engine_ = *std::move(made);
        return *engine_;
    }
    /// Spoken, and long pauses between; empty: flite is not installed.
    std::string said(int times, double pause_s = 3) {
        const std::string path = folder_.file("one.wav");
        if (!speak("please call the manager", path)) return {};
        const std::string bytes = read_whole(path);
        std::vector<std::int16_t> samples;
        for (int i = 0; i < times; ++i) {
            for (std::size_t at = 44; at + 1 < bytes.size(); at += 2) {
                samples.push_back(static_cast<std::int16_t>(static_cast<unsigned char>(bytes[at]) |
                                                            static_cast<unsigned char>(bytes[at + 1]) << 8));
            }
            samples.resize(samples.size() + static_cast<std::size_t>(pause_s * 16'000));
        }
        one_s_ = static_cast<double>(bytes.size() - 44) / 32'000;
        return write_file(folder_.file("said.wav"), wav_of(samples, 1, 16'000));
    }

    const store::TemporaryFolder folder_;
    const SystemClock clock_;
    SeededRandom random_{5};
    std::unique_ptr<observe::Logger> logger_;
    RemoteOptions options_;
    std::unique_ptr<RemoteEngine> engine_;
    double one_s_ = 0;
};

TEST_F(Remote, ARecordingIsSentWithoutItsSilenceAndItsWordsStandWhereTheyWereSaid) {
    const std::string path = said(2);
    if (path.empty()) GTEST_SKIP() << "flite is not installed";
    OpenAiSpeech openai;
    const auto heard = engine({openai.url()}).transcribe(path, {}, {});
    ASSERT_TRUE(heard) << heard.error().error.message;
    ASSERT_EQ(openai.asked().size(), 1U);
    const double sent = openai.asked()[0].seconds;
    EXPECT_LT(sent, heard->duration_s - 3);  // Of two pauses of 3 s one second is left.
    EXPECT_NEAR(sent, heard->speech_s + 1, 0.5);
    ASSERT_EQ(heard->segments.size(), 1U);
    EXPECT_EQ(heard->segments[0].text, OpenAiSpeech::words(sent));
    EXPECT_EQ(heard->segments[0].speaker, "speaker");
    EXPECT_EQ(heard->language, "english");
    double last = 0;
    bool behind_the_pause = false;
    for (const Word& word : heard->segments[0].words) {
        EXPECT_GE(word.start, last);
        EXPECT_GE(word.end, word.start);
        last = word.start;
        behind_the_pause = behind_the_pause || word.start > one_s_ + 2;
        EXPECT_FALSE(word.start > one_s_ + 0.4 && word.start < one_s_ + 2.6) << word.start << " lies in the silence";
    }
    EXPECT_TRUE(behind_the_pause);
}

TEST_F(Remote, WhatIsLongGoesInPiecesAndAnEngineWithoutTimesGetsStretchByStretch) {
    const std::string path = said(4);
    if (path.empty()) GTEST_SKIP() << "flite is not installed";
    OpenAiSpeech openai;
    options_.piece_max = std::chrono::seconds(5);
    const auto heard = engine({openai.url()}).transcribe(path, {}, {});
    ASSERT_TRUE(heard) << heard.error().error.message;
    EXPECT_GT(openai.asked().size(), 1U);
    EXPECT_EQ(heard->segments.size(), openai.asked().size());
    for (const auto& one : openai.asked()) EXPECT_LE(one.seconds, 5);
    const std::size_t so_far = openai.asked().size();
    options_.times = RemoteTimes::kNone;
    options_.piece_max = std::chrono::minutes(10);
    std::vector<double> told;
    const TranscribeOptions with_progress{
        .limits = {}, .separation = Separation::kAuto, .pauses = {}, .progress = [&](double share) {
            told.push_back(share);
        }};
    const auto plain = engine({openai.url()}).transcribe(path, with_progress, {});
    ASSERT_TRUE(plain) << plain.error().error.message;
    EXPECT_EQ(openai.asked().size() - so_far, 4U);
    ASSERT_EQ(plain->segments.size(), 4U);
    EXPECT_EQ(told.size(), 4U);
    EXPECT_NEAR(told.back(), 1, 1e-9);
    for (std::size_t i = 0; i < 4; ++i) {
        EXPECT_NEAR(plain->segments[i].start, static_cast<double>(i) * (one_s_ + 3), 0.5);
        EXPECT_TRUE(plain->segments[i].words.empty());
        EXPECT_EQ(count_words(plain->segments[i]),
                  static_cast<std::size_t>(std::ceil(openai.asked()[so_far + i].seconds)));
    }
}

TEST_F(Remote, ChannelsThatAreSpeakersAreSentOneByOne) {
    const std::string left = folder_.file("left.wav");
    if (!speak("the meeting will start at nine", left, "rms")) GTEST_SKIP() << "flite is not installed";
    const std::string bytes = read_whole(left);
    std::vector<std::int16_t> call;
    const auto turn = [&](bool is_left) {
        for (std::size_t i = 44; i + 1 < bytes.size(); i += 2) {
            const auto own = static_cast<std::int16_t>(static_cast<unsigned char>(bytes[i]) |
                                                       static_cast<unsigned char>(bytes[i + 1]) << 8);
            const auto other = static_cast<std::int16_t>(own / 56);
            call.insert(call.end(), {is_left ? own : other, is_left ? other : own});
        }
    };
    turn(true);
    turn(false);
    turn(true);
    const double each = static_cast<double>(bytes.size() - 44) / 32'000;
    OpenAiSpeech openai;
    const auto heard =
        engine({openai.url()}).transcribe(write_file(folder_.file("call.wav"), wav_of(call, 2, 16'000)), {}, {});
    ASSERT_TRUE(heard) << heard.error().error.message;
    EXPECT_TRUE(heard->separate);
    ASSERT_EQ(openai.asked().size(), 2U);
    EXPECT_GT(openai.asked()[0].seconds, openai.asked()[1].seconds);
    ASSERT_EQ(heard->segments.size(), 2U);
    EXPECT_EQ(heard->segments[0].speaker, "left");
    EXPECT_EQ(heard->segments[1].speaker, "right");
    EXPECT_NEAR(heard->segments[1].start, each, 0.6);
    EXPECT_NEAR(heard->segments[1].end, 2 * each, 0.6);
    EXPECT_GT(heard->segments[0].end, 2 * each);
}

TEST_F(Remote, SilenceIsSentNowhere) {
    OpenAiSpeech openai;
    const auto heard =
        engine({openai.url()})
            .transcribe(write_file(folder_.file("silence.wav"), wav_of(std::vector<std::int16_t>(32'000), 1, 16'000)),
                        {}, {});
    ASSERT_TRUE(heard);
    EXPECT_TRUE(heard->segments.empty());
    EXPECT_TRUE(openai.asked().empty());
}

TEST_F(Remote, EachFailureHasItsNameAndOnlyWhatMayPassIsRepeated) {
    const std::string path = said(1, 0);
    if (path.empty()) GTEST_SKIP() << "flite is not installed";
    testing::Upstream server;
    const std::string target(OpenAiSpeech::kTranscriptions);
    options_.upstream.pool.breaker.enabled = false;
    options_.upstream.pool.outlier.enabled = false;
    engine({server.url()});
    const auto failure_of = [&] {
        const auto heard = engine_->transcribe(path, {}, {});
        EXPECT_FALSE(heard);
        EXPECT_TRUE(heard || heard.error().failure);
        return heard || !heard.error().failure ? RemoteFailure{.why = Why::kCancelled, .detail = {}}
                                               : *heard.error().failure;
    };
    unsigned asked = 0;
    const auto calls = [&] { return server.asked(target) - std::exchange(asked, server.asked(target)); };
    server.on(target, 429, "{}", "Retry-After: 61\r\n");  // Longer than a piece rests.
    const RemoteFailure throttled = failure_of();
    EXPECT_EQ(throttled.why, Why::kThrottled);
    EXPECT_EQ(throttled.ask_again_in, std::chrono::seconds(61));
    EXPECT_EQ(calls(), 1U);
    for (const int status : {401, 403, 404}) {
        server.on(target, status, "{}");
        EXPECT_EQ(failure_of().why, Why::kRefused) << status;
        EXPECT_EQ(calls(), 1U);
    }
    for (const int status : {400, 413, 415, 422}) {
        server.on(target, status, "{}");
        EXPECT_EQ(failure_of().why, Why::kRejected) << status;
        EXPECT_EQ(calls(), 1U);
    }
    server.on(target, 500, "{}");
    EXPECT_EQ(failure_of().why, Why::kServerError);
    EXPECT_EQ(calls(), 1U);
    server.on(target, 503, "{}");
    EXPECT_EQ(failure_of().why, Why::kServerError);
    EXPECT_EQ(calls(), 3U);
    server.on(target, 302, "", "Location: http://elsewhere/\r\n");
    EXPECT_EQ(failure_of().why, Why::kNoTranscript);
    EXPECT_EQ(calls(), 1U);
    server.on(target, 200, "{}");
    EXPECT_EQ(failure_of().why, Why::kNoTranscript);
    EXPECT_EQ(calls(), 1U);
    server.on(target, [](testing::UpstreamCall& call) {
        call.read_body();
        call.reset();
    });
    EXPECT_EQ(failure_of().why, Why::kUnreachable);
    EXPECT_EQ(calls(), 3U);
    // Longer than any transcript.
    server.on(target, [](testing::UpstreamCall& call) {
        call.read_body();
        call.send("HTTP/1.1 200 OK\r\nContent-Length: 99999999\r\n\r\n");
        while (call.send(std::string(65'536, ' '))) {
        }
    });
    EXPECT_EQ(failure_of().why, Why::kUnreachable);
    EXPECT_FALSE(to_string(Why::kNoTranscript).empty());
}

TEST_F(Remote, AServerThatIsTooSlowIsGivenUpInTime) {
    const std::string path = said(1, 0);
    if (path.empty()) GTEST_SKIP() << "flite is not installed";
    testing::Upstream server;
    server.on(std::string(OpenAiSpeech::kTranscriptions), [](testing::UpstreamCall& call) {
        call.read_body();
        call.wait_gone();
    });
    options_.upstream.times.total_max = std::chrono::milliseconds(300);
    options_.upstream.retry.attempts_max = 10;
    const auto heard = engine({server.url()}).transcribe(path, {}, {});
    ASSERT_FALSE(heard);
    EXPECT_EQ(heard.error().failure->why, Why::kTimeout);
    EXPECT_TRUE(server.wait_left(1));
}

TEST_F(Remote, WhoeverGivesUpIsHeededAndTheCallIsEnded) {
    const std::string path = said(1, 0);
    if (path.empty()) GTEST_SKIP() << "flite is not installed";
    testing::Upstream server;
    const std::string target(OpenAiSpeech::kTranscriptions);
    server.on(target, [](testing::UpstreamCall& call) {
        call.read_body();
        call.wait_gone();
    });
    engine({server.url()});
    TranscribeOptions options;
    options.limits.should_stop = [&] { return server.asked(target) > 0; };
    const auto heard = engine_->transcribe(path, options, {});
    ASSERT_FALSE(heard);
    EXPECT_EQ(heard.error().error.code, ErrorCode::kCancelled);
    EXPECT_FALSE(heard.error().failure);
    EXPECT_TRUE(server.wait_left(1));
    EXPECT_EQ(engine_->caller().snapshot().targets[0].breaker.consecutive_failures, 0U);
}

TEST_F(Remote, ABreakerOpensAfterFailuresAndLetsATrialThroughLater) {
    const std::string path = said(1, 0);
    if (path.empty()) GTEST_SKIP() << "flite is not installed";
    OpenAiSpeech openai;
    const std::string target(OpenAiSpeech::kTranscriptions);
    testing::Upstream server;
    server.on(target, 500, "{}");
    options_.upstream.pool.breaker.failures_max = 2;
    options_.upstream.pool.breaker.open_for = std::chrono::minutes(5);
    options_.upstream.pool.breaker.probes = 1;
    engine({server.url()});
    EXPECT_EQ(engine_->transcribe(path, {}, {}).error().failure->why, Why::kServerError);
    EXPECT_TRUE(engine_->is_usable());
    EXPECT_EQ(engine_->transcribe(path, {}, {}).error().failure->why, Why::kServerError);
    EXPECT_FALSE(engine_->is_usable());
    const auto open = engine_->transcribe(path, {}, {});
    ASSERT_FALSE(open);
    EXPECT_EQ(open.error().failure->why, Why::kBreakerOpen);
    EXPECT_GE(*open.error().failure->ask_again_in, std::chrono::seconds(1));
    EXPECT_EQ(server.asked(target), 2U);
    // Another engine, whose breaker soon lets one through: nothing has to happen while it is open.
    options_.upstream.pool.breaker.open_for = std::chrono::milliseconds(1);
    engine({server.url()});
    EXPECT_EQ(engine_->transcribe(path, {}, {}).error().failure->why, Why::kServerError);
    EXPECT_EQ(engine_->transcribe(path, {}, {}).error().failure->why, Why::kServerError);
    EXPECT_EQ(engine_->caller().snapshot().targets[0].breaker.opened, 1U);
    server.on(target, 200,
              R"({"text":"a","segments":[{"start":0,"end":1,"text":"a"}],"words":[{"word":"a","start":0,"end":1}]})");
    const auto give_up = clock_.now() + std::chrono::seconds(30);
    while (!engine_->is_usable() && clock_.now() < give_up) std::this_thread::yield();
    const auto again = engine_->transcribe(path, {}, {});
    ASSERT_TRUE(again) << again.error().error.message;
    EXPECT_EQ(again->segments[0].text, "a");
}

}  // namespace
}  // namespace tidegate::speech
