// What the store really takes from the allocator: operator new counted by the usable size of each block and its header.
#include <gtest/gtest.h>
#include <malloc.h>

#include <atomic>
#include <cstdlib>

#include "base/hash.h"
#include "draft.h"

namespace {

std::atomic<std::size_t> bytes_held{0};

void* counted(std::size_t size) {
    void* const block = std::malloc(size);
    if (block == nullptr) std::abort();
    // 8 bytes of glibc's own stand before each block.
    bytes_held.fetch_add(malloc_usable_size(block) + 8, std::memory_order_relaxed);
    return block;
}

void uncounted(void* block) noexcept {
    if (block == nullptr) return;
    bytes_held.fetch_sub(malloc_usable_size(block) + 8, std::memory_order_relaxed);
    std::free(block);
}

}  // namespace

void* operator new(std::size_t size) {
    return counted(size);
}
void operator delete(void* block) noexcept {
    uncounted(block);
}
void operator delete(void* block, std::size_t) noexcept {
    uncounted(block);
}

namespace tidegate::cache {
namespace {

// As a flood service answers: 300 to 400 bytes, 347 on average.
std::string prediction(int i) {
    const std::uint64_t random = mix64(static_cast<std::uint64_t>(i) + 1);
    std::string body = R"({"id":"0198c3f2-7d1a-7c3e-9f00-)" + std::to_string(100'000'000'000 + i) +
                       R"(","location":{"latitude":52.)" + std::to_string(1000 + i % 9000) + R"(,"longitude":13.)" +
                       std::to_string(1000 + i % 7919) + R"(},"risk_score":0.)" + std::to_string(random % 10'000) +
                       R"(,"risk_level":"moderate","confidence":0.)" + std::to_string(random % 977) + R"(,"factors":[)";
    const std::uint64_t factors = 2 + random % 4;
    for (std::uint64_t f = 0; f < factors; ++f) {
        body += (f == 0 ? "" : ",") + std::string(R"({"name":"rainfall_)") + std::to_string(f) + R"(","weight":0.25})";
    }
    return body + R"(],"model":"risk_scorer","version":"1.4.2"})";
}

Key prediction_key(int i) {
    return Key("POST /api/v1/flood/risk\n52." + std::to_string(1000 + i % 9000) + ",13." +
               std::to_string(1000 + i % 7919) + "," + std::to_string(i) + "\n@1.4.2");
}

CommonPtr prediction_head() {
    return Common::make("Content-Type: application/json\r\nCache-Control: private, max-age=300\r\n",
                        {tag_hash("model:risk_scorer"), tag_hash("route:flood-risk")});
}

void fill(ResponseStore& store, int count) {
    const auto common = prediction_head();
    for (int i = 0; i < count; ++i) {
        Draft draft;
        draft.timing = {.response_ms = kNow, .lifetime_s = 300};
        draft.flags = kOwnLifetime;
        draft.common = common;
        draft.etag_hash = mix64(static_cast<std::uint64_t>(i));
        draft.body = shared(prediction(i));
        ASSERT_EQ(store.insert(prediction_key(i), draft, store.begin_fill(), kNow), Stored::kStored);
    }
}

TEST(Memory, TenThousandPredictionsTakeLessThanFiveMegabytes) {
    const std::size_t before = bytes_held;
    std::size_t bodies = 0;
    for (int i = 0; i < 10'000; ++i) bodies += prediction(i).size();
    EXPECT_GE(bodies / 10'000, 300U);
    EXPECT_LE(bodies / 10'000, 400U);

    ResponseStore store({.memory_bytes_max = 64 * 1024 * 1024});
    fill(store, 10'000);
    const std::size_t held = bytes_held - before;
    EXPECT_EQ(store.stats().entries, 10'000U);
    EXPECT_LT(held, 5'000'000U);
    RecordProperty("bytes_held", std::to_string(held));
    RecordProperty("body_bytes", std::to_string(bodies));
}

TEST(Memory, BesideKeyHeadAndBodyAnEntryTakesAtMostOneHundredBytes) {
    for (const int count : {1000, 10'000, 40'000}) {
        const std::size_t before = bytes_held;
        std::size_t payload = 0;
        for (int i = 0; i < count; ++i) payload += prediction(i).size() + prediction_key(i).text().size();
        ResponseStore store({.memory_bytes_max = 64 * 1024 * 1024, .shards = 1});
        const std::size_t empty = bytes_held - before;
        fill(store, count);
        const std::size_t overhead = bytes_held - before - empty - payload;
        // The ETag's 8 bytes and the pointer to the common head (8) are the head of such an entry.
        EXPECT_LE(overhead / static_cast<std::size_t>(count), 100U + 16U) << count;
        RecordProperty("overhead_" + std::to_string(count), std::to_string(overhead / static_cast<std::size_t>(count)));
    }
}

TEST(Memory, WhatTheStoreSaysItHoldsIsWhatItHolds) {
    for (const std::size_t size : {std::size_t{50}, std::size_t{800}, std::size_t{30'000}}) {
        const std::size_t before = bytes_held;
        ResponseStore store({.memory_bytes_max = 32 * 1024 * 1024, .shards = 4});
        for (int i = 0; i < 5000; ++i) put(store, key_of(i), std::string(size, 'x'));
        const auto held = static_cast<double>(bytes_held - before);
        const auto said = static_cast<double>(store.stats().bytes);
        EXPECT_NEAR(said / held, 1.0, 0.06) << size << " bytes a body, " << held << " held";
        EXPECT_LE(store.stats().bytes, store.stats().bytes_max);
        EXPECT_LE(held, static_cast<double>(store.stats().bytes_max) * 1.03);
    }
}

TEST(Memory, EverythingIsGivenBack) {
    const std::size_t before = bytes_held;
    {
        ResponseStore store({.memory_bytes_max = 4 * 1024 * 1024});
        fill(store, 20'000);
        for (int i = 0; i < 20'000; i += 3) store.erase(prediction_key(i), kNow);
        store.erase_tag(tag_hash("model:risk_scorer"), kNow);
        fill(store, 1000);
    }
    // tag_hash() and the process' seed keep a little for good, made by now.
    EXPECT_EQ(bytes_held, before);
}

}  // namespace
}  // namespace tidegate::cache
