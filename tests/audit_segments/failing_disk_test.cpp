// Power losses, full disks, failed writes, damaged files: no acknowledged record is lost, and nothing is silent.
#include <gtest/gtest.h>

#include "audit_segments/segments_fixture.h"

namespace tidegate::audit::segments {
namespace {

class FailingDisk : public ::testing::Test {
  protected:
    Result<std::unique_ptr<SegmentLog>> try_open() {
        return SegmentLog::open(std::make_unique<TestFolder>(disk_), small_options(), clock_, random_);
    }
    std::unique_ptr<SegmentLog> open() {
        auto log = try_open();
        EXPECT_TRUE(log) << log.error().message;
        return log ? *std::move(log) : nullptr;
    }
    /// A closed log of `count` records; request ids tell them apart.
    void make_log(std::size_t count) {
        auto log = open();
        for (std::size_t n = 0; n < count; ++n) log->append(make_decision(random_, n), acks_.next());
        log->settle();
        log->close();
    }
    static std::vector<std::string> requests(const SegmentLog& log) {
        std::vector<std::string> ids;
        const auto end =
            log.reader().scan(log.reader().first_leaf(), ~std::uint64_t{0}, [&](std::uint64_t, Bytes record) {
                const auto view = decode(record);
                EXPECT_TRUE(view);
                ids.emplace_back(view->request_id);
                return true;
            });
        EXPECT_TRUE(end) << end.error().message;
        return ids;
    }

    TestDisk disk_;
    SystemClock clock_;
    SeededRandom random_{5};
    Acks acks_;
};

// What one life of the log acknowledged: request ids by leaf.
using Acknowledged = std::map<std::uint64_t, std::string>;

TEST_F(FailingDisk, AThousandPowerLossesLoseNothingThatWasAcknowledged) {
    Acknowledged acknowledged;
    Mutex mutex;
    std::uint64_t n = 0;
    std::uint64_t stops = 0;
    for (int round = 0; round < 1000; ++round) {
        auto opened = try_open();
        ASSERT_TRUE(opened) << "round " << round << ": " << opened.error().message;
        auto log = *std::move(opened);
        ASSERT_GE(log->tree().size(), acknowledged.empty() ? 0 : acknowledged.rbegin()->first + 1) << round;
        for (const auto& [leaf, request] : acknowledged) {
            // All of the newest, and a sample of the old ones: the whole check of each round comes at the end.
            if (leaf + 60 < log->tree().size() && leaf % 97 != static_cast<std::uint64_t>(round) % 97) continue;
            const auto record = log->reader().read(leaf);
            ASSERT_TRUE(record) << "round " << round << " leaf " << leaf << ": " << record.error().message;
            ASSERT_EQ(record->decision.request_id, request) << round;
        }
        disk_.stop_after(random_.next_u64() % 24);
        for (std::uint64_t i = 0; i < 40 && !disk_.has_stopped(); ++i, ++n) {
            const std::string request = "request-" + std::to_string(n);
            log->append(make_decision(random_, n), [&, request](Result<std::uint64_t> leaf) {
                const Lock lock(mutex);
                if (leaf) acknowledged[*leaf] = request;
            });
            if (i % 5 == 0) log->flush();
        }
        log->flush();
        stops += disk_.has_stopped() ? 1U : 0U;
        disk_.stop_after(0);
        log.reset();
        disk_.power(random_);
    }
    EXPECT_GT(stops, 500U);
    EXPECT_GT(acknowledged.size(), 5'000U) << "a life is too short to lose anything";
    const auto log = open();
    const auto ids = requests(*log);
    for (const auto& [leaf, request] : acknowledged) {
        ASSERT_LT(leaf, ids.size());
        ASSERT_EQ(ids[static_cast<std::size_t>(leaf)], request);
    }
    // In the order they were appended.
    std::uint64_t before = 0;
    for (const std::string& id : ids) {
        const std::uint64_t number = std::stoull(id.substr(8));
        ASSERT_TRUE(id == ids.front() || number > before) << id;
        before = number;
    }
}

TEST_F(FailingDisk, PowerLostAfterEachSingleStepIsRecoveredFrom) {
    // From the first step of a new log on, one step further each time, until a whole life fits.
    for (std::uint64_t steps = 0;; ++steps) {
        disk_.restore({});
        SeededRandom random(steps);
        std::uint64_t acknowledged = 0;
        disk_.stop_after(steps);
        if (auto log = try_open()) {
            for (std::uint64_t n = 0; n < 260; ++n) {
                (*log)->append(make_decision(random, n), [&](Result<std::uint64_t> leaf) {
                    if (leaf) acknowledged = std::max(acknowledged, *leaf + 1);
                });
                if (n % 20 == 0) (*log)->flush();
            }
            (*log)->flush();
            if (!disk_.has_stopped()) {
                (*log)->settle();
            }
        }
        const bool whole = !disk_.has_stopped();
        disk_.power(random);
        auto log = try_open();
        ASSERT_TRUE(log) << "after step " << steps << ": " << log.error().message;
        ASSERT_GE((*log)->tree().size(), acknowledged) << steps;
        ASSERT_EQ(requests(**log).size(), (*log)->tree().size());
        if (whole) {
            EXPECT_GT(steps, 40U);
            EXPECT_EQ(acknowledged, 260U);
            return;
        }
        ASSERT_LT(steps, 2000U);
    }
}

TEST_F(FailingDisk, AFailedSyncDegradesRefusesAndHealsInAnotherSegment) {
    auto log = open();
    for (std::uint64_t n = 0; n < 20; ++n) log->append(make_decision(random_, n), acks_.next());
    log->flush();
    ASSERT_EQ(acks_.leaves().size(), 20U);
    disk_.fail_when([](TestDisk::Step step, const std::string&) { return step == TestDisk::Step::kSync; });
    log->append(make_decision(random_, 20), acks_.next());
    log->flush();
    ASSERT_EQ(acks_.errors().size(), 1U);
    EXPECT_EQ(acks_.errors()[0].code, ErrorCode::kUnavailable);
    EXPECT_TRUE(log->health().degraded);
    EXPECT_EQ(log->health().failed, 1U);
    EXPECT_NE(log->health().reason, "");
    log->append(make_decision(random_, 21), acks_.next());
    EXPECT_EQ(acks_.errors().size(), 2U);
    EXPECT_EQ(log->health().refused_degraded, 1U);
    EXPECT_EQ(log->tree().size(), 20U);
    disk_.fail_when(nullptr);
    while (log->health().degraded) std::this_thread::yield();
    for (std::uint64_t n = 100; n < 400; ++n) log->append(make_decision(random_, n), acks_.next());
    log->settle();
    EXPECT_EQ(acks_.leaves().size(), 320U);
    EXPECT_EQ(acks_.leaves()[20], 20U);
    const auto ids = requests(*log);
    ASSERT_EQ(ids.size(), 320U);
    EXPECT_EQ(ids[20], "request-100") << "the batch that failed may lie on the disk: its leaf belongs to another";
    const Sha256 root = log->tree().root();
    log.reset();
    log = open();
    EXPECT_EQ(log->tree().root(), root);
    EXPECT_EQ(requests(*log), ids);
}

TEST_F(FailingDisk, EveryStepThatFailsOnceIsToldOrMendedAndLosesNothing) {
    std::uint64_t told = 0;
    for (std::uint64_t failing = 0; failing < 120; ++failing) {
        disk_.restore({});
        auto log = open();
        std::uint64_t step = 0;
        disk_.fail_when([&](TestDisk::Step, const std::string&) { return step++ == failing; });
        std::map<std::uint64_t, std::uint64_t> acknowledged;
        std::atomic<std::uint64_t> failed{0};
        Mutex mutex;
        for (std::uint64_t n = 0; n < 300; ++n) {
            log->append(make_decision(random_, n), [&, n](Result<std::uint64_t> leaf) {
                const Lock lock(mutex);
                if (leaf) {
                    acknowledged[*leaf] = n;
                } else {
                    ++failed;
                }
            });
            if (n % 10 == 0) log->flush();
        }
        log->flush();
        disk_.fail_when(nullptr);
        ASSERT_EQ(acknowledged.size() + failed, 300U);
        const auto health = log->health();
        EXPECT_EQ(health.failed + health.refused_degraded, failed) << failing;
        told += failed > 0 ? 1U : 0U;
        log.reset();
        log = open();
        const auto ids = requests(*log);
        for (const auto& [leaf, n] : acknowledged) {
            ASSERT_LT(leaf, ids.size()) << failing;
            ASSERT_EQ(ids[static_cast<std::size_t>(leaf)], "request-" + std::to_string(n)) << failing;
        }
    }
    EXPECT_GT(told, 20U);
}

TEST_F(FailingDisk, AFullDiskRefusesOnceTheLastSegmentIsFullAndGoesOnWhenThereIsRoom) {
    auto log = open();
    log->settle();
    disk_.fail_when([](TestDisk::Step step, const std::string&) {
        return step == TestDisk::Step::kPrepare || step == TestDisk::Step::kWriteWhole;
    });
    std::uint64_t n = 0;
    while (!log->health().degraded) {
        ASSERT_LT(n, 5000U);
        log->append(make_decision(random_, n++), acks_.next());
        log->flush();
    }
    const std::size_t taken = acks_.leaves().size();
    EXPECT_GT(taken, 30U) << "three segments of 14 blocks: what was prepared is used up first";
    EXPECT_EQ(taken + acks_.errors().size(), n);
    disk_.fail_when(nullptr);
    while (log->health().degraded) std::this_thread::yield();
    log->append(make_decision(random_, n), acks_.next());
    log->settle();
    EXPECT_EQ(acks_.leaves().size(), taken + 1);
    EXPECT_EQ(requests(*log).size(), taken + 1);
}

TEST_F(FailingDisk, ATornLastBatchIsCutAndItsPlaceUsedAgain) {
    auto log = open();
    for (std::uint64_t n = 0; n < 5; ++n) {
        log->append(make_decision(random_, n), acks_.next());
        log->flush();
    }
    log.reset();
    // Five batches of a block each; the last one torn in its middle.
    auto& bytes = disk_.bytes(segment_name(1));
    std::fill_n(bytes.begin() + 5 * 4096 + 200, 100, std::uint8_t{0});
    log = open();
    EXPECT_EQ(requests(*log).size(), 4U);
    log->append(make_decision(random_, 9), acks_.next());
    log->flush();
    EXPECT_EQ(acks_.leaves().back(), 4U);
    log.reset();
    EXPECT_EQ(requests(*open()).size(), 5U);
}

TEST_F(FailingDisk, AFlippedByteIsFoundInEveryRegion) {
    auto log = open();
    for (std::uint64_t n = 0; n < 6; ++n) {
        log->append(make_decision(random_, n), acks_.next());
        log->flush();
    }
    log.reset();
    const auto sound = disk_.copy();
    constexpr std::size_t kBatch = 3 * 4096;  // The third of six.
    for (const std::size_t at :
         {kBatch, kBatch + 8, kBatch + 12, kBatch + 20, kBatch + 33, kBatch + 41, kBatch + 49, kBatch + 57, kBatch + 61,
          kBatch + 65, kBatch + 100, kBatch + 125, kBatch + 128, kBatch + 140, kBatch + 300}) {
        disk_.restore(sound);
        disk_.bytes(segment_name(1))[at] ^= 0x10U;
        const auto damaged = try_open();
        ASSERT_FALSE(damaged) << at << ": sound batches follow, so this is no torn end";
        EXPECT_EQ(damaged.error().code, ErrorCode::kDataLoss);
    }
    // The segment's header: the file must not pass for one that was never begun, and be written over.
    disk_.restore(sound);
    disk_.bytes(segment_name(1))[41] ^= 0x10U;
    const auto headless = try_open();
    ASSERT_FALSE(headless);
    EXPECT_EQ(headless.error().code, ErrorCode::kDataLoss);
    disk_.bytes(segment_name(1))[41] ^= 0x10U;
    EXPECT_EQ(requests(*open()).size(), 6U) << "the attempt has changed nothing";
}

TEST_F(FailingDisk, DamageToSealedSegmentsIsFoundWhenTheyAreRead) {
    make_log(900);
    const auto sound = disk_.copy();
    ASSERT_TRUE(sound.contains(index_name(1)));
    disk_.bytes(segment_name(1))[4096 + 300] ^= 1U;  // In the first record: its output.
    auto log = open();
    EXPECT_EQ(log->reader().read(0).error().code, ErrorCode::kDataLoss);
    EXPECT_TRUE(log->reader().read(100));
    std::size_t given = 0;
    const std::vector<std::uint64_t> three{2, 1, 0};
    const auto together = log->reader().read_each(three, [&](std::uint64_t, const RecordView&) { return ++given > 0; });
    ASSERT_FALSE(together);
    EXPECT_EQ(together.error().code, ErrorCode::kDataLoss);
    EXPECT_EQ(given, 2U);
    EXPECT_EQ(log->reader().scan(0, 5, [](std::uint64_t, Bytes) { return true; }).error().code, ErrorCode::kDataLoss);
    log.reset();

    // A rotten index is made again from its segment when its header shows it, and an error when a page does.
    disk_.restore(sound);
    disk_.bytes(index_name(1))[50] ^= 1U;
    log = open();
    EXPECT_EQ(log->recovery().indexes_missing, 1U);
    EXPECT_EQ(requests(*log).size(), 900U);
    log.reset();
    disk_.restore(sound);
    for (std::size_t at = 8192; at < disk_.bytes(index_name(1)).size(); at += 256) disk_.bytes(index_name(1))[at] ^= 1U;
    log = open();
    EXPECT_EQ(log->reader().find_request("request-1", 1).error().code, ErrorCode::kDataLoss);
    const std::vector<std::uint64_t> one{5};
    const auto unknown_place = log->reader().read_each(one, [](std::uint64_t, const RecordView&) { return true; });
    ASSERT_FALSE(unknown_place);
    EXPECT_EQ(unknown_place.error().code, ErrorCode::kDataLoss);
}

TEST_F(FailingDisk, WhatIsMissingIsNoticed) {
    make_log(1200);
    const auto sound = disk_.copy();
    std::vector<std::string> segments;
    for (const auto& [name, bytes] : sound) {
        if (parse_segment_name(name)) segments.push_back(name);
    }
    ASSERT_GT(segments.size(), 4U);
    // The last one was prepared only; each of the others is missed.
    for (std::size_t i = 0; i + 2 < segments.size(); ++i) {
        disk_.restore(sound);
        disk_.remove(segments[i]);
        const auto log = try_open();
        ASSERT_FALSE(log) << segments[i];
        EXPECT_EQ(log.error().code, ErrorCode::kDataLoss);
    }
    // Cut by whole segments from the end: HEAD knows of them.
    disk_.restore(sound);
    for (std::size_t i = 2; i < segments.size(); ++i) disk_.remove(segments[i]);
    EXPECT_EQ(try_open().error().code, ErrorCode::kDataLoss);
    // Another log's segment in the place of ours.
    disk_.restore(sound);
    auto& bytes = disk_.bytes(segments[1]);
    bytes[16] ^= 1U;
    SegmentHeader header;
    header.log_id[0] = 1;
    header.generation = 2;
    header.first_leaf = get<std::uint64_t>(bytes.data() + 40);
    header.file_bytes = bytes.size();
    encode_header(header, Block(bytes.data(), kBlockBytes));
    EXPECT_EQ(try_open().error().code, ErrorCode::kDataLoss);
    // HEAD itself: its loss is told, and mended from the segments.
    disk_.restore(sound);
    disk_.remove("HEAD");
    auto log = try_open();
    ASSERT_TRUE(log) << log.error().message;
    EXPECT_TRUE((*log)->recovery().head_was_missing);
    EXPECT_EQ(requests(**log).size(), 1200U);
}

TEST_F(FailingDisk, OldBatchesOfARecycledFileAreNotTaken) {
    make_log(1200);
    const auto old_bytes = disk_.bytes(segment_name(1));
    auto log = open();
    log->drop_before(1000);
    log->settle();
    const std::size_t before = requests(*log).size();
    const std::uint64_t first = log->reader().first_leaf();
    // Some more records, until the open segment is nearly empty; then the rest of an old one behind them: aligned, checksums right.
    std::string open_segment;
    std::size_t end = 0;
    std::size_t more = 0;
    do {
        log->append(make_decision(random_, 5000 + more++), acks_.next());
        log->settle();
        for (const std::string& name : disk_.names()) {
            const auto generation = parse_segment_name(name);
            if (generation && get<std::uint64_t>(disk_.bytes(name).data() + 32) == *generation) open_segment = name;
        }
        const Bytes bytes(disk_.bytes(open_segment));
        for (end = 4096; end + 4096 < bytes.size();) {
            const auto batch = decode_batch(bytes.subspan(end).first<kBatchHeaderBytes>());
            if (!batch || batch->generation != *parse_segment_name(open_segment)) break;
            end += static_cast<std::size_t>(batch->padded_bytes());
        }
        ASSERT_LT(more, 100U);
    } while (end > 3 * 4096);
    log.reset();
    auto& bytes = disk_.bytes(open_segment);
    std::copy(old_bytes.begin() + 4096, old_bytes.end() + 4096 - static_cast<std::ptrdiff_t>(end),
              bytes.begin() + static_cast<std::ptrdiff_t>(end));
    log = open();
    EXPECT_EQ(requests(*log).size(), before + more);
    EXPECT_EQ(log->reader().first_leaf(), first);
}

}  // namespace
}  // namespace tidegate::audit::segments
