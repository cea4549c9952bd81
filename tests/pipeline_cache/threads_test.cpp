// The store under several threads at once; meant for the run under ThreadSanitizer.
#include <gtest/gtest.h>

#include <atomic>
#include <thread>

#include "base/hash.h"
#include "draft.h"

namespace tidegate::cache {
namespace {

TEST(StoreThreads, WhatIsFoundIsAlwaysWholeAndOfTheKeyAskedFor) {
    ResponseStore store({.memory_bytes_max = 2 * 1024 * 1024, .shards = 2});
    std::vector<Key> keys;
    for (int i = 0; i < 2000; ++i) keys.push_back(key_of(i));
    std::atomic<bool> wrong{false};
    const auto work = [&](std::uint64_t random) {
        for (int i = 0; i < 15'000 && !wrong; ++i) {
            random = mix64(random + 0x9e3779b97f4a7c15ULL);
            const Key& key = keys[random % keys.size()];
            if (random % 5 == 0) {
                put(store, key, key.text() + std::string(random % 4000, 'x'));
            } else if (random % 97 == 1) {
                store.erase(key, kNow);
            } else if (const Found found = store.lookup(key, kNow); found.entry) {
                if (!found.entry->body().starts_with(key.text())) wrong = true;
            }
            if (i % 1000 == 999) store.sweep(kNow, 500);
        }
    };
    std::vector<std::thread> threads;
    for (std::uint64_t t = 0; t < 3; ++t) threads.emplace_back(work, t);
    for (auto& thread : threads) thread.join();
    EXPECT_FALSE(wrong);
    const StoreStats stats = store.stats();
    EXPECT_LE(stats.bytes, stats.bytes_max);
    EXPECT_EQ(stats.inserts, stats.entries + stats.evicted_for_room + stats.replaced + stats.invalidated_key);
}

TEST(StoreThreads, AfterAnInvalidationNoThreadFindsWhatItNamed) {
    // One thread changes the truth, invalidates, and then says so; nobody may find anything older than what was said.
    ResponseStore store(StoreOptions{});
    const Key key = key_of("/truth");
    const std::uint64_t tag = tag_hash("truth");
    std::atomic<int> truth{0};
    std::atomic<int> said{0};
    std::atomic<bool> done{false};
    std::atomic<int> stale{0};
    std::atomic<int> kept{0};
    const auto read = [&] {
        while (!done) {
            const int known = said.load();
            const Ticket ticket = store.begin_fill();
            if (const Found found = store.lookup(key, kNow); found.entry) {
                if (std::stoi(std::string(found.entry->body())) < known) ++stale;
                continue;
            }
            Draft draft = draft_of(std::to_string(truth.load()));
            draft.tags = std::span(&tag, 1);
            if (store.insert(key, draft, ticket, kNow) == Stored::kStored) ++kept;
        }
    };
    std::thread one(read);
    std::thread two(read);
    for (int i = 1; i <= 2000; ++i) {
        truth.store(i);
        if (i % 3 == 0) {
            store.erase_tag(tag, kNow);
        } else if (i % 3 == 1) {
            store.erase(key, kNow);
        } else {
            store.erase_prefix("/tru", kNow);
        }
        said.store(i);
        if (i % 10 == 0) std::this_thread::yield();
    }
    while (kept.load() == 0) std::this_thread::yield();
    done = true;
    one.join();
    two.join();
    EXPECT_EQ(stale.load(), 0);
}

}  // namespace
}  // namespace tidegate::cache
