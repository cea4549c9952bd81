// Spend since a moment equals a sum over the decisions themselves.
#include "audit/views/spend.h"

#include <gmock/gmock.h>

#include <map>

#include "log_fixture.h"

namespace tidegate::audit {
namespace {

class SpendTest : public LogTest {
  protected:
    Decision charged(std::uint64_t n) {
        Decision out = decision(n);
        out.actor = n % 4 == 0 ? "" : "key:" + std::to_string(n % 7);
        out.tenant = n % 3 == 0 ? "" : "tenant-" + std::to_string(n % 2);
        out.spend_points = Points{n % 5 == 0 ? 0 : static_cast<std::int64_t>(100 + n)};
        return out;
    }
};

TEST_F(SpendTest, EqualsASumOverTheDecisionsSinceTheMoment) {
    const auto log = open();
    std::map<std::string, std::int64_t> actors, tenants;
    std::uint64_t counted = 0;
    UnixMillis since = 0;
    for (std::uint64_t n = 0; n < 300; ++n) {
        clock_.advance(std::chrono::milliseconds(1));
        if (n == 100) since = clock_.unix_ms();
        Decision charge = charged(n);
        if (n >= 100 && !charge.spend_points.is_zero()) {
            ++counted;
            if (!charge.actor.empty()) actors[charge.actor] += charge.spend_points.milli;
            if (!charge.tenant.empty()) tenants[charge.tenant] += charge.spend_points.milli;
        }
        ASSERT_TRUE(put(*log, {std::move(charge)}));
    }
    const auto pool = ReaderPool::open({.path = path(), .vfs = {}});
    ASSERT_TRUE(pool);
    const auto spent = SpendView(*pool).read(since);
    ASSERT_TRUE(spent) << spent.error().message;
    EXPECT_EQ(spent->decisions, counted);
    std::map<std::string, std::int64_t> got_actors, got_tenants;
    for (const Spent& actor : spent->by_actor) got_actors[actor.name] = actor.spent.milli;
    for (const Spent& tenant : spent->by_tenant) got_tenants[tenant.name] = tenant.spent.milli;
    EXPECT_EQ(got_actors, actors);
    EXPECT_EQ(got_tenants, tenants);
    const auto later = SpendView(*pool).read(clock_.unix_ms() + 1);
    ASSERT_TRUE(later);
    EXPECT_EQ(later->decisions, 0U);
    EXPECT_TRUE(SpendView(*pool).read(-5)) << "before the epoch is everything";
}

TEST_F(SpendTest, ADecisionThatWasRecordedAfterLaterOnesCountsByItsOwnTime) {
    const auto log = open();
    Decision before = charged(1);
    clock_.advance(std::chrono::seconds(1));
    const UnixMillis since = clock_.unix_ms();
    Decision early = charged(2);
    clock_.advance(std::chrono::seconds(1));
    Decision late = charged(3);
    std::vector<Decision> in_disorder;
    in_disorder.push_back(std::move(late));
    in_disorder.push_back(std::move(before));
    in_disorder.push_back(std::move(early));
    ASSERT_TRUE(put(*log, std::move(in_disorder)));
    const auto spent = SpendView(readers()).read(since);
    ASSERT_TRUE(spent) << spent.error().message;
    EXPECT_EQ(spent->decisions, 2U);
    EXPECT_EQ(spent->by_actor, (std::vector<Spent>{{"key:2", Points{102}}, {"key:3", Points{103}}}));
}

}  // namespace
}  // namespace tidegate::audit
