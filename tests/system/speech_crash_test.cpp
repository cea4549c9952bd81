// Uploads, readers and kill -9 at random moments: what was accepted is transcribed once, and recorded once.
//
// SPEECH_CRASH_UPLOADS and SPEECH_CRASH_KILLS make it longer (100 and 25, say) where a machine has the minutes.
#include <array>
#include <atomic>
#include <map>
#include <thread>

#include "base/mutex.h"
#include "base/random.h"
#include "base/strings.h"
#include "system/speech.h"

namespace tidegate::testing {
namespace {

constexpr std::array<const char*, 4> kShort{"please call the manager", "the train was late", "the office opens at nine",
                                            "we need more paper"};

std::uint64_t from_environment(const char* name, std::uint64_t otherwise) {
    const char* const text = std::getenv(name);  // NOLINT(concurrency-mt-unsafe)
    return text == nullptr ? otherwise : parse_u64(text).value_or(otherwise);
}

class SpeechCrash : public SpeechService {
  protected:
    struct Accepted {
        std::size_t recording = 0;
        std::string session;
    };

    void SetUp() override {
        SpeechService::SetUp();
        if (IsSkipped()) return;
        for (const char* const text : kShort) {
            const std::string path = folder_.path() + "/short.wav";
            ASSERT_TRUE(speech::speak(text, path));
            recordings_.push_back(speech::read_whole(path));
        }
    }
    /// The same engine's words of each: what a transcript has to be.
    void learn_words() {
        for (const std::string& one : recordings_) {
            const RawResponse answer = send(kTranscribe, form({}, "audio", one));
            ASSERT_EQ(answer.status, 200) << answer.body;
            words_.push_back(words_of(parse_json(answer.body).root()));
            known_.insert(text(parse_json(answer.body).root(), "session_id"));
        }
    }
    /// One upload; false: the server did not say that it has it.
    bool upload_one(std::size_t recording) {
        ++sent_;
        const RawResponse answer = send(
            kTranscribe,
            form({{"enable_summarization", recording % 2 == 0 ? "true" : "false"}}, "audio", recordings_[recording]),
            {{"Prefer", "respond-async"}});
        if (!answer.complete) return false;
        EXPECT_EQ(answer.status, 202) << answer.body;
        if (answer.status != 202) return false;
        const Lock lock(mutex_);
        accepted_.push_back({recording, text(parse_json(answer.body).root(), "session_id")});
        return true;
    }
    std::size_t accepted() const {
        const Lock lock(mutex_);
        return accepted_.size();
    }
    std::optional<Accepted> any_accepted(Random& dice) const {
        const Lock lock(mutex_);
        if (accepted_.empty()) return std::nullopt;
        return accepted_[dice.next_u64() % accepted_.size()];
    }
    /// Reads a session: when it has a transcript, it is the right one. False: no answer.
    bool read_one(const Accepted& one) const {
        const RawResponse answer = get(server_->port(), std::string(kTranscribe) + "/" + one.session);
        if (!answer.complete) return false;
        EXPECT_EQ(answer.status, 200) << answer.body;
        const json::Document read = parse_json(answer.body);
        if (text(read.root(), "status") == "completed") EXPECT_EQ(words_of(read.root()), words_[one.recording]);
        return true;
    }
    /// Uploads until `until` are accepted and beyond, reads at random, and kills the server in the middle of both.
    void round(std::size_t until, std::uint64_t seed) {
        SeededRandom dice(seed);
        std::atomic<bool> over{false};
        const auto uploading = [&](std::uint64_t own) {
            SeededRandom of_its_own(own);
            while (!over && upload_one(of_its_own.next_u64() % recordings_.size())) {
            }
        };
        std::thread first(uploading, dice.next_u64());
        std::thread second(uploading, dice.next_u64());
        std::thread reader([&, own = dice.next_u64()] {
            SeededRandom of_its_own(own);
            while (!over) {
                const auto one = any_accepted(of_its_own);
                if (one && !read_one(*one)) return;
                rest(std::chrono::milliseconds(of_its_own.next_u64() % 20));
            }
        });
        const auto give_up = std::chrono::steady_clock::now() + std::chrono::minutes(5);
        while (accepted() < until && std::chrono::steady_clock::now() < give_up) rest(std::chrono::milliseconds(1));
        // Anywhere in an upload, a transcript, a record.
        rest(std::chrono::milliseconds(dice.next_u64() % 400));
        server_->kill_now();
        over = true;
        first.join();
        second.join();
        reader.join();
    }
    /// Waits for one that is to come; at most two minutes.
    bool has_summary(const std::string& id, bool is_to_come) const {
        const auto give_up = std::chrono::steady_clock::now() + std::chrono::minutes(2);
        for (;;) {
            const json::Document now = session(id);
            const auto summary = now.root().find("summary");
            const bool has = summary && summary->kind() == json::Kind::kObject;
            if (has || !is_to_come || std::chrono::steady_clock::now() > give_up) return has;
            rest(std::chrono::milliseconds(20));
        }
    }
    void expect_all_once();

    std::vector<std::string> recordings_, words_;
    std::set<std::string> known_;
    std::atomic<std::size_t> sent_{0};
    mutable Mutex mutex_;
    std::vector<Accepted> accepted_ TG_GUARDED_BY(mutex_);
};

void SpeechCrash::expect_all_once() {
    const Lock lock(mutex_);
    std::map<std::string, std::size_t> of_session;
    for (const Accepted& one : accepted_) EXPECT_TRUE(of_session.emplace(one.session, one.recording).second);
    for (const auto& [id, recording] : of_session) {
        const json::Document done = finished(id);
        EXPECT_EQ(text(done.root(), "status"), "completed") << id;
        EXPECT_EQ(words_of(done.root()), words_[recording]) << id;
        // Twice: a second reader leaves no second record. A summary may come a moment after the transcript.
        EXPECT_EQ(has_summary(id, recording % 2 == 0), recording % 2 == 0) << id;
    }
    // In the store: each once, and besides them only what came in though nobody could be told so.
    std::size_t others = 0;
    std::set<std::string> seen;
    std::string cursor;
    do {
        const json::Document page = parse_json(
            get(server_->port(), std::string(kTranscribe) + "?limit=500" + (cursor.empty() ? "" : "&cursor=" + cursor))
                .body);
        each_in(page.root(), "items", [&](json::Value one) {
            const std::string id = text(one, "session_id");
            EXPECT_TRUE(seen.insert(id).second) << id << " stands there twice";
            if (!of_session.contains(id) && !known_.contains(id)) ++others;
        });
        const auto next = page.root().find("next_cursor");
        cursor = next && next->kind() == json::Kind::kString ? std::string(next->as_string()) : "";
    } while (!cursor.empty());
    for (const auto& [id, recording] : of_session) EXPECT_TRUE(seen.contains(id)) << id << " is lost";
    EXPECT_LE(others, sent_ - of_session.size());
    // In the record: each accepted once and transcribed once.
    std::map<std::string, std::map<std::string, int>> records;
    exported(server_->port()).root().each([&](json::Value one) {
        const auto tags = one.find("tags");
        const std::string id = tags ? text(*tags, "session") : std::string();
        if (!id.empty()) ++records[id][text(one, "operation")];
    });
    for (const auto& [id, recording] : of_session) {
        EXPECT_EQ(records[id]["accept/audio"], 1) << id;
        EXPECT_EQ(records[id]["transcribe/audio"], 1) << id;
    }
    for (const auto& [id, operations] : records) {
        for (const auto& [operation, count] : operations) EXPECT_EQ(count, 1) << id << " " << operation;
    }
}

TEST_F(SpeechCrash, WhatWasAcceptedIsTranscribedAndRecordedOnceThroughKillsAtRandomMoments) {
    const std::uint64_t uploads = from_environment("SPEECH_CRASH_UPLOADS", 12);
    const std::uint64_t kills = from_environment("SPEECH_CRASH_KILLS", 3);
    const std::uint64_t seed = from_environment("SPEECH_CRASH_SEED", SystemRandom().next_u64());
    RecordProperty("seed", std::to_string(seed));
    SCOPED_TRACE("SPEECH_CRASH_SEED=" + std::to_string(seed));
    SeededRandom dice(seed);
    start({"--speech.decoders=2"});
    if (HasFatalFailure()) return;
    learn_words();
    if (HasFatalFailure()) return;
    for (std::uint64_t kill = 1; kill <= kills; ++kill) {
        if (kill > 1) start({"--speech.decoders=2"});
        if (HasFatalFailure()) return;
        round(uploads * kill / kills, dice.next_u64());
    }
    ASSERT_GE(accepted(), uploads);
    start({"--speech.decoders=2"});
    if (HasFatalFailure()) return;
    expect_all_once();
    EXPECT_EQ(server_->stop(15, 60), 0);
    EXPECT_TRUE(std::filesystem::is_empty(folder_.path() + "/job-files"));
    RecordProperty("accepted", std::to_string(accepted()));
    RecordProperty("sent", std::to_string(sent_.load()));
    RecordProperty("kills", std::to_string(kills));
}

}  // namespace
}  // namespace tidegate::testing
