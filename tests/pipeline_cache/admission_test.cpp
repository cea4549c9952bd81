#include "pipeline/cache/admission.h"

#include <gtest/gtest.h>

#include <unordered_map>

#include "pipeline/cache/tuner.h"

namespace tidegate::cache {
namespace {

// A cache of unit-size keys around one Admission.
class Cache {
  public:
    Cache(std::size_t size, Mode mode) : admission_(size, mode) {}

    bool ask(std::uint64_t number) {
        const std::uint64_t hash = mix64(number + 1);
        admission_.seen(hash);
        if (const auto found = nodes_.find(hash); found != nodes_.end()) {
            admission_.used(found->second);
            return true;
        }
        MiniNode& node = nodes_[hash];
        node.hash = hash;
        node.charge = 1;
        admission_.added(node);
        while (admission_.bytes() > admission_.bytes_max()) {
            const MiniNode* const victim = admission_.evict();
            nodes_.erase(std::uint64_t{victim->hash});
        }
        EXPECT_EQ(admission_.size(), nodes_.size());
        return false;
    }
    bool has(std::uint64_t number) const { return nodes_.contains(mix64(number + 1)); }
    Admission<MiniNode>& admission() { return admission_; }

  private:
    Admission<MiniNode> admission_;
    std::unordered_map<std::uint64_t, MiniNode> nodes_;
};

TEST(Admission, RecencyIsLru) {
    Cache cache(3, Mode::kRecency);
    for (const std::uint64_t key : {1, 2, 3, 1, 4}) cache.ask(key);
    EXPECT_TRUE(cache.has(1));
    EXPECT_FALSE(cache.has(2)) << "the least recently used";
    EXPECT_TRUE(cache.has(3));
    EXPECT_TRUE(cache.has(4));
}

TEST(Admission, AScanDoesNotPushOutWhatIsInUse) {
    for (const Mode mode : {Mode::kScan, Mode::kFrequency}) {
        Cache cache(100, mode);
        for (int round = 0; round < 6; ++round) {
            for (std::uint64_t key = 0; key < 60; ++key) cache.ask(key);
        }
        for (std::uint64_t key = 1000; key < 1400; ++key) cache.ask(key);
        int left = 0;
        for (std::uint64_t key = 0; key < 60; ++key) left += cache.has(key) ? 1 : 0;
        EXPECT_GE(left, 55) << static_cast<int>(mode);
    }
}

TEST(Admission, ALoopLongerThanTheCacheFindsAPartOfItself) {
    for (const Mode mode : {Mode::kScan, Mode::kFrequency}) {
        Cache cache(100, mode);
        int hits = 0;
        for (int round = 0; round < 10; ++round) {
            for (std::uint64_t key = 0; key < 300; ++key) hits += cache.ask(key) ? 1 : 0;
        }
        EXPECT_GT(hits, 300) << "LRU finds none, the best possible is 100 a round";
    }
}

TEST(Admission, EveryModeEmptiesItselfByEviction) {
    for (const Mode mode : {Mode::kScan, Mode::kFrequency, Mode::kRecency}) {
        Admission<MiniNode> admission(1000, mode);
        std::vector<MiniNode> nodes(500);
        for (std::size_t i = 0; i < nodes.size(); ++i) {
            nodes[i].hash = mix64(i + 1);
            nodes[i].charge = 1;
            admission.added(nodes[i]);
            for (std::size_t use = 0; use < i % 4; ++use) admission.used(nodes[i]);
        }
        for (std::size_t left = nodes.size(); left > 0; --left) {
            ASSERT_EQ(admission.size(), left);
            ASSERT_NE(admission.evict(), nullptr);
        }
        EXPECT_EQ(admission.evict(), nullptr);
        EXPECT_EQ(admission.bytes(), 0U);
    }
}

TEST(Admission, GoesOnWhateverTheModesChangeTo) {
    Cache cache(200, Mode::kScan);
    std::uint64_t random = 7;
    for (int i = 0; i < 60'000; ++i) {
        random = mix64(random + 0x9e3779b97f4a7c15ULL);
        cache.ask(random % 1000 < 500 ? random % 100 : random % 5000);
        if (i % 1000 == 0) cache.admission().set_mode(static_cast<Mode>((i / 1000) % kModes));
        ASSERT_LE(cache.admission().bytes(), 200U);
    }
}

TEST(FrequencySketch, EstimatesAndForgets) {
    FrequencySketch sketch;
    sketch.add(1);
    EXPECT_EQ(sketch.estimate(1), 0U) << "nothing before it is grown";
    sketch.grow(1000);
    for (int i = 0; i < 9; ++i) sketch.add(mix64(1));
    EXPECT_GE(sketch.estimate(mix64(1)), 9U);
    EXPECT_LE(sketch.estimate(mix64(2)), 1U);
    sketch.grow(8000);
    EXPECT_GE(sketch.estimate(mix64(1)), 9U) << "growing forgets nothing";
    for (std::uint64_t i = 0; i < 400'000; ++i) sketch.add(mix64(i + 10));
    EXPECT_LT(sketch.estimate(mix64(1)), 15U);
}

TEST(Ghost, RemembersAboutAsManyAsItWasMadeForAndTheNewest) {
    Ghost ghost;
    ghost.remember(1);
    EXPECT_FALSE(ghost.recall(1));
    ghost.grow(1000);
    for (std::uint64_t i = 0; i < 3000; ++i) ghost.remember(mix64(i));
    int newest = 0;
    int oldest = 0;
    for (std::uint64_t i = 2750; i < 3000; ++i) newest += ghost.recall(mix64(i)) ? 1 : 0;
    for (std::uint64_t i = 0; i < 250; ++i) oldest += ghost.recall(mix64(i)) ? 1 : 0;
    EXPECT_GT(newest, 240);
    EXPECT_LT(oldest, 5);
    EXPECT_FALSE(ghost.recall(mix64(2999))) << "once";
}

TEST(Tuner, FindsTheModeThatWouldHaveHadMoreHits) {
    // Each key is asked for again soon, twice, and never after: what is new is worth most.
    Tuner tuner(100'000, 100'000);
    std::uint64_t sampled = 0;
    bool changed = false;
    for (std::uint64_t i = 0; i < 3'000'000 && !changed; ++i) {
        for (const std::uint64_t lag : {0U, 30'000U, 60'000U}) {
            if (i < lag) continue;
            const std::uint64_t hash = mix64(i - lag + 1);
            if (!tuner.sampled(hash)) continue;
            ++sampled;
            changed = tuner.request(hash, lag == 0 ? 0 : 1) || changed;
            if (lag == 0) tuner.kept(hash, 1);
        }
    }
    EXPECT_TRUE(changed);
    EXPECT_EQ(tuner.mode(), Mode::kRecency);
    EXPECT_LE(tuner.memory_bytes(), Tuner::kMemoryBytesMax);
    EXPECT_GT(sampled, 1000U);
}

}  // namespace
}  // namespace tidegate::cache
