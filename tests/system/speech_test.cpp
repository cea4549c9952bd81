// The speech service over the network: transcripts, OpenAI's formats, bad input.
#include "system/speech.h"

namespace tidegate::testing {
namespace {

TEST_F(SpeechService, ARecordingIsTranscribedSummedUpStoredAndRecorded) {
    start();
    const RawResponse answer = upload({{"enable_summarization", "true"}, {"quality", "best"}});
    ASSERT_EQ(answer.status, 200) << answer.body;
    const json::Document document = parse_json(answer.body);
    const json::Value root = document.root();
    EXPECT_EQ(words_of(root), kSaid);
    EXPECT_EQ(text(root, "filename"), "one.wav");
    EXPECT_EQ(root.find("warnings")->size(), 1U);
    EXPECT_EQ(text(*root.find("summary"), "method"), "extractive");
    EXPECT_GT(root.find("metadata")->find("measured")->find("word_error_rate")->as_double(), 0.2);
    const std::string id = text(root, "session_id");
    EXPECT_EQ(words_of(session(id).root()), kSaid);
    const RawResponse srt = get(server_->port(), std::string(kTranscribe) + "/" + id + "?format=srt");
    EXPECT_TRUE(srt.body.starts_with("1\n00:00:00,")) << srt.body;
    const RawResponse summary =
        post(server_->port(), "/api/v1/summarize", R"({"key_points":1,"session_id":")" + id + R"("})");
    EXPECT_EQ(summary.status, 200) << summary.body;
    // Whoever reads it again leaves no second record, and nothing in it tells what was said.
    std::size_t transcripts = 0;
    exported(server_->port()).root().each([&](json::Value one) {
        std::string whole;
        json::append(whole, one);
        EXPECT_EQ(whole.find("manager"), std::string::npos) << whole;
        if (text(one, "operation") != "transcribe/audio") return;
        ++transcripts;
        EXPECT_EQ(text(one, "model"), "pocketsphinx-en-us");
        EXPECT_EQ(text(one, "input_hash").size(), 64U);  // Keyed, as the privacy settings have it.
    });
    EXPECT_EQ(transcripts, 1U);
    RawClient client(server_->port());
    EXPECT_EQ(client.ask(request_text("DELETE", std::string(kTranscribe) + "/" + id)).status, 200);
    EXPECT_EQ(get(server_->port(), std::string(kTranscribe) + "/" + id).status, 404);
    // The answer may be out a moment before the file is gone.
    const auto give_up = std::chrono::steady_clock::now() + std::chrono::seconds(60);
    while (!std::filesystem::is_empty(folder_.path() + "/job-files") && std::chrono::steady_clock::now() < give_up) {
        rest(std::chrono::milliseconds(20));
    }
    EXPECT_TRUE(std::filesystem::is_empty(folder_.path() + "/job-files"));
}

TEST_F(SpeechService, OpenAisFormatsAreExactlyTheirs) {
    start();
    const auto ask = [&](const std::string& format, const Fields& more = {}) {
        Fields fields{{"model", "whisper-1"}, {"response_format", format}, {"temperature", "0"}, {"language", "en"}};
        fields.insert(fields.end(), more.begin(), more.end());
        const RawResponse answer = send(kOpenAi, form(fields, "file", said_));
        EXPECT_EQ(answer.status, 200) << answer.body;
        return answer;
    };
    EXPECT_EQ(ask("text").body, std::string(kSaid) + "\n");
    const json::Document plain = parse_json(ask("json").body);
    EXPECT_EQ(text(plain.root(), "text"), kSaid);
    EXPECT_EQ(text(*plain.root().find("usage"), "type"), "duration");
    EXPECT_TRUE(ask("vtt").body.starts_with("WEBVTT\n\n00:00:00."));
    EXPECT_TRUE(ask("srt").body.starts_with("1\n00:00:00,"));
    const json::Document verbose = parse_json(ask("verbose_json").body);
    EXPECT_EQ(text(verbose.root(), "task"), "transcribe");
    EXPECT_FALSE(verbose.root().find("words"));
    each_in(verbose.root(), "segments", [&](json::Value one) {
        for (const char* const name : {"id", "seek", "start", "end", "text", "tokens", "temperature", "avg_logprob",
                                       "compression_ratio", "no_speech_prob"}) {
            EXPECT_TRUE(one.find(name)) << name;
        }
    });
    const RawResponse both =
        ask("verbose_json", {{"timestamp_granularities[]", "word"}, {"timestamp_granularities[]", "segment"}});
    EXPECT_EQ(both.header("x-model"), "pocketsphinx-en-us");
    const json::Document words = parse_json(both.body);
    EXPECT_TRUE(words.root().find("segments"));
    std::string said;
    each_in(words.root(), "words", [&](json::Value one) { said += (said.empty() ? "" : " ") + text(one, "word"); });
    EXPECT_EQ(said, kSaid);
}

TEST_F(SpeechService, BadInputIsRefusedWithItsReasonAndLeavesNothingBehind) {
    start({"--speech.decoders=1", "--speech.upload_bytes_max=200000", "--speech.audio_max_s=4"});
    const auto code = [&](const std::string& body) { return send(kTranscribe, body).status; };
    EXPECT_EQ(code(form({}, "audio", "no sound at all")), 415);
    EXPECT_EQ(code(form({}, "audio", "")), 422);
    EXPECT_EQ(code(form({}, "picture", "RIFF")), 422);
    EXPECT_EQ(code(form({}, "", "")), 422);
    EXPECT_EQ(code(form({}, "audio", said_.substr(0, said_.size() / 2))), 422);
    EXPECT_EQ(code(form({}, "audio", std::string(200'001, 'x'))), 413);
    EXPECT_EQ(code(form({}, "audio", speech::wav_of(speech::tone(9, 8'000), 1, 8'000))), 413);
    EXPECT_EQ(code(form({}, "audio", speech::wav_of(speech::tone(5, 8'000), 1, 8'000))), 413);
    EXPECT_EQ(code(form({{"language", "fr"}}, "audio", said_)), 422);
    EXPECT_EQ(code(form({{"timestamps", "maybe"}}, "audio", said_)), 422);
    EXPECT_EQ(code(form({{"channel_separation", "both"}}, "audio", said_)), 422);
    const std::string whole = form({}, "audio", said_);
    EXPECT_EQ(code(whole.substr(0, whole.size() - 20)), 400);
    EXPECT_EQ(code("--edge\r\nContent-Disposition: form-data; name=\"audio\"; filename=\"" + std::string(9'000, 'a') +
                   "\"\r\n\r\nx\r\n--edge--\r\n"),
              413);
    EXPECT_EQ(post(server_->port(), kTranscribe, "{}").status, 415);
    EXPECT_EQ(get(server_->port(), std::string(kTranscribe) + "/00000000-0000-7000-8000-000000000000").status, 404);
    EXPECT_EQ(post(server_->port(), "/api/v1/summarize", "{}").status, 422);
    EXPECT_EQ(post(server_->port(), "/api/v1/summarize", R"({"text":""})").status, 422);
    const auto openai = [&](const Fields& fields) { return send(kOpenAi, form(fields, "file", said_)).status; };
    EXPECT_EQ(openai({}), 400);
    EXPECT_EQ(openai({{"model", "gpt-9"}}), 404);
    EXPECT_EQ(openai({{"model", "whisper-1"}, {"response_format", "xml"}}), 400);
    EXPECT_EQ(openai({{"model", "whisper-1"}, {"temperature", "hot"}}), 400);
    EXPECT_EQ(openai({{"model", "whisper-1"}, {"timestamp_granularities[]", "word"}}), 400);
    const RawResponse shaped = send(kOpenAi, form({}, "file", said_));
    EXPECT_TRUE(parse_json(shaped.body).root().find("error")->find("message")) << shaped.body;
    // The answer may be out a moment before the file is gone.
    const std::string files = folder_.path() + "/job-files";
    const auto give_up = std::chrono::steady_clock::now() + std::chrono::seconds(60);
    while (!std::filesystem::is_empty(files) && std::chrono::steady_clock::now() < give_up) {
        rest(std::chrono::milliseconds(20));
    }
    EXPECT_TRUE(std::filesystem::is_empty(files));
}

TEST_F(SpeechService, WithoutItsModelItSaysWhatToInstallAndTranscribesNothing) {
    start({"--speech.model_dir", folder_.path() + "/nothing"});
    const RawResponse answer = upload();
    EXPECT_EQ(answer.status, 503);
    EXPECT_NE(answer.body.find("apt-get install pocketsphinx-en-us"), std::string::npos) << answer.body;
    const json::Document status = parse_json(get(server_->port(), std::string(kTranscribe) + "/status").body);
    EXPECT_EQ(text(status.root(), "status"), "unavailable");
    EXPECT_NE(get(server_->port(), "/health").body.find("pocketsphinx-en-us"), std::string::npos);
}

}  // namespace
}  // namespace tidegate::testing
