// Decisions, and disks that fail, for the tests of the segment log.
#pragma once

#include <gtest/gtest.h>

#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "audit/segments/log_file.h"
#include "audit/segments/segment_log.h"
#include "base/mutex.h"
#include "base/random.h"

namespace tidegate::audit::segments {

/// A Decision that differs from others of another `n` in every field.
inline Decision make_decision(Random& random, std::uint64_t n, UnixMillis time = 1'772'366'400'000) {
    const ManualClock clock(time + static_cast<UnixMillis>(n));
    Decision d;
    d.id = make_uuid7(clock, random);
    d.request_id = "request-" + std::to_string(n);
    d.tenant = n % 5 == 0 ? "acme" : "";
    d.actor = "key-" + std::to_string(n % 3);
    d.service = "provenance";
    d.operation = n % 3 == 0 ? "detect/image" : "detect/text";
    d.input_hash = sha256(std::to_string(n));
    d.input_size = n * 7;
    d.model = "text_detector";
    d.model_version = n % 4 == 0 ? "1.0.0" : "1.1.0";
    if (n % 11 == 10) {
        d.status = Status::kError;
        d.error = "unavailable: the model is gone";
    } else {
        d.output = R"({"score":)" + std::to_string(n) + "}";
        d.band = n % 2 == 0 ? "human" : "ai";
        d.confidence = static_cast<double>(n % 101) / 100;
    }
    d.latency_us = static_cast<std::int64_t>(100 + n % 9973);
    d.stages = {{"parse", 3}, {"detect", static_cast<std::int64_t>(n)}};
    d.cache = n % 6 == 0 ? CacheState::kHit : CacheState::kMiss;
    d.spend_points = Points{100};
    d.tokens = static_cast<std::int64_t>(n % 50);
    if (n % 2 == 0) d.trace_id = {1, 2, 3, static_cast<std::uint8_t>(n)};
    d.tags = {{"language", "en"}, {"note", "a\"b\n"}};
    if (n % 13 == 12) {  // From somebody who does not know.
        d.input_size = 0;
        d.latency_us = d.tokens = 0;
        d.input_size_stated = d.latency_stated = d.tokens_stated = false;
    }
    return d;
}

/// The disk of the tests, in memory. Writes lie in its cache until a sync; power() drops what was not synced, by sectors of 512
/// bytes, as a disk does. Each step (write, sync, rename, ...) can be made to fail, or to be the last one.
class TestDisk {
  public:
    enum class Step : std::uint8_t { kWrite, kSync, kPrepare, kRename, kRemove, kWriteWhole };
    /// Asked before each step; true: it fails, and for a write or sync what it did is unknown.
    using Fails = std::function<bool(Step, const std::string& name)>;

    void fail_when(Fails fails);
    /// After so many more steps every one fails, as if the power had gone.
    void stop_after(std::uint64_t steps);
    bool has_stopped() const;
    std::uint64_t steps() const;
    /// The power comes back: of what was not synced a random part is there.
    void power(Random& random);
    /// What is durable, to look at and to damage.
    std::vector<std::uint8_t>& bytes(const std::string& name);
    std::set<std::string> names() const;
    void remove(const std::string& name);
    std::map<std::string, std::vector<std::uint8_t>> copy() const;
    void restore(std::map<std::string, std::vector<std::uint8_t>> files);

  private:
    friend class TestFolder;
    friend class TestFile;
    struct Pending {
        std::uint64_t offset;
        std::vector<std::uint8_t> bytes;
    };
    struct File {
        std::vector<std::uint8_t> cached;   // What a reader sees.
        std::vector<std::uint8_t> durable;  // What survives.
        std::vector<Pending> pending;
    };
    Result<void> step(Step step, const std::string& name);

    mutable Mutex mutex_;
    std::map<std::string, std::shared_ptr<File>> files_;
    Fails fails_;
    std::uint64_t steps_ = 0;
    std::uint64_t stop_at_ = ~std::uint64_t{0};
};

/// A view of a TestDisk, as the log owns it.
class TestFolder final : public LogFolder {
  public:
    explicit TestFolder(TestDisk& disk) : disk_(disk) {}
    Result<void> take() override { return {}; }
    Result<std::vector<std::string>> list() const override;
    Result<std::unique_ptr<LogFile>> open_write(const std::string& name) override;
    Result<std::unique_ptr<LogFile>> open_read(const std::string& name) const override;
    Result<void> prepare(const std::string& name, std::uint64_t bytes, Preparation preparation) override;
    Result<void> rename(const std::string& from, const std::string& to) override;
    Result<void> remove(const std::string& name) override;
    Result<void> write_whole(const std::string& name, std::string_view bytes) override;

  private:
    TestDisk& disk_;
};

/// Small segments and quick retries.
inline SegmentLogOptions small_options() {
    SegmentLogOptions options;
    options.segment_bytes = 64 * 1024;
    options.batch_bytes_max = 16 * 1024;
    options.batch_interval = std::chrono::microseconds(100);
    options.probe_interval = std::chrono::milliseconds(2);
    options.spares_ahead = 1;
    return options;
}

/// What the callbacks said.
class Acks {
  public:
    Done next() {
        return [this](Result<std::uint64_t> result) {
            const Lock lock(mutex_);
            if (result) {
                leaves_.push_back(*result);
            } else {
                errors_.push_back(result.error());
            }
        };
    }
    std::vector<std::uint64_t> leaves() const {
        const Lock lock(mutex_);
        return leaves_;
    }
    std::vector<Error> errors() const {
        const Lock lock(mutex_);
        return errors_;
    }

  private:
    mutable Mutex mutex_;
    std::vector<std::uint64_t> leaves_ TG_GUARDED_BY(mutex_);
    std::vector<Error> errors_ TG_GUARDED_BY(mutex_);
};

/// RFC 6962's MTH by its definition, for comparison.
Sha256 tree_head(std::span<const Sha256> leaves);

}  // namespace tidegate::audit::segments
