// Another server's faults, and hostile ones: what they never get into the log, into the memory, or out of everybody's reach.
#include <gtest/gtest.h>

#include "services/speech/remote/remote_engine.h"
#include "sounds.h"
#include "store/temporary_folder.h"
#include "support/openai_speech.h"

namespace tidegate::speech {
namespace {

using testing::OpenAiSpeech;
using Why = RemoteFailure::Why;

constexpr std::string_view kGood =
    R"({"text":"a","segments":[{"start":0,"end":1,"text":"a"}],"words":[{"word":"a","start":0,"end":1}]})";
// A text, and no segments: a recording may bring a working server to it.
constexpr std::string_view kOdd = R"({"text":"the secret is walden"})";

std::string answer_of(const std::string& text, const std::string& segment, const std::string& word) {
    return R"({"text":")" + text + R"(","segments":[{"start":0,"end":1,"text":")" + segment +
           R"("}],"words":[{"word":")" + word + R"(","start":0,"end":1}]})";
}

TEST(RemoteAnswerBounds, NobodySaysMoreThanFitsIntoTheSecondsOfAPiece) {
    const std::string most(remote_text_max(2), 'a');
    EXPECT_EQ(most.size(), 4'096 + 2 * 1'024U);
    EXPECT_TRUE(read_remote_answer(answer_of(most, most, most), RemoteTimes::kWords, 2));
    const std::string more = most + "a";
    for (const std::string& body : {answer_of(more, "a", "a"), answer_of("a", more, "a"), answer_of("a", "a", more)}) {
        const auto read = read_remote_answer(body, RemoteTimes::kWords, 2);
        ASSERT_FALSE(read);
        EXPECT_TRUE(read.error().message.contains("no transcript")) << read.error().message;
        // Longer pieces have room for it.
        EXPECT_TRUE(read_remote_answer(body, RemoteTimes::kWords, 3));
    }
    EXPECT_FALSE(read_remote_answer(R"({"text":")" + more + R"("})", RemoteTimes::kNone, 2));
    // Many short ones come to the same.
    std::string segments, words;
    for (int i = 0; i < 400; ++i) {
        segments += std::string(i == 0 ? "" : ",") + R"({"start":0,"end":1,"text":"a"})";
        words += std::string(i == 0 ? "" : ",") + R"({"word":"a","start":0,"end":1})";
    }
    const std::string one = R"({"start":0,"end":1,"text":"a"})";
    const std::string many_segments = R"({"text":"a","segments":[)" + segments + "]}";
    EXPECT_FALSE(read_remote_answer(many_segments, RemoteTimes::kSegments, 2));
    EXPECT_TRUE(read_remote_answer(many_segments, RemoteTimes::kSegments, 60));
    const std::string many_words = R"({"text":"a","segments":[)" + one + R"(],"words":[)" + words + "]}";
    EXPECT_FALSE(read_remote_answer(many_words, RemoteTimes::kWords, 2));
    EXPECT_TRUE(read_remote_answer(many_words, RemoteTimes::kWords, 60));
}

TEST(RemoteAnswerBounds, AServerThatTranscribesIsToldFromOneThatDoesNot) {
    EXPECT_TRUE(has_remote_text(kOdd));
    for (const char* const body : {"", "<html>", "[]", "{}", R"({"text":7})"}) EXPECT_FALSE(has_remote_text(body));
}

class RemoteFaults : public ::testing::Test {
  protected:
    void SetUp() override {
        logger_ =
            std::move(observe::Logger::open({.level = observe::Level::kDebug, .path = folder_.file("log")}, clock_))
                .value();
        options_.upstream.name = "speech";
        options_.upstream.targets.push_back({.url = server_.url()});
        options_.upstream.pool.breaker.failures_max = 2;
        options_.upstream.pool.breaker.open_for = std::chrono::minutes(10);
        options_.upstream.pool.breaker.open_max = std::chrono::minutes(10);
        options_.upstream.pool.outlier.enabled = false;
        options_.base_path = "/v1";
        options_.model = "whisper-1";
        options_.key = std::string(OpenAiSpeech::kKey);
        path_ = folder_.file("said.wav");
        if (!speak("please call the manager", path_)) GTEST_SKIP() << "flite is not installed";
    }
    RemoteEngine& open_engine() {
        auto made = RemoteEngine::create(options_, clock_, random_, *logger_);
        EXPECT_TRUE(made) << made.error().message;
        engine_ = *std::move(made);
        return *engine_;
    }
    /// Twice the same, far apart, in a piece each.
    std::string said_twice() {
        const std::string bytes = read_whole(path_);
        std::vector<std::int16_t> samples;
        for (int i = 0; i < 2; ++i) {
            for (std::size_t at = 44; at + 1 < bytes.size(); at += 2) {
                samples.push_back(static_cast<std::int16_t>(static_cast<unsigned char>(bytes[at]) |
                                                            static_cast<unsigned char>(bytes[at + 1]) << 8));
            }
            samples.resize(samples.size() + 48'000);
        }
        options_.piece_max = std::chrono::seconds(3);
        return write_file(folder_.file("twice.wav"), wav_of(samples, 1, 16'000));
    }
    std::string log() {
        logger_->flush();
        return read_whole(folder_.file("log"));
    }

    const std::string target_{OpenAiSpeech::kTranscriptions};
    const store::TemporaryFolder folder_;
    const SystemClock clock_;
    SeededRandom random_{5};
    std::unique_ptr<observe::Logger> logger_;
    testing::Upstream server_;
    RemoteOptions options_;
    std::unique_ptr<RemoteEngine> engine_;
    std::string path_;
};

TEST_F(RemoteFaults, NoWordOfAnAnswerAndNoKeyIsInTheLog) {
    server_.on(target_, 200, std::string(kOdd));
    ASSERT_FALSE(open_engine().transcribe(path_, {}, {}));
    std::string written = log();
    EXPECT_TRUE(written.contains("speech_upstream_answer")) << written;
    EXPECT_TRUE(written.contains("no segments")) << written;
    EXPECT_FALSE(written.contains("walden")) << written;
    // What another status says is told, without the key that some repeat; also where the cut would go through it.
    const std::string key(OpenAiSpeech::kKey);
    server_.on(target_, 401, "wrong: " + key + "! " + key + key + std::string(250, '.') + key + key + key);
    ASSERT_FALSE(engine_->transcribe(path_, {}, {}));
    written = log();
    EXPECT_TRUE(written.contains("wrong: [key]!")) << written;
    EXPECT_FALSE(written.contains(key)) << written;
    EXPECT_FALSE(written.contains(key.substr(0, 5))) << written;
}

TEST_F(RemoteFaults, OddAnswersOfAServerThatTranscribesLeaveItsBreakerClosed) {
    server_.on(target_, 200, std::string(kOdd));
    open_engine();
    for (int i = 0; i < 5; ++i) {
        const auto heard = engine_->transcribe(path_, {}, {});
        ASSERT_FALSE(heard);
        EXPECT_EQ(heard.error().failure->why, Why::kNoTranscript);
    }
    EXPECT_EQ(server_.asked(target_), 5U);
    EXPECT_TRUE(engine_->is_usable());
    EXPECT_EQ(engine_->caller().snapshot().targets[0].breaker.consecutive_failures, 0U);
    server_.on(target_, 200, std::string(kGood));
    EXPECT_TRUE(engine_->transcribe(path_, {}, {}));
    // One that does not transcribe at all is none to be asked on.
    server_.on(target_, 200, "<html>welcome</html>");
    EXPECT_FALSE(engine_->transcribe(path_, {}, {}));
    EXPECT_FALSE(engine_->transcribe(path_, {}, {}));
    EXPECT_FALSE(engine_->is_usable());
}

TEST_F(RemoteFaults, APieceThatIsThrottledIsSentAgainAndWhatWasHeardBeforeIsKept) {
    // The second piece's first request, and its second one without a word on when.
    server_.on(target_, [](testing::UpstreamCall& call) {
        if (call.number() == 2) return call.answer(429, "{}", "Retry-After: 0\r\n");
        if (call.number() == 3) return call.answer(429, "{}");
        call.answer(200, kGood);
    });
    const std::string path = said_twice();
    const auto heard = open_engine().transcribe(path, {}, {});
    ASSERT_TRUE(heard) << heard.error().error.message;
    EXPECT_EQ(heard->segments.size(), 2U);
    EXPECT_EQ(server_.asked(target_), 4U);
}

TEST_F(RemoteFaults, ALaterPieceWaitsForAnOpenBreaker) {
    options_.upstream.pool.breaker.failures_max = 1;
    options_.upstream.pool.breaker.open_for = std::chrono::seconds(2);
    server_.on(target_, 200, std::string(kGood));
    const std::string path = said_twice();
    open_engine();
    TranscribeOptions options;
    int told = 0;
    const SteadyTime begun = clock_.now();
    // Between its pieces another recording fails, and the breaker opens.
    options.progress = [&](double) {
        if (++told != 1) return;
        server_.on(target_, 500, "{}");
        EXPECT_FALSE(engine_->transcribe(path_, {}, {}));
        // Unless the machine has held us up for longer than it is open, which is a tenth less at the least.
        EXPECT_TRUE(!engine_->is_usable() || clock_.now() - begun > std::chrono::milliseconds(1'800));
        server_.on(target_, 200, std::string(kGood));
    };
    const auto heard = engine_->transcribe(path, options, {});
    ASSERT_TRUE(heard) << heard.error().error.message;
    EXPECT_EQ(heard->segments.size(), 2U);
    EXPECT_EQ(server_.asked(target_), 3U);
}

TEST_F(RemoteFaults, ARestEndsWhenNobodyWaitsAnyMoreAndWhenItWouldBeTooLong) {
    server_.on(target_, 429, "{}", "Retry-After: 50\r\n");
    TranscribeOptions options;
    options.limits.should_stop = [&] { return server_.asked(target_) > 0; };
    const auto stopped = open_engine().transcribe(path_, options, {});
    ASSERT_FALSE(stopped);
    EXPECT_EQ(stopped.error().error.code, ErrorCode::kCancelled);
    options_.rest_max = std::chrono::milliseconds(600);
    server_.on(target_, 429, "{}");
    const auto throttled = open_engine().transcribe(path_, {}, {});
    ASSERT_FALSE(throttled);
    EXPECT_EQ(throttled.error().failure->why, Why::kThrottled);
    EXPECT_EQ(server_.asked(target_), 1 + 2U);  // After a quarter of a second, and not after half a one more.
}

TEST_F(RemoteFaults, EachWordGoesToTheSegmentInWhichItsMiddleLies) {
    // The second word begins early and ends late; the third's middle lies before the second's.
    server_.on(target_, 200,
               R"({"text":"a b c d","segments":[{"start":0,"end":0.4,"text":"s0"},{"start":0.4,"end":0.8,"text":"s1"},
               {"start":0.8,"end":1.2,"text":"s2"}],"words":[{"word":"a","start":0,"end":0.2},{"word":"b","start":0.1,"end":1.1},
               {"word":"c","start":0.2,"end":0.3},{"word":"d","start":0.9,"end":1.1}]})");
    const auto heard = open_engine().transcribe(path_, {}, {});
    ASSERT_TRUE(heard) << heard.error().error.message;
    ASSERT_EQ(heard->segments.size(), 3U);
    const auto words = [&](std::size_t at) {
        std::string out;
        for (const Word& one : heard->segments[at].words) out += one.text;
        return out;
    };
    EXPECT_EQ(words(0), "ac");
    EXPECT_EQ(words(1), "b");
    EXPECT_EQ(words(2), "d");
}

}  // namespace
}  // namespace tidegate::speech
