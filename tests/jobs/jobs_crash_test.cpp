// kill -9 in the middle: what was accepted runs, what ran and had not said so runs again under the same id, and a job that kills its
// process does so a bounded number of times.
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <fstream>
#include <map>

#include "base/strings.h"
#include "jobs/jobs_fixture.h"

namespace tidegate::jobs {
namespace {

using namespace std::chrono_literals;
using JobsCrash = JobsFixture;

/// How often each id stands in the file, one a line.
std::map<std::string, int> lines_of(const std::string& path) {
    std::map<std::string, int> counts;
    std::ifstream in(path);
    for (std::string line; std::getline(in, line);) ++counts[line];
    return counts;
}

void append_line(const std::string& path, const std::string& line) {
    std::ofstream(path, std::ios::app) << line + "\n" << std::flush;
}

/// In a child process: `body`, which is not to return.
template <class Body>
pid_t in_child(Body body) {
    const pid_t child = ::fork();
    if (child == 0) {
        body();
        ::_exit(1);
    }
    return child;
}

TEST_F(JobsCrash, WhatWasAcceptedRunsAfterKillNine) {
    const std::string accepted = folder.file("accepted.txt");
    const std::string ran = folder.file("ran.txt");
    const pid_t child = in_child([&] {
        SystemClock real;
        SystemRandom dice;
        auto jobs = Jobs::open(settings, folder.file(""), real, dice, nullptr);
        if (!jobs) return;
        KindOptions kind{.name = "note", .threads = 2};
        kind.work = [&](jobs::Run& run) {
            append_line(ran, run.job().id);
            // Never says that it is done while the process lives: everything begun here must be begun again.
            while (true) std::this_thread::sleep_for(1s);
            return Outcome::succeeded("{}");
        };
        if (!(*jobs)->add_kind(std::move(kind))) return;
        (*jobs)->start();
        while (true) {
            const auto id = (*jobs)->submit({.kind = "note"});
            if (id) append_line(accepted, *id);
            if (!id) std::this_thread::sleep_for(1ms);
        }
    });
    ASSERT_GT(child, 0);
    for (int i = 0; i < 12'000 && (lines_of(accepted).size() < 20 || lines_of(ran).size() < 2); ++i) {
        std::this_thread::sleep_for(5ms);
    }
    ASSERT_EQ(::kill(child, SIGKILL), 0);
    int status = 0;
    ASSERT_EQ(::waitpid(child, &status, 0), child);
    ASSERT_TRUE(WIFSIGNALED(status)) << "the child ended by itself";
    const auto ids = lines_of(accepted);
    ASSERT_GE(ids.size(), 20U);
    EXPECT_EQ(lines_of(ran).size(), 2U);

    SystemClock real;
    auto jobs = Jobs::open(settings, folder.file(""), real, random, nullptr);
    ASSERT_TRUE(jobs) << jobs.error().message;
    ASSERT_TRUE((*jobs)->add_kind({.name = "note", .threads = 2, .work = [&](jobs::Run& run) {
                                       append_line(ran, run.job().id);
                                       return Outcome::succeeded("{}");
                                   }}));
    (*jobs)->start();
    for (const auto& [id, times] : ids) wait_for(**jobs, id, JobState::kSucceeded);
    (*jobs)->stop();
    const auto done = lines_of(ran);
    int twice = 0;
    for (const auto& [id, times] : done) twice += times == 2 ? 1 : 0;
    EXPECT_EQ(twice, 2) << "exactly what was running ran again";
    for (const auto& [id, times] : ids) EXPECT_TRUE(done.contains(id)) << id;
}

TEST_F(JobsCrash, AJobThatKillsItsProcessIsDeadAfterItsAttempts) {
    for (int life = 0; life < 3; ++life) {
        const pid_t child = in_child([&] {
            SystemClock real;
            SystemRandom dice;
            auto jobs = Jobs::open(settings, folder.file(""), real, dice, nullptr);
            if (!jobs) return;
            KindOptions kind{.name = "poison", .attempts_max = 2};
            kind.work = [](jobs::Run&) -> Outcome {
                ::kill(::getpid(), SIGKILL);
                return Outcome::interrupted();
            };
            if (!(*jobs)->add_kind(std::move(kind))) return;
            if (life == 0 && !(*jobs)->submit({.kind = "poison"})) return;
            (*jobs)->start();
            // The third life has nothing left to run.
            for (int i = 0; i < 12'000; ++i) {
                if ((*(*jobs)->counts(std::nullopt))[static_cast<std::size_t>(JobState::kDead)] == 1) ::_exit(7);
                std::this_thread::sleep_for(5ms);
            }
        });
        int status = 0;
        ASSERT_EQ(::waitpid(child, &status, 0), child);
        if (life < 2) {
            EXPECT_TRUE(WIFSIGNALED(status)) << life;
        } else {
            EXPECT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 7) << status;
        }
    }
    auto jobs = open();
    const auto dead = jobs->list({.state = JobState::kDead});
    ASSERT_EQ(dead->size(), 1U);
    EXPECT_EQ(dead->front().attempts, 2U);
    EXPECT_EQ(dead->front().error, "the server ended while it ran");
}

}  // namespace
}  // namespace tidegate::jobs
