// Recorder: a follower of a log that remembers what it was given.
#pragma once

#include <gtest/gtest.h>

#include <atomic>
#include <string>
#include <vector>

#include "audit/follower.h"
#include "base/mutex.h"

namespace tidegate::audit {

/// Remembers request ids in their order; fails when told to.
class Recorder final : public Follower {
  public:
    explicit Recorder(std::uint64_t from = 0) : position_(from) {}
    std::string_view name() const noexcept override { return "recorder"; }
    std::uint64_t position() const noexcept override { return position_.load(); }
    Result<void> follow(const DurableRecords& records) override {
        EXPECT_EQ(records.first_leaf, position_.load());
        EXPECT_EQ(records.leaves.size(), records.records.size());
        if (failing.load()) return fail(ErrorCode::kUnavailable, "the recorder is full");
        const Lock lock(mutex_);
        for (const auto& record : records.records) {
            seen_.emplace_back(record.request_id);
        }
        position_.store(records.end());
        return {};
    }
    std::vector<std::string> seen() const {
        const Lock lock(mutex_);
        return seen_;
    }
    std::atomic<bool> failing{false};

  private:
    std::atomic<std::uint64_t> position_;
    mutable Mutex mutex_;
    std::vector<std::string> seen_ TG_GUARDED_BY(mutex_);
};

}  // namespace tidegate::audit
