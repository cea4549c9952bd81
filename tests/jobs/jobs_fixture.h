// Jobs in a folder of a test's own, and waiting for what they come to.
#pragma once

#include <gtest/gtest.h>

#include <chrono>
#include <memory>
#include <string>
#include <thread>

#include "jobs/jobs.h"
#include "store/temporary_folder.h"

namespace tidegate::jobs {

inline JobSettings job_settings() {
    JobSettings settings;
    settings.waiting_max = 100;
    settings.tenant_waiting_max = 3;
    settings.keep = std::chrono::hours(1);
    settings.dead_keep = std::chrono::hours(10);
    settings.webhook_threads = 2;
    return settings;
}

struct JobsFixture : ::testing::Test {
    std::unique_ptr<Jobs> open() {
        auto jobs = Jobs::open(settings, folder.file(""), clock, random, nullptr);
        EXPECT_TRUE(jobs) << jobs.error().message;
        return jobs ? *std::move(jobs) : nullptr;
    }
    /// Looks until the job is in the state; each look wakes the workers, which may wait for the clock.
    static Job wait_for(Jobs& jobs, const std::string& id, JobState state) {
        Job job;
        for (int i = 0; i < 12'000; ++i) {
            auto found = jobs.find(id);
            EXPECT_TRUE(found) << found.error().message;
            if (!found) return job;
            job = *std::move(found);
            if (job.state == state) return job;
            jobs.wake();
            std::this_thread::sleep_for(std::chrono::milliseconds(5));
        }
        ADD_FAILURE() << "the job is " << to_string(job.state) << ", not " << to_string(state);
        return job;
    }

    store::TemporaryFolder folder;
    JobSettings settings = job_settings();
    ManualClock clock;
    SeededRandom random{7};
};

}  // namespace tidegate::jobs
