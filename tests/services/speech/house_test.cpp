// The service in a house of a test's own: what a kill left half done is done, and each tenant has its share of the disk.
#include <gtest/gtest.h>

#include <map>
#include <thread>

#include "services/speech/speech.h"
#include "sounds.h"
#include "store/temporary_folder.h"

namespace tidegate::speech {
namespace {

class SpeechHouse : public ::testing::Test {
  protected:
    void SetUp() override {
        settings_.engine = "embedded";
        settings_.fallback = "none";
        settings_.model_dir = folder_.file("no-model");
        settings_.upload_bytes_max = 1000;
        settings_.tenant_bytes_max = 1000;
        settings_.audio_max = std::chrono::hours(1);
        settings_.chunk_max = std::chrono::seconds(30);
        settings_.keep = std::chrono::hours(1);
        job_settings_.waiting_max = 100;
        job_settings_.tenant_waiting_max = 100;
        job_settings_.keep = std::chrono::hours(1);
        job_settings_.dead_keep = std::chrono::hours(1);
        logger_ = std::move(observe::Logger::open({.level = observe::Level::kOff}, clock_)).value();
        auto jobs = jobs::Jobs::open(job_settings_, folder_.file(""), clock_, random_, nullptr);
        ASSERT_TRUE(jobs) << jobs.error().message;
        jobs_ = *std::move(jobs);
        auto store = SpeechStore::open(folder_.file("tidegate.db"), clock_);
        ASSERT_TRUE(store) << store.error().message;
        store_ = *std::move(store);
    }
    void TearDown() override {
        if (jobs_) jobs_->stop();
        if (speech_) speech_->stop();
        blocking_.stop();
    }
    Result<void> open() {
        TG_TRY(speech_, Speech::open(settings_, {.clock = clock_,
                                                 .random = random_,
                                                 .disk = disk_,
                                                 .log = *logger_,
                                                 .jobs = *jobs_,
                                                 .blocking = blocking_,
                                                 .text_models = text_models_,
                                                 .data_dir = folder_.file(""),
                                                 .database_path = folder_.file("tidegate.db"),
                                                 .drop_answers = {},
                                                 .is_recorded = [](const Uuid&) -> Result<bool> { return false; }}));
        return {};
    }
    jobs::Job ended(const std::string& id) const {
        const auto give_up = clock_.now() + std::chrono::seconds(60);
        for (;;) {
            const auto job = jobs_->find(id);
            EXPECT_TRUE(job) << job.error().message;
            if (!job || jobs::is_over(job->state) || clock_.now() > give_up) return job ? *job : jobs::Job();
            std::this_thread::yield();
        }
    }

    static std::string payload_of(const std::string& session) {
        return R"({"session":")" + session + R"(","tenant":"acme","separation":"auto","summary":false})";
    }
    jobs::Submission submission_of(const std::string& session) const {
        return {.kind = std::string(kJobKind), .tenant = "acme", .payload = payload_of(session)};
    }
    /// Accepted so long ago, of 100 bytes, with this job.
    void add_accepted(const std::string& id, const std::string& job, Duration ago) {
        const UnixMillis then = clock_.unix_ms() - std::chrono::duration_cast<std::chrono::milliseconds>(ago).count();
        ASSERT_TRUE(store_->add({.id = id, .tenant = "acme", .job = job, .bytes = 100, .created = then}));
    }
    std::string state_of(const std::string& id) const {
        const auto found = store_->find(id, "acme");
        return found ? found->state : found.error().message;
    }
    /// The sweep's turn comes with open().
    bool is_ended(const std::string& id) const {
        const auto give_up = clock_.now() + std::chrono::seconds(60);
        while (state_of(id) == "accepted" && clock_.now() < give_up) std::this_thread::yield();
        return state_of(id) != "accepted";
    }

    const store::TemporaryFolder folder_;
    const SystemClock clock_;
    SystemRandom random_;
    SystemDisk disk_;
    SpeechSettings settings_;
    jobs::JobSettings job_settings_;
    std::unique_ptr<observe::Logger> logger_;
    model::TextModels text_models_{nullptr};
    runtime::WorkerPool blocking_{"blocking", 1, 16};
    std::unique_ptr<jobs::Jobs> jobs_;
    std::unique_ptr<SpeechStore> store_;
    std::unique_ptr<Speech> speech_;
};

TEST_F(SpeechHouse, ASummaryThatAKillTookIsMadeByTheNextRunAndTheTranscriptStaysAsItWas) {
    // As a kill between the transcript and the summary leaves it: the session complete, its job not over.
    Session session{.id = "0190c000-0000-7000-8000-000000000001",
                    .tenant = "acme",
                    .bytes = 7,
                    .sha256 = "00",
                    .created = clock_.unix_ms()};
    ASSERT_TRUE(store_->add(session));
    for (const char* const text :
         {"the tide gate must be shut before the harbour floods", "we will call the harbour office tomorrow",
          "the harbour office opens the tide gate at nine"}) {
        session.transcript.segments.push_back(
            {.speaker = "speaker", .start = 1, .end = 2, .text = text, .confidence = 0.5, .words = {}});
    }
    session.finished = clock_.unix_ms();
    session.engine = "embedded";
    session.model = "pocketsphinx-en-us";
    session.task = "transcribe";
    ASSERT_TRUE(store_->complete(session).value());
    ASSERT_FALSE(store_->summary(session.id)->has_value());
    const auto opened = open();
    ASSERT_TRUE(opened) << opened.error().message;
    const auto job = jobs_->submit(
        {.kind = std::string(kJobKind),
         .tenant = "acme",
         .payload =
             R"({"session":"0190c000-0000-7000-8000-000000000001","tenant":"acme","separation":"auto","summary":true})"});
    ASSERT_TRUE(job) << job.error().message;
    jobs_->start();
    // There is no model: a second transcript could not be made.
    EXPECT_EQ(ended(*job).state, jobs::JobState::kSucceeded);
    const auto summary = store_->summary(session.id);
    ASSERT_TRUE(summary && summary->has_value());
    EXPECT_TRUE((*summary)->contains("harbour")) << **summary;
    const auto found = store_->find(session.id, "acme");
    ASSERT_TRUE(found);
    EXPECT_EQ(found->transcript.segments, session.transcript.segments);
    EXPECT_EQ(found->finished, session.finished);
}

TEST_F(SpeechHouse, TheRecordOfASessionIsPlannedOnce) {
    ASSERT_TRUE(store_->add({.id = "s1", .tenant = "acme", .created = clock_.unix_ms()}));
    EXPECT_EQ(store_->plan_decision("s1", "d1").value(), "d1");
    EXPECT_EQ(store_->plan_decision("s1", "d2").value(), "d1");
    EXPECT_EQ(store_->record_of("s1")->planned, "d1");
    EXPECT_EQ(store_->record_of("s1")->decision, "");
    ASSERT_TRUE(store_->set_decision("s1", "d1"));
    EXPECT_EQ(store_->record_of("s1")->decision, "d1");
    EXPECT_EQ(store_->plan_decision("s9", "d2").error().code, ErrorCode::kNotFound);
    EXPECT_EQ(store_->record_of("s9")->planned, "");
}

TEST_F(SpeechHouse, WhatComesInAndWhatWaitsShareTheTenantsRoom) {
    DiskShares shares(*store_, 1000);
    DiskShares::Place first(shares, "acme");
    EXPECT_TRUE(first.grow(600));
    DiskShares::Place second(shares, "acme");
    EXPECT_EQ(second.grow(401).error().code, ErrorCode::kResourceExhausted);
    EXPECT_TRUE(second.grow(400));
    EXPECT_FALSE(second.grow(1));
    DiskShares::Place other(shares, "zenith");
    EXPECT_TRUE(other.grow(1000));
    {
        const DiskShares::Place moved = std::move(second);
        EXPECT_FALSE(first.grow(1));
    }
    EXPECT_TRUE(first.grow(400));  // The second is gone.
    first.give_back();
    first.give_back();
    // What was accepted is asked of the store, until its work is over.
    ASSERT_TRUE(store_->add({.id = "s1", .tenant = "acme", .bytes = 900, .created = clock_.unix_ms()}));
    EXPECT_EQ(store_->waiting_bytes("acme").value(), 900U);
    DiskShares::Place third(shares, "acme");
    EXPECT_FALSE(third.grow(101));
    EXPECT_TRUE(third.grow(100));
    ASSERT_TRUE(store_->fail_session("s1", {ErrorCode::kInternal, "no"}, clock_.unix_ms()));
    DiskShares::Place fourth(shares, "acme");
    EXPECT_TRUE(fourth.grow(900));
    DiskShares::Place nobody;
    EXPECT_TRUE(nobody.grow(1U << 30U));
}

TEST_F(SpeechHouse, CallersOfNoTenantHaveNoShareThatOneOfThemCouldTakeFromAll) {
    DiskShares shares(*store_, 1000);
    DiskShares::Place first(shares, "");
    EXPECT_TRUE(first.grow(1000));
    DiskShares::Place second(shares, "");
    EXPECT_TRUE(second.grow(1000));
    ASSERT_TRUE(store_->add({.id = "s1", .tenant = "", .bytes = 1000, .created = clock_.unix_ms()}));
    EXPECT_TRUE(second.grow(2U * DiskShares::kLookEachBytes));
    DiskShares::Place other(shares, "acme");
    EXPECT_FALSE(other.grow(1001));
}

TEST_F(SpeechHouse, ACancelledRecordingGivesItsShareBackAtOnce) {
    const auto opened = open();
    ASSERT_TRUE(opened) << opened.error().message;
    const auto job = jobs_->submit(submission_of("s1"));
    ASSERT_TRUE(job) << job.error().message;
    add_accepted("s1", *job, Duration());
    ASSERT_EQ(store_->waiting_bytes("acme").value(), 100U);
    ASSERT_TRUE(jobs_->cancel(*job));
    EXPECT_EQ(store_->waiting_bytes("acme").value(), 0U);
    const auto found = store_->find("s1", "acme");
    ASSERT_TRUE(found);
    EXPECT_EQ(found->state, "cancelled");
    EXPECT_EQ(found->error_code, "cancelled");
    EXPECT_GT(found->finished, 0);
    EXPECT_FALSE(store_->cancel_session("s1", 1).value());
    EXPECT_FALSE(store_->fail_session("s1", {ErrorCode::kInternal, "late"}, 1).value());
}

TEST_F(SpeechHouse, TheSweepEndsWhatHasNoJobAndLeavesWhatIsJustBeingAccepted) {
    add_accepted("s1", "", Duration());  // Its job is about to come.
    add_accepted("s2", "", std::chrono::minutes(2));
    add_accepted("s3", "0190c000-0000-7000-8000-00000000dead", std::chrono::minutes(2));
    const auto opened = open();
    ASSERT_TRUE(opened) << opened.error().message;
    EXPECT_TRUE(is_ended("s3"));
    EXPECT_EQ(state_of("s1"), "accepted");
    for (const char* const id : {"s2", "s3"}) {
        const auto found = store_->find(id, "acme");
        ASSERT_TRUE(found);
        EXPECT_EQ(found->state, "failed");
        EXPECT_EQ(found->error_code, "not_found");
        EXPECT_GT(found->finished, 0);
    }
    EXPECT_EQ(store_->waiting_bytes("acme").value(), 100U);
}

TEST_F(SpeechHouse, TheSweepEndsWhatAServerBeforeLeftWithAJobThatIsOverAndKeepsADeadOnes) {
    // A server that told nobody of the ends of jobs, or was killed before it could.
    jobs_->stop();
    const auto work = [](jobs::Run& run) {
        return run.job().payload.contains("\"s2\"") ? jobs::Outcome::failed("no") : jobs::Outcome::retry("not now");
    };
    ASSERT_TRUE(jobs_->add_kind({.name = std::string(kJobKind), .attempts_max = 1, .work = work}));
    std::map<std::string, std::string> job_of;
    for (const char* const id : {"s1", "s2", "s3"}) {
        const auto job = jobs_->submit(submission_of(id));
        ASSERT_TRUE(job) << job.error().message;
        job_of[id] = *job;
    }
    ASSERT_TRUE(jobs_->cancel(job_of["s1"]));
    jobs_.reset();
    auto again = jobs::Jobs::open(job_settings_, folder_.file(""), clock_, random_, nullptr);
    ASSERT_TRUE(again) << again.error().message;
    jobs_ = *std::move(again);
    ASSERT_TRUE(jobs_->add_kind({.name = std::string(kJobKind), .attempts_max = 1, .work = work}));
    jobs_->start();
    EXPECT_EQ(ended(job_of["s2"]).state, jobs::JobState::kFailed);
    EXPECT_EQ(ended(job_of["s3"]).state, jobs::JobState::kDead);
    jobs_.reset();
    again = jobs::Jobs::open(job_settings_, folder_.file(""), clock_, random_, nullptr);
    ASSERT_TRUE(again) << again.error().message;
    jobs_ = *std::move(again);
    const auto ago = std::chrono::minutes(2);
    add_accepted("s0", job_of["s3"],
                 ago);  // Before the others in the sweep: it has been looked at when they are ended.
    add_accepted("s1", job_of["s1"], ago);
    add_accepted("s2", job_of["s2"], ago);
    const auto opened = open();
    ASSERT_TRUE(opened) << opened.error().message;
    EXPECT_TRUE(is_ended("s2"));
    EXPECT_EQ(state_of("s0"), "accepted");
    EXPECT_EQ(state_of("s1"), "cancelled");
    EXPECT_EQ(state_of("s2"), "failed");
    EXPECT_EQ(store_->find("s2", "acme")->error, "no");
    EXPECT_EQ(store_->waiting_bytes("acme").value(), 100U);
}

TEST_F(SpeechHouse, TheSweepFindsTheJobWhoseNoteAKillTook) {
    // As a kill between the job and its note in the session leaves it; the server before took the job.
    jobs_->stop();
    ASSERT_TRUE(jobs_->add_kind(
        {.name = std::string(kJobKind), .work = [](jobs::Run&) { return jobs::Outcome::interrupted(); }}));
    const auto job = jobs_->submit(submission_of("s1"));
    ASSERT_TRUE(job) << job.error().message;
    jobs_.reset();
    auto again = jobs::Jobs::open(job_settings_, folder_.file(""), clock_, random_, nullptr);
    ASSERT_TRUE(again) << again.error().message;
    jobs_ = *std::move(again);
    add_accepted("s1", "", std::chrono::minutes(2));
    add_accepted("s2", "", std::chrono::minutes(2));
    const auto opened = open();
    ASSERT_TRUE(opened) << opened.error().message;
    EXPECT_TRUE(is_ended("s2"));
    EXPECT_EQ(state_of("s1"), "accepted");
    EXPECT_EQ(store_->find("s1", "acme")->job, *job);
}

TEST_F(SpeechHouse, SettingsThatContradictOneAnotherAreNamed) {
    settings_.tenant_bytes_max = 999;
    EXPECT_TRUE(open().error().message.contains("speech.tenant_bytes_max"));
    settings_.tenant_bytes_max = 1000;
    settings_.fallback = "embedded";
    EXPECT_TRUE(open().error().message.contains("speech.fallback"));
    settings_.engine = "upstream";
    EXPECT_TRUE(open().error().message.contains("speech.upstream.urls"));
}

}  // namespace
}  // namespace tidegate::speech
