// Spend since a moment, scanned from a segment log, equals a sum over the decisions themselves.
#include "audit/views/spend_scan.h"

#include <gtest/gtest.h>

#include <map>

#include "audit_segments/segments_fixture.h"

namespace tidegate::audit {
namespace {

std::map<std::string, std::int64_t> as_map(const std::vector<Spent>& spent) {
    std::map<std::string, std::int64_t> out;
    for (const Spent& one : spent) out[one.name] = one.spent.milli;
    return out;
}

TEST(SpendScan, EqualsASumOverTheDecisionsSinceTheMoment) {
    constexpr UnixMillis kStart = 1'772'366'400'000;
    segments::TestDisk disk;
    const SystemClock clock;
    SeededRandom random(4);
    auto log = segments::SegmentLog::open(std::make_unique<segments::TestFolder>(disk), segments::small_options(),
                                          clock, random);
    ASSERT_TRUE(log) << log.error().message;
    std::vector<Decision> all;
    for (std::uint64_t n = 0; n < 3'000; ++n) {
        // Every seventh is recorded later than it was made.
        Decision d = segments::make_decision(random, n, n % 7 == 0 ? kStart - 1'500 : kStart);
        d.actor = n % 4 == 0 ? "" : "key:" + std::to_string(n % 7);
        d.spend_points = Points{n % 5 == 0 ? 0 : static_cast<std::int64_t>(100 + n)};
        if (n % 13 == 0) d.kind = RecordKind::kEvent;
        all.push_back(d);
        (*log)->append(d, {});
        if (n % 100 == 99) (*log)->flush();
    }
    (*log)->flush();
    for (const UnixMillis since : {UnixMillis{0}, kStart + 1'000, kStart + 2'999, kStart + 1'000'000}) {
        std::map<std::string, std::int64_t> actors, tenants;
        std::uint64_t charged = 0;
        for (const Decision& d : all) {
            if (d.time() < since || d.spend_points.is_zero() || d.kind == RecordKind::kEvent) continue;
            ++charged;
            if (!d.actor.empty()) actors[d.actor] += d.spend_points.milli;
            if (!d.tenant.empty()) tenants[d.tenant] += d.spend_points.milli;
        }
        const auto spent = scan_spent((*log)->reader(), since);
        ASSERT_TRUE(spent) << spent.error().message;
        EXPECT_EQ(spent->decisions, charged);
        EXPECT_EQ(as_map(spent->by_actor), actors);
        EXPECT_EQ(as_map(spent->by_tenant), tenants);
    }
}

}  // namespace
}  // namespace tidegate::audit
