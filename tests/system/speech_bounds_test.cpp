// What the speech service refuses because there is no room, and whoever waits for what somebody else deletes.
#include <set>
#include <thread>

#include "system/speech.h"

namespace tidegate::testing {
namespace {

class SpeechBounds : public SpeechService {
  protected:
    /// So many times what was said: seconds of work.
    std::string long_recording(int times) const {
        std::vector<std::int16_t> samples;
        for (int i = 0; i < times; ++i) {
            for (std::size_t at = 44; at + 1 < said_.size(); at += 2) {
                samples.push_back(static_cast<std::int16_t>(static_cast<unsigned char>(said_[at]) |
                                                            static_cast<unsigned char>(said_[at + 1]) << 8));
            }
        }
        return speech::wav_of(samples, 1, 16'000);
    }
    RawResponse hand_in(const std::string& recording, const HeaderList& more = {}) const {
        HeaderList headers{{"Prefer", "respond-async"}};
        headers.insert(headers.end(), more.begin(), more.end());
        return send(kTranscribe, form({}, "audio", recording), headers);
    }
    std::size_t sessions(const HeaderList& headers = {}) const {
        const json::Document list = parse_json(get(server_->port(), kTranscribe, headers).body);
        const auto items = list.root().find("items");
        return items ? items->size() : 0;
    }
    std::size_t files() const {
        std::size_t count = 0;
        for ([[maybe_unused]] const auto& one : std::filesystem::directory_iterator(folder_.path() + "/job-files"))
            ++count;
        return count;
    }
    template <class Question>
    static bool comes_true(const Question& question) {
        const auto give_up = std::chrono::steady_clock::now() + std::chrono::minutes(2);
        while (!question()) {
            if (std::chrono::steady_clock::now() > give_up) return false;
            rest(std::chrono::milliseconds(10));
        }
        return true;
    }
    RawResponse remove(const std::string& id, const HeaderList& headers = {}) const {
        RawClient client(server_->port());
        return client.ask(request_text("DELETE", std::string(kTranscribe) + "/" + id, {}, headers));
    }
    std::string key_of(const std::string& tenant) const {
        const RunResult made = run_binary({"keys", "create", "--name", tenant, "--tenant", tenant, "--scope", "*",
                                           "--json", "--data-dir", folder_.path()});
        EXPECT_EQ(made.status, 0) << made.error;
        return std::string(parse_json(made.out).root().find("key")->as_string());
    }
};

TEST_F(SpeechBounds, AFullQueueOfJobsRefusesAnUploadAndKeepsNothingOfIt) {
    start({"--speech.decoders=1", "--jobs.waiting_max=1"});
    const RawResponse first = hand_in(long_recording(60));
    ASSERT_EQ(first.status, 202) << first.body;
    const RawResponse second = hand_in(said_);
    expect_problem(second, 503, "unavailable");
    EXPECT_FALSE(second.header("retry-after").empty());
    EXPECT_EQ(sessions(), 1U);
    EXPECT_TRUE(comes_true([&] { return files() == 1; }));
    // Whoever waits for the transcript hears the same.
    EXPECT_EQ(upload().status, 503);
    EXPECT_EQ(send(kOpenAi, form({{"model", "whisper-1"}}, "file", said_)).status, 503);
    EXPECT_EQ(remove(text(parse_json(first.body).root(), "session_id")).status, 200);
    EXPECT_TRUE(comes_true([&] { return hand_in(said_).status == 202; }));
}

TEST_F(SpeechBounds, TooLittleFreeDiskRefusesAnUploadByTheSettingsName) {
    start({"--speech.decoders=1", "--speech.disk_free_min_bytes=1125899906842624"});
    const RawResponse answer = upload();
    expect_problem(answer, 503, "unavailable");
    EXPECT_TRUE(answer.body.contains("speech.disk_free_min_bytes")) << answer.body;
    EXPECT_EQ(sessions(), 0U);
    EXPECT_TRUE(comes_true([&] { return files() == 0; }));
}

TEST_F(SpeechBounds, OneTenantTakesNoMoreThanItsShareOfTheDisk) {
    const HeaderList north{{"Authorization", "Bearer " + key_of("north")}};
    const HeaderList south{{"Authorization", "Bearer " + key_of("south")}};
    const std::string large = long_recording(60);
    const std::string bytes = std::to_string(large.size() + 100'000);
    start({"--speech.decoders=1", "--speech.upload_bytes_max=" + bytes, "--speech.tenant_bytes_max=" + bytes});
    const RawResponse first = hand_in(large, north);
    ASSERT_EQ(first.status, 202) << first.body;
    const RawResponse second = hand_in(large, north);
    expect_problem(second, 429, "limit_exceeded");
    EXPECT_TRUE(second.body.contains("speech.tenant_bytes_max")) << second.body;
    EXPECT_TRUE(comes_true([&] { return files() == 1; }));
    // Another tenant has its own.
    const RawResponse other = hand_in(large, south);
    ASSERT_EQ(other.status, 202) << other.body;
    // A restart knows what waits.
    server_->kill_now();
    start({"--speech.decoders=1", "--speech.upload_bytes_max=" + bytes, "--speech.tenant_bytes_max=" + bytes});
    EXPECT_EQ(hand_in(large, north).status, 429);
    // What is gone gives its room back.
    EXPECT_EQ(remove(text(parse_json(first.body).root(), "session_id"), north).status, 200);
    EXPECT_EQ(hand_in(large, north).status, 202);
    EXPECT_EQ(sessions(south), 1U);
}

TEST_F(SpeechBounds, WhoeverLeavesBeforeTheAnswerGivesTheShareBack) {
    const HeaderList north{{"Authorization", "Bearer " + key_of("north")}};
    const std::string large = long_recording(60);
    const std::string bytes = std::to_string(large.size() + 100'000);
    start({"--speech.decoders=1", "--speech.answer_now_max_s=3600", "--speech.upload_bytes_max=" + bytes,
           "--speech.tenant_bytes_max=" + bytes});
    HeaderList headers = north;
    headers.emplace_back("Content-Type", "multipart/form-data; boundary=edge");
    RawClient leaving(server_->port());
    ASSERT_TRUE(leaving.send(request_text("POST", kTranscribe, form({}, "audio", large), headers)));
    ASSERT_TRUE(comes_true([&] { return sessions(north) == 1; }));
    EXPECT_EQ(hand_in(large, north).status, 429);
    leaving.reset();
    EXPECT_TRUE(comes_true([&] { return hand_in(large, north).status == 202; }));
    std::multiset<std::string> states;
    EXPECT_TRUE(comes_true([&] {
        const json::Document list = parse_json(get(server_->port(), kTranscribe, north).body);
        states.clear();
        each_in(list.root(), "items", [&](json::Value one) { states.insert(text(one, "status")); });
        return states.contains("cancelled");
    }));
    EXPECT_EQ(states.count("cancelled"), 1U);
    EXPECT_EQ(states.size(), 2U);
}

TEST_F(SpeechBounds, AShareThatTheLargestUploadWouldNotFitStopsTheStart) {
    const RunResult run = run_binary({"serve", "--port", "0", "--data-dir", folder_.path(),
                                      "--speech.tenant_bytes_max=2000", "--speech.upload_bytes_max=3000"});
    EXPECT_NE(run.status, 0);
    EXPECT_TRUE(run.error.contains("speech.tenant_bytes_max")) << run.error;
}

TEST_F(SpeechBounds, WhoeverWaitsForWhatIsDeletedIsToldSo) {
    start({"--speech.decoders=1", "--speech.answer_now_max_s=3600"});
    RawResponse waited;
    std::thread waiting([&] { waited = send(kTranscribe, form({}, "audio", long_recording(60))); });
    EXPECT_TRUE(comes_true([&] { return sessions() == 1; }));
    const json::Document list = parse_json(get(server_->port(), kTranscribe).body);
    each_in(list.root(), "items", [&](json::Value one) { EXPECT_EQ(remove(text(one, "session_id")).status, 200); });
    waiting.join();
    expect_problem(waited, 409, "conflict");
    EXPECT_EQ(sessions(), 0U);
    EXPECT_TRUE(comes_true([&] { return files() == 0; }));
}

}  // namespace
}  // namespace tidegate::testing
