// What a job goes through, and what the queue takes.
#include <atomic>
#include <filesystem>
#include <fstream>
#include <set>

#include "jobs/jobs_fixture.h"

namespace tidegate::jobs {
namespace {

using namespace std::chrono_literals;
using JobsTest = JobsFixture;

TEST_F(JobsTest, AJobRunsAndItsResultIsKept) {
    auto jobs = open();
    std::string seen;
    ASSERT_TRUE(jobs->add_kind({.name = "echo", .work = [&seen](jobs::Run& run) {
                                    run.progress(0.5, "half");
                                    seen = run.job().payload + "|" + run.job().id;
                                    return Outcome::succeeded("{\"n\":1}");
                                }}));
    const auto id =
        jobs->submit({.kind = "echo", .tenant = "north", .actor = "key:a", .title = "say it", .payload = "hello"});
    ASSERT_TRUE(id) << id.error().message;
    EXPECT_EQ(jobs->find(*id)->state, JobState::kQueued);
    jobs->start();
    const Job job = wait_for(*jobs, *id, JobState::kSucceeded);
    EXPECT_EQ(seen, "hello|" + *id);
    EXPECT_EQ(job.result, "{\"n\":1}");
    EXPECT_EQ(job.attempts, 1U);
    EXPECT_EQ(job.progress, 1);
    EXPECT_EQ(job.tenant, "north");
    EXPECT_GT(job.finished, 0);
}

TEST_F(JobsTest, AFailedAttemptWaitsLongerEachTimeUntilTheJobIsDead) {
    auto jobs = open();
    std::atomic<int> ran{0};
    ASSERT_TRUE(jobs->add_kind(
        {.name = "bad", .attempts_max = 3, .first_pause = 10s, .longest_pause = 15s, .work = [&ran](jobs::Run&) {
             ++ran;
             return Outcome::retry("no luck");
         }}));
    const auto id = jobs->submit({.kind = "bad"});
    jobs->start();
    const auto wait_attempts = [&](std::uint32_t attempts) {
        Job job;
        for (int i = 0; i < 12'000; ++i) {
            job = *jobs->find(*id);
            if (job.attempts == attempts && job.state != JobState::kRunning) return job;
            jobs->wake();
            std::this_thread::sleep_for(5ms);
        }
        ADD_FAILURE() << "attempt " << attempts << " did not come";
        return job;
    };
    const Job first = wait_attempts(1);
    EXPECT_EQ(first.error, "no luck");
    EXPECT_GE(first.next_at - clock.unix_ms(), 5'000);
    EXPECT_LE(first.next_at - clock.unix_ms(), 10'000);
    clock.advance(10s);
    const Job second = wait_attempts(2);
    EXPECT_GE(second.next_at - clock.unix_ms(), 7'500);
    EXPECT_LE(second.next_at - clock.unix_ms(), 15'000);
    clock.advance(15s);
    const Job dead = wait_for(*jobs, *id, JobState::kDead);
    EXPECT_EQ(dead.attempts, 3U);
    EXPECT_EQ(ran, 3);
    EXPECT_EQ((*jobs->counts(std::nullopt))[static_cast<std::size_t>(JobState::kDead)], 1U);
    // Somebody mended the other side: fresh attempts.
    ASSERT_TRUE(jobs->retry(*id));
    EXPECT_EQ(wait_attempts(1).state, JobState::kQueued);
}

TEST_F(JobsTest, WhoeverAskedIsToldOfEachJobThatEndsWithoutSuccess) {
    auto jobs = open();
    std::set<std::string> told;
    Mutex mutex;
    const auto on_end = [&](const Job& job) {
        const Lock lock(mutex);
        told.insert(job.payload + " " + std::string(to_string(job.state)));
    };
    ASSERT_TRUE(jobs->add_kind({.name = "any",
                                .attempts_max = 1,
                                .work =
                                    [](jobs::Run& run) {
                                        if (run.job().payload == "good") return Outcome::succeeded("{}");
                                        if (run.job().payload == "bad") return Outcome::failed("no");
                                        return Outcome::retry("later");
                                    },
                                .on_end = on_end}));
    const std::string path = jobs->blob_folder() + "/left";
    std::ofstream(path) << "sound";
    const auto late = jobs->submit({.kind = "any", .payload = "late"});
    EXPECT_EQ(jobs->forget_file(*late).error().code, ErrorCode::kConflict);
    ASSERT_TRUE(jobs->cancel(*late));
    EXPECT_EQ(told, std::set<std::string>{"late cancelled"});
    const auto good = jobs->submit({.kind = "any", .payload = "good"});
    const auto bad = jobs->submit({.kind = "any", .payload = "bad"});
    const auto dead = jobs->submit({.kind = "any", .payload = "dead", .blob_path = path});
    jobs->start();
    wait_for(*jobs, *good, JobState::kSucceeded);
    wait_for(*jobs, *bad, JobState::kFailed);
    wait_for(*jobs, *dead, JobState::kDead);
    // A dead one keeps its file for a retry, until somebody wants it gone.
    EXPECT_TRUE(std::filesystem::exists(path));
    EXPECT_TRUE(jobs->forget_file(*dead));
    EXPECT_FALSE(std::filesystem::exists(path));
    EXPECT_EQ(jobs->retry(*dead).error().code, ErrorCode::kConflict);
    EXPECT_EQ(jobs->forget_file("nobody").error().code, ErrorCode::kNotFound);
    jobs->stop();
    EXPECT_EQ(told, (std::set<std::string>{"late cancelled", "bad failed", "dead dead"}));
}

TEST_F(JobsTest, AFailureForGoodIsNotTriedAgain) {
    auto jobs = open();
    ASSERT_TRUE(
        jobs->add_kind({.name = "bad", .work = [](jobs::Run&) { return Outcome::failed("not a sound file"); }}));
    const auto id = jobs->submit({.kind = "bad"});
    jobs->start();
    const Job job = wait_for(*jobs, *id, JobState::kFailed);
    EXPECT_EQ(job.error, "not a sound file");
    EXPECT_EQ(job.attempts, 1U);
}

TEST_F(JobsTest, TheQueueIsBoundedAsAWholeAndForATenant) {
    settings.waiting_max = 5;
    auto jobs = open();
    ASSERT_TRUE(jobs->add_kind({.name = "idle", .work = [](jobs::Run&) { return Outcome::succeeded("{}"); }}));
    for (int i = 0; i < 3; ++i) ASSERT_TRUE(jobs->submit({.kind = "idle", .tenant = "north"}));
    EXPECT_EQ(jobs->submit({.kind = "idle", .tenant = "north"}).error().code, ErrorCode::kResourceExhausted);
    ASSERT_TRUE(jobs->submit({.kind = "idle", .tenant = "south"}));
    ASSERT_TRUE(jobs->submit({.kind = "idle"}));
    EXPECT_EQ(jobs->submit({.kind = "idle"}).error().code, ErrorCode::kUnavailable);
    EXPECT_EQ(jobs->submit({.kind = "other"}).error().code, ErrorCode::kInvalidArgument);
    EXPECT_EQ(jobs->submit({.kind = "idle", .payload = std::string(Jobs::kPayloadBytesMax + 1, 'x')}).error().code,
              ErrorCode::kTooLarge);
}

TEST_F(JobsTest, OneOnceKeyIsOneJob) {
    auto jobs = open();
    ASSERT_TRUE(jobs->add_kind({.name = "idle", .work = [](jobs::Run&) { return Outcome::succeeded("{}"); }}));
    const auto first = jobs->submit({.kind = "idle", .once_key = "alert 1 firing"});
    const auto second = jobs->submit({.kind = "idle", .once_key = "alert 1 firing"});
    EXPECT_EQ(*first, *second);
    EXPECT_EQ(jobs->list({})->size(), 1U);
}

TEST_F(JobsTest, TenantsTakeTurns) {
    auto jobs = open();
    std::vector<std::string> order;
    ASSERT_TRUE(jobs->add_kind({.name = "turn", .work = [&order](jobs::Run& run) {
                                    order.push_back(run.job().tenant);
                                    return Outcome::succeeded("{}");
                                }}));
    std::string last;
    for (const char* tenant : {"a", "a", "a", "b", "c"}) last = *jobs->submit({.kind = "turn", .tenant = tenant});
    jobs->start();
    for (int i = 0; i < 12'000 && (*jobs->counts(std::nullopt))[2] < 5; ++i) std::this_thread::sleep_for(5ms);
    jobs->stop();
    EXPECT_EQ(order, (std::vector<std::string>{"a", "b", "c", "a", "a"}));
}

TEST_F(JobsTest, AQueuedJobIsCancelledAtOnceAndARunningOneWhenItHeedsIt) {
    auto jobs = open();
    std::atomic<bool> began{false};
    ASSERT_TRUE(jobs->add_kind({.name = "long", .work = [&began](jobs::Run& run) {
                                    began = true;
                                    while (!run.is_cancelled()) std::this_thread::sleep_for(1ms);
                                    return Outcome::interrupted();
                                }}));
    const auto running = jobs->submit({.kind = "long"});
    clock.advance(1ms);
    const auto queued = jobs->submit({.kind = "long"});
    ASSERT_EQ(jobs->cancel(*queued)->state, JobState::kCancelled);
    jobs->start();
    for (int i = 0; i < 12'000 && !began; ++i) std::this_thread::sleep_for(5ms);
    const auto asked = jobs->cancel(*running);
    ASSERT_TRUE(asked) << asked.error().message;
    EXPECT_TRUE(asked->cancel_requested);
    EXPECT_EQ(wait_for(*jobs, *running, JobState::kCancelled).attempts, 1U);
    EXPECT_EQ(jobs->cancel(*running).error().code, ErrorCode::kConflict);
    EXPECT_EQ(jobs->cancel("nobody").error().code, ErrorCode::kNotFound);
}

TEST_F(JobsTest, WhatTheEndOfTheServerInterruptsRunsAgainWithoutCounting) {
    std::string id;
    {
        auto jobs = open();
        std::atomic<bool> began{false};
        ASSERT_TRUE(jobs->add_kind({.name = "long", .work = [&began](jobs::Run& run) {
                                        began = true;
                                        while (!run.is_cancelled()) std::this_thread::sleep_for(1ms);
                                        return Outcome::interrupted();
                                    }}));
        id = *jobs->submit({.kind = "long"});
        jobs->start();
        for (int i = 0; i < 12'000 && !began; ++i) std::this_thread::sleep_for(5ms);
        jobs->stop();
        EXPECT_EQ(jobs->find(id)->state, JobState::kQueued);
        EXPECT_EQ(jobs->find(id)->attempts, 0U);
    }
    auto jobs = open();
    ASSERT_TRUE(jobs->add_kind({.name = "long", .work = [](jobs::Run&) { return Outcome::succeeded("{}"); }}));
    jobs->start();
    EXPECT_EQ(wait_for(*jobs, id, JobState::kSucceeded).attempts, 1U);
}

TEST_F(JobsTest, TwoProcessesDoNotShareAFolder) {
    const auto jobs = open();
    EXPECT_EQ(Jobs::open(settings, folder.file(""), clock, random, nullptr).error().code, ErrorCode::kConflict);
}

TEST_F(JobsTest, AMovedFolderHoldsTheFilesOfItsJobs) {
    std::string id;
    {
        auto jobs = open();
        std::ofstream(jobs->blob_folder() + "/upload") << "sound";
        ASSERT_TRUE(jobs->add_kind({.name = "read", .work = [](jobs::Run&) { return Outcome::succeeded("{}"); }}));
        id = *jobs->submit({.kind = "read", .blob_path = jobs->blob_folder() + "/upload"});
    }
    const store::TemporaryFolder other;
    const std::string moved = other.file("moved");
    std::filesystem::copy(folder.file(""), moved, std::filesystem::copy_options::recursive);
    std::filesystem::remove_all(folder.file("job-files"));
    const auto jobs = Jobs::open(settings, moved, clock, random, nullptr);
    ASSERT_TRUE(jobs) << jobs.error().message;
    ASSERT_TRUE((*jobs)->add_kind({.name = "read", .work = [](jobs::Run& run) {
                                       std::string text;
                                       std::ifstream(run.job().blob_path) >> text;
                                       return text == "sound" ? Outcome::succeeded("{}") : Outcome::failed(text);
                                   }}));
    (*jobs)->start();
    wait_for(**jobs, id, JobState::kSucceeded);
}

TEST_F(JobsTest, OldJobsAndTheirFilesGoAndStrangersToo) {
    std::string id;
    const auto make_file = [](const std::string& path) { std::ofstream(path) << "sound"; };
    std::string blob;
    {
        auto jobs = open();
        blob = jobs->blob_folder() + "/a";
        make_file(blob);
        make_file(jobs->blob_folder() + "/stranger");
        ASSERT_TRUE(jobs->add_kind(
            {.name = "bad", .attempts_max = 1, .work = [](jobs::Run&) { return Outcome::retry("no"); }}));
        id = *jobs->submit({.kind = "bad", .blob_path = blob});
        jobs->start();
        wait_for(*jobs, id, JobState::kDead);
        EXPECT_TRUE(std::filesystem::exists(blob)) << "a dead job may be retried";
    }
    {
        const auto elsewhere = Jobs::open(settings, folder.file(".") + "/.", clock, random, nullptr);
        ASSERT_TRUE(elsewhere) << elsewhere.error().message;
        EXPECT_TRUE(std::filesystem::exists(blob)) << "the same folder by another name";
    }
    auto jobs = open();
    EXPECT_FALSE(std::filesystem::exists(jobs->blob_folder() + "/stranger"));
    EXPECT_TRUE(std::filesystem::exists(blob));
    ASSERT_TRUE(jobs->add_kind({.name = "bad", .work = [](jobs::Run&) { return Outcome::retry("no"); }}));
    jobs->start();
    clock.advance(2h);  // Over keep, not over dead_keep.
    jobs->wake();
    EXPECT_TRUE(jobs->find(id));
    clock.advance(10h);
    for (int i = 0; i < 12'000 && jobs->find(id); ++i) {
        jobs->wake();
        std::this_thread::sleep_for(5ms);
    }
    EXPECT_EQ(jobs->find(id).error().code, ErrorCode::kNotFound);
    for (int i = 0; i < 12'000 && std::filesystem::exists(blob); ++i) std::this_thread::sleep_for(5ms);
    EXPECT_FALSE(std::filesystem::exists(blob));
}

TEST_F(JobsTest, AListIsCutToATenantAKindAndAState) {
    auto jobs = open();
    ASSERT_TRUE(jobs->add_kind({.name = "one", .work = [](jobs::Run&) { return Outcome::succeeded("{}"); }}));
    ASSERT_TRUE(jobs->add_kind({.name = "two", .work = [](jobs::Run&) { return Outcome::succeeded("{}"); }}));
    std::vector<std::string> ids;
    for (const auto& [kind, tenant] : {std::pair("one", "a"), std::pair("one", "b"), std::pair("two", "a")}) {
        clock.advance(1ms);
        ids.push_back(*jobs->submit({.kind = kind, .tenant = tenant}));
    }
    const auto all = jobs->list({});
    ASSERT_EQ(all->size(), 3U);
    EXPECT_EQ(all->front().id, ids[2]) << "newest first";
    EXPECT_EQ(jobs->list({.tenant = "a"})->size(), 2U);
    EXPECT_EQ(jobs->list({.tenant = "a", .kind = "two"})->size(), 1U);
    EXPECT_EQ(jobs->list({.state = JobState::kDead})->size(), 0U);
    EXPECT_EQ(jobs->list({.before = ids[1]})->front().id, ids[0]);
    EXPECT_EQ(jobs->list({.limit = 1})->size(), 1U);
}

TEST_F(JobsTest, WhatTheServerDoesForItselfIsNoJobOfThoseWithoutATenant) {
    auto jobs = open();
    ASSERT_TRUE(jobs->add_kind({.name = "one", .work = [](jobs::Run&) { return Outcome::succeeded("{}"); }}));
    ASSERT_TRUE(jobs->submit({.kind = "one", .actor = "system"}));
    const auto own = jobs->submit({.kind = "one", .actor = "key:a"});
    ASSERT_TRUE(own);
    ASSERT_EQ(jobs->list({.tenant = ""})->size(), 1U);
    EXPECT_EQ(jobs->list({.tenant = ""})->front().id, *own);
    EXPECT_EQ((*jobs->counts(""))[0], 1U);
    EXPECT_EQ(jobs->list({})->size(), 2U);
    EXPECT_EQ((*jobs->counts(std::nullopt))[0], 2U);
}

}  // namespace
}  // namespace tidegate::jobs
