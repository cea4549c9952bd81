// The service in a house of a test's own: what a kill left half done is done, and each tenant has its share of the disk.
#include <gtest/gtest.h>

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
