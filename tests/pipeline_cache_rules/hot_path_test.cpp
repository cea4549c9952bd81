// The common request costs no allocation: a program of its own, because it counts what operator new hands out.
#include <gtest/gtest.h>

#include <atomic>
#include <cstdlib>
#include <new>

#include "pipeline_cache_rules/scenario.h"

namespace {
std::atomic<std::size_t> allocations{0};
}  // namespace

[[gnu::noinline]] void* operator new(std::size_t size) {
    allocations.fetch_add(1, std::memory_order_relaxed);
    if (void* block = std::malloc(size)) return block;
    std::abort();
}
[[gnu::noinline]] void operator delete(void* block) noexcept {
    std::free(block);
}
[[gnu::noinline]] void operator delete(void* block, std::size_t) noexcept {
    std::free(block);
}

namespace tidegate::cache::rules {
namespace {

TEST(HotPath, DecidingOnAStoredAnswerAllocatesNothing) {
    const http::Headers plain =
        headers({{"Host", "a"}, {"User-Agent", "b"}, {"Accept", "*/*"}, {"Accept-Encoding", "gzip"}});
    const http::Headers busy = headers({{"Host", "a"},
                                        {"Cache-Control", "max-age=0, no-cache, x=\"y, z\", min-fresh=5, max-stale=9"},
                                        {"Pragma", "x, no-cache"},
                                        {"Authorization", "Bearer x"},
                                        {"Cookie", "a=b"}});
    const StoreDecision kept = store({{"Cache-Control", "max-age=60, stale-while-revalidate=5"}, {"ETag", "\"a\""}});
    RoutePolicy policy;
    policy.wishes = ClientWishes::all();
    std::size_t fresh = 0;
    const std::size_t before = allocations.load();
    for (const http::Headers* request : {&plain, &busy}) {
        for (int i = 0; i < 100; ++i) {
            const RequestFacts facts = read_request(http::Method::kGet, *request, false);
            if (way_of(facts, policy) != Way::kLookup) continue;
            const ReuseDecision d = reuse(facts, kept.times, kept.flags, policy, kStart + i * 1000);
            fresh += d.use == Use::kFresh ? 1 : 0;
            may_stand_in(Fault::kTimeout, facts, kept.times, kept.flags, policy, kStart + i * 1000);
        }
    }
    EXPECT_EQ(allocations.load() - before, 0U);
    EXPECT_EQ(fresh, 60U);
    // That the counter counts.
    const std::string long_enough(100, 'x');
    EXPECT_GT(allocations.load(), before);
}

}  // namespace
}  // namespace tidegate::cache::rules
