// Another server's engine behind the speech service: what it says and who said it, who stands in for it, and what never looks like an answer.
#include <algorithm>

#include "support/openai_speech.h"
#include "system/speech.h"

namespace tidegate::testing {
namespace {

constexpr std::string_view kTranslate = "/v1/audio/translations";

class SpeechUpstream : public SpeechService {
  protected:
    /// A secret has no place on a command line.
    std::string key_file(const std::string& key) const {
        return "file:" + speech::write_file(folder_.path() + "/upstream.key", key);
    }
    void start_with(const std::vector<std::string>& urls, std::vector<std::string> more = {}) {
        std::string all;
        for (const std::string& url : urls) all += (all.empty() ? "" : ",") + url;
        more.insert(more.begin(),
                    {"--speech.engine=upstream", "--speech.upstream.urls=" + all,
                     "--speech.upstream.key=" + key_file(std::string(OpenAiSpeech::kKey)), "--speech.decoders=1"});
        start(more);
    }
    RawResponse ask_openai(const Fields& more = {}, std::string_view path = kOpenAi) const {
        Fields fields{{"model", "whisper-1"}};
        fields.insert(fields.end(), more.begin(), more.end());
        return send(path, form(fields, "file", said_));
    }
    double metric(const std::string& line) const {
        const std::string all = get(server_->port(), "/metrics").body;
        const std::size_t at = all.find(line + " ");
        return at == std::string::npos ? 0 : std::strtod(all.c_str() + at + line.size(), nullptr);
    }
    /// The record of the transcript, of which there is one.
    json::Document record() const {
        std::string found = "{}";
        int count = 0;
        exported(server_->port()).root().each([&](json::Value one) {
            const std::string operation = text(one, "operation");
            if (operation != "transcribe/audio" && operation != "translate/audio") return;
            found = to_text(one);
            ++count;
        });
        EXPECT_EQ(count, 1);
        return parse_json(found);
    }
};

TEST_F(SpeechUpstream, AnotherServersTranscriptIsGivenAsItsOwnAndNothingIsSaidToBeMeasured) {
    OpenAiSpeech openai;
    start_with({openai.url()});
    const RawResponse answer = upload({{"language", "de"}});
    ASSERT_EQ(answer.status, 200) << answer.body;
    ASSERT_EQ(openai.asked().size(), 1U);
    const OpenAiSpeech::Asked asked = openai.asked()[0];
    EXPECT_EQ(asked.path, kOpenAi);
    EXPECT_EQ(asked.field("language"), "de");
    EXPECT_EQ(asked.field("response_format"), "verbose_json");
    const json::Document document = parse_json(answer.body);
    const json::Value root = document.root();
    EXPECT_EQ(words_of(root), OpenAiSpeech::words(asked.seconds));
    each_in(*root.find("transcript"), "segments", [&](json::Value one) {
        EXPECT_NEAR(one.find("confidence")->as_double(), std::exp(-0.25), 0.001);
        double last = 0;
        each_in(one, "words", [&](json::Value word) {
            EXPECT_EQ(word.find("confidence")->kind(), json::Kind::kNull);
            EXPECT_GE(word.find("start")->as_double(), last);
            last = word.find("start")->as_double();
        });
    });
    const json::Value facts = *root.find("metadata");
    EXPECT_EQ(text(facts, "engine"), "upstream");
    EXPECT_EQ(facts.find("fallback")->kind(), json::Kind::kNull);
    EXPECT_EQ(facts.find("measured")->kind(), json::Kind::kNull);
    const json::Document kept = record();
    EXPECT_EQ(text(kept.root(), "model"), "whisper-1");
    EXPECT_EQ(text(kept.root(), "model_version"), "upstream:whisper-1");
    EXPECT_EQ(text(*kept.root().find("tags"), "engine"), "upstream");
    EXPECT_EQ(metric("tidegate_speech_transcripts_total{engine=\"upstream\"}"), 1);
    const json::Document status = parse_json(get(server_->port(), std::string(kTranscribe) + "/status").body);
    EXPECT_EQ(text(status.root(), "engine"), "upstream");
    EXPECT_EQ(text(status.root(), "status"), "ready");
    EXPECT_EQ(server_->log().find(OpenAiSpeech::kKey), std::string::npos);
}

TEST_F(SpeechUpstream, OpenAisFormsGoThroughWithWhatMattersThere) {
    OpenAiSpeech openai;
    start_with({openai.url()});
    const RawResponse verbose = ask_openai({{"response_format", "verbose_json"},
                                            {"prompt", "Tidegate, Walden"},
                                            {"temperature", "0.5"},
                                            {"timestamp_granularities[]", "word"},
                                            {"timestamp_granularities[]", "segment"}});
    ASSERT_EQ(verbose.status, 200) << verbose.body;
    EXPECT_EQ(verbose.header("x-model"), "whisper-1");
    EXPECT_EQ(verbose.header("x-engine"), "upstream");
    EXPECT_EQ(verbose.header("x-fallback"), "");
    const OpenAiSpeech::Asked asked = openai.asked()[0];
    EXPECT_EQ(asked.field("prompt"), "Tidegate, Walden");
    EXPECT_EQ(asked.field("temperature"), "0.5");
    const json::Document document = parse_json(verbose.body);
    EXPECT_EQ(text(document.root(), "text"), OpenAiSpeech::words(asked.seconds));
    each_in(document.root(), "segments",
            [&](json::Value one) { EXPECT_NEAR(one.find("avg_logprob")->as_double(), -0.25, 0.001); });
    EXPECT_EQ(document.root().find("words")->size(), static_cast<std::size_t>(std::ceil(asked.seconds)));
    EXPECT_EQ(ask_openai({{"response_format", "text"}}).body, OpenAiSpeech::words(asked.seconds) + "\n");
    EXPECT_TRUE(ask_openai({{"response_format", "srt"}}).body.starts_with("1\n00:00:00,"));
    // The embedded recogniser's name is none here.
    EXPECT_EQ(send(kOpenAi, form({{"model", "pocketsphinx-en-us"}}, "file", said_)).status, 404);
}

TEST_F(SpeechUpstream, TranslationsGoToTheServerThatTranslates) {
    OpenAiSpeech openai;
    start_with({openai.url()}, {"--speech.fallback=embedded"});
    const RawResponse answer = ask_openai({{"response_format", "verbose_json"}}, kTranslate);
    ASSERT_EQ(answer.status, 200) << answer.body;
    const OpenAiSpeech::Asked asked = openai.asked()[0];
    EXPECT_EQ(asked.path, kTranslate);
    const json::Document document = parse_json(answer.body);
    EXPECT_EQ(text(document.root(), "task"), "translate");
    EXPECT_EQ(text(document.root(), "text"), OpenAiSpeech::words(asked.seconds, "english"));
    EXPECT_EQ(text(record().root(), "operation"), "translate/audio");
    // Nothing that translates nothing stands in for it.
    openai.server().on(std::string(kTranslate), 503, "no");
    const RawResponse refused = ask_openai({}, kTranslate);
    EXPECT_EQ(refused.status, 503) << refused.body;
    EXPECT_TRUE(refused.body.contains("translates nothing")) << refused.body;
    const RawResponse english = ask_openai({{"language", "en"}}, kTranslate);
    EXPECT_EQ(english.status, 200) << english.body;
    EXPECT_EQ(english.header("x-engine"), "embedded");
    EXPECT_EQ(text(parse_json(english.body).root(), "text"), kSaid);
}

TEST_F(SpeechUpstream, WhereTheServerIsDownTheBreakerOpensAndTheEmbeddedRecogniserIsNamed) {
    const std::string url = "http://127.0.0.1:" + std::to_string(closed_port());
    start_with({url}, {"--speech.fallback=embedded", "--speech.upstream.breaker_failures_max=2",
                       "--speech.upstream.attempts_max=1", "--speech.upstream.breaker_open_s=600"});
    for (const char* const reason : {"unreachable", "unreachable", "breaker_open"}) {
        const RawResponse answer = upload();
        ASSERT_EQ(answer.status, 200) << answer.body;
        const json::Document document = parse_json(answer.body);
        EXPECT_EQ(words_of(document.root()), kSaid);
        const json::Value facts = *document.root().find("metadata");
        EXPECT_EQ(text(facts, "engine"), "embedded");
        EXPECT_EQ(text(*facts.find("fallback"), "instead_of"), "upstream");
        EXPECT_EQ(text(*facts.find("fallback"), "reason"), reason);
        EXPECT_EQ(facts.find("measured")->kind(), json::Kind::kObject);
    }
    const RawResponse openai = ask_openai({{"response_format", "text"}});
    EXPECT_EQ(openai.body, std::string(kSaid) + "\n");
    EXPECT_EQ(openai.header("x-model"), "pocketsphinx-en-us");
    EXPECT_EQ(openai.header("x-fallback"), "instead_of=upstream; reason=breaker_open");
    EXPECT_EQ(metric("tidegate_speech_fallbacks_total{reason=\"unreachable\"}"), 2);
    EXPECT_EQ(metric("tidegate_speech_fallbacks_total{reason=\"breaker_open\"}"), 2);
    EXPECT_EQ(metric("tidegate_speech_upstream_usable{target=\"" + url + "\"}"), 0);
    const RawResponse health = get(server_->port(), "/health");
    EXPECT_TRUE(health.body.contains("the embedded recogniser stands in")) << health.body;
    // It knows English alone, and never takes down another language.
    const RawResponse french = upload({{"language", "fr"}});
    expect_problem(french, 503, "unavailable");
    EXPECT_TRUE(french.body.contains("knows English alone")) << french.body;
}

TEST_F(SpeechUpstream, WithoutAFallbackWhoeverWaitsIsToldAndWhatMayWaitIsTranscribedLater) {
    OpenAiSpeech openai;
    std::atomic<bool> works{false};
    Upstream gate;
    gate.on(std::string(kOpenAi), [&](UpstreamCall& call) {
        if (!works) return call.answer(503, "not now");
        call.answer(200, R"({"text":"at last","segments":[{"start":0,"end":1,"text":"at last"}]})");
    });
    start_with({gate.url()}, {"--speech.upstream.breaker_open_s=0.05", "--speech.upstream.times=segments"});
    expect_problem(upload(), 503, "unavailable");
    const RawResponse handed_in = upload({}, {{"Prefer", "respond-async"}});
    ASSERT_EQ(handed_in.status, 202) << handed_in.body;
    EXPECT_TRUE(gate.wait_asked(std::string(kOpenAi), 2, std::chrono::seconds(60)));
    works = true;
    const json::Document done = finished(text(parse_json(handed_in.body).root(), "session_id"));
    EXPECT_EQ(text(done.root(), "status"), "completed") << to_text(done.root());
    EXPECT_EQ(words_of(done.root()), "at last");
    EXPECT_EQ(metric("tidegate_speech_fallbacks_total{reason=\"server_error\"}"), 0);
}

TEST_F(SpeechUpstream, WhatIsNoTranscriptIsAnErrorAndNeverAnEmptyTranscript) {
    Upstream odd;
    std::string body;
    odd.on(std::string(kOpenAi),
           [&](UpstreamCall& call) { call.answer(200, body, "Content-Type: application/json\r\n"); });
    start_with({odd.url()}, {"--speech.upstream.breaker_failures_max=10000"});
    for (const char* const answer : {"", "<html>welcome</html>", "[]", "{}", R"({"error":{"message":"no"}})",
                                     R"({"text":""})", R"({"text":"hello"})", R"({"text":"hello","segments":[]})",
                                     R"({"text":"hello","segments":[{"start":5,"end":1,"text":"hello"}],"words":[]})",
                                     R"({"text":"hello","segments":[{"start":0,"end":9e9,"text":"hello"}]})",
                                     R"({"text":"hello","segments":[{"start":0,"end":1,"text":"hello"}]})",
                                     R"({"text":"hello","segments":[{"text":"hello"}]})"}) {
        body = answer;
        const RawResponse given = upload();
        expect_problem(given, 503, "unavailable");
        EXPECT_TRUE(given.body.contains("no transcript")) << answer << given.body;
    }
    const json::Document list = parse_json(get(server_->port(), kTranscribe).body);
    each_in(list.root(), "items", [&](json::Value one) { EXPECT_EQ(text(one, "status"), "failed"); });
    // No words are no words where it says so.
    body = R"({"text":"","segments":[]})";
    const RawResponse silent = upload();
    ASSERT_EQ(silent.status, 200) << silent.body;
    EXPECT_EQ(words_of(parse_json(silent.body).root()), "");
}

TEST_F(SpeechUpstream, WhatTheServerRejectsIsTheCallersAndNeitherRepeatedNorStoodInFor) {
    Upstream strict;
    start_with({strict.url()}, {"--speech.fallback=embedded"});
    for (const int status : {400, 413, 415, 422}) {
        strict.on(std::string(kOpenAi), status, R"({"error":{"message":"their own words"}})");
        const RawResponse refused = upload();
        expect_problem(refused, 422, "validation_failed");
        EXPECT_TRUE(refused.body.contains(std::to_string(status))) << refused.body;
        EXPECT_FALSE(refused.body.contains("their own words")) << refused.body;
    }
    const RawResponse openai = ask_openai();
    EXPECT_EQ(openai.status, 422) << openai.body;
    EXPECT_EQ(text(*parse_json(openai.body).root().find("error"), "type"), "invalid_request_error");
    const unsigned asked = strict.asked(std::string(kOpenAi));
    EXPECT_EQ(asked, 5U);
    const RawResponse handed_in = upload({}, {{"Prefer", "respond-async"}});
    ASSERT_EQ(handed_in.status, 202) << handed_in.body;
    const json::Document done = finished(text(parse_json(handed_in.body).root(), "session_id"));
    EXPECT_EQ(text(done.root(), "status"), "failed") << to_text(done.root());
    EXPECT_EQ(text(*done.root().find("error"), "code"), "validation_failed");
    EXPECT_EQ(strict.asked(std::string(kOpenAi)), asked + 1);
    EXPECT_EQ(metric("tidegate_speech_upstream_failures_total{reason=\"rejected\"}"), 6);
}

TEST_F(SpeechUpstream, ARecordingWhoseAnswerIsNoTranscriptIsAskedOnceAndItsWordsAreInNoLog) {
    Upstream odd;
    odd.on(std::string(kOpenAi), 200, R"({"text":"the secret is walden"})");
    start_with({odd.url()}, {"--speech.upstream.breaker_failures_max=1"});
    for (unsigned i = 1; i <= 3; ++i) {
        const RawResponse handed_in = upload({}, {{"Prefer", "respond-async"}});
        ASSERT_EQ(handed_in.status, 202) << handed_in.body;
        const json::Document done = finished(text(parse_json(handed_in.body).root(), "session_id"));
        EXPECT_EQ(text(done.root(), "status"), "failed") << to_text(done.root());
        EXPECT_EQ(odd.asked(std::string(kOpenAi)), i);
    }
    EXPECT_EQ(metric("tidegate_speech_upstream_usable{target=\"" + odd.url() + "\"}"), 1);
    EXPECT_EQ(server_->log().find("walden"), std::string::npos);
}

TEST_F(SpeechUpstream, AWrongKeyIsNamedAndAServerThatFailsIsLeftForOneThatWorks) {
    OpenAiSpeech openai;
    Upstream broken;
    broken.on(std::string(kOpenAi), 502, "bad gateway");
    start_with({broken.url(), openai.url()});
    // Chance gives each upload to one of the two first: that the broken one is left out sixty times happens once in 2^60.
    std::size_t uploads = 0;
    while (uploads < 6 || (broken.asked(std::string(kOpenAi)) == 0 && uploads < 60)) {
        const RawResponse answer = upload();
        EXPECT_EQ(answer.status, 200) << answer.body;
        ++uploads;
    }
    EXPECT_EQ(openai.asked().size(), uploads);
    EXPECT_GE(broken.asked(std::string(kOpenAi)), 1U);
    EXPECT_EQ(server_->stop(15, 60), 0);
    start({"--speech.engine=upstream", "--speech.upstream.urls=" + openai.url(),
           "--speech.upstream.key=" + key_file("sk-wrong")});
    const RawResponse refused = upload();
    expect_problem(refused, 503, "unavailable");
    EXPECT_TRUE(refused.body.contains("speech.upstream.key")) << refused.body;
    EXPECT_FALSE(refused.body.contains("Incorrect API key")) << "the upstream's own words";
    EXPECT_EQ(server_->log().find("sk-wrong"), std::string::npos);
}

TEST_F(SpeechUpstream, SettingsThatContradictOneAnotherStopTheStart) {
    const auto refused = [&](std::vector<std::string> words, std::string_view reason) {
        words.insert(words.begin(), {"serve", "--port", "0", "--data-dir", folder_.path()});
        const RunResult run = run_binary(words);
        EXPECT_NE(run.status, 0);
        EXPECT_TRUE(run.error.contains(reason)) << run.error;
    };
    refused({"--speech.engine=upstream"}, "speech.upstream.urls");
    refused({"--speech.fallback=embedded"}, "speech.fallback");
    refused({"--speech.engine=whisper"}, "speech.engine");
    refused({"--speech.engine=upstream", "--speech.upstream.urls=localhost:9000"}, "speech.upstream.urls");
    refused({"--speech.engine=upstream", "--speech.upstream.urls=http://169.254.169.254"}, "link-local");
    refused({"--speech.engine=upstream", "--speech.upstream.urls=http://h", "--speech.upstream.base_path=v1/"},
            "base_path");
    refused({"--speech.engine=upstream", "--speech.upstream.urls=http://h", "--speech.upstream.model=a b"},
            "speech.upstream.model");
}

TEST_F(SpeechService, TheEmbeddedRecogniserNeverPretendsToTranslate) {
    start();
    const auto translate = [&](const Fields& more) {
        Fields fields{{"model", "whisper-1"}};
        fields.insert(fields.end(), more.begin(), more.end());
        return send(kTranslate, form(fields, "file", said_));
    };
    for (const Fields& fields : {Fields{}, Fields{{"language", "fr"}}, Fields{{"language", "auto"}}}) {
        const RawResponse refused = translate(fields);
        EXPECT_EQ(refused.status, 400) << refused.body;
        const json::Document document = parse_json(refused.body);
        const json::Value error = *document.root().find("error");
        EXPECT_EQ(text(error, "type"), "invalid_request_error");
        EXPECT_TRUE(text(error, "message").contains("speech.engine")) << refused.body;
    }
    const RawResponse english = translate({{"language", "en"}, {"response_format", "verbose_json"}});
    ASSERT_EQ(english.status, 200) << english.body;
    const json::Document document = parse_json(english.body);
    EXPECT_EQ(text(document.root(), "task"), "translate");
    EXPECT_EQ(text(document.root(), "text"), kSaid);
    EXPECT_EQ(
        translate({{"language", "en"}, {"response_format", "verbose_json"}, {"timestamp_granularities[]", "word"}})
            .status,
        400);
}

}  // namespace
}  // namespace tidegate::testing
