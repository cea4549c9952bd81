// The steps of the schema: what an older program left must mean the same to this one.
#include "audit/schema.h"

#include <gtest/gtest.h>

#include "audit/rollup.h"
#include "log_fixture.h"
#include "store/migrations.h"

namespace tidegate::audit {
namespace {

class SchemaSteps : public LogTest {
  protected:
    store::Database open_raw() {
        auto database = store::Database::open({.path = path(), .vfs = {}});
        EXPECT_TRUE(database);
        return *std::move(database);
    }
};

TEST_F(SchemaSteps, WholePointsOfTheFirstSchemaBecomeThousandths) {
    {
        store::Database old = open_raw();
        ASSERT_TRUE(store::migrate(old, "audit", log_migrations().first(1), clock_));
        const auto written = old.execute(
            "INSERT INTO kinds VALUES(1,'','provenance','detect/text','m','1','human',0,0);"
            "INSERT INTO decisions "
            "VALUES(1,x'0192000000007000800000000000000a',1,'r','',zeroblob(32),0,'',NULL,'',1,'',5,0,NULL,'');"
            "INSERT INTO decisions "
            "VALUES(2,x'0192000000007000800000000000000b',1,'r','',zeroblob(32),0,'',NULL,'',1,'',0,0,NULL,'');"
            "INSERT INTO hours VALUES(479000,1,2,0,0,2,1,5,0,x'');");
        ASSERT_TRUE(written) << written.error().message;
    }
    store::Database database = open_raw();
    ASSERT_TRUE(migrate_log(database, clock_));
    const auto kinds = read_kinds(database);
    ASSERT_TRUE(kinds);
    auto rows = database.prepare("SELECT " + std::string(kSelectColumns) + " FROM decisions ORDER BY seq");
    ASSERT_TRUE(rows) << rows.error().message;
    for (const Points expected : {Points::whole(5), Points{}}) {
        ASSERT_TRUE(rows->step().value());
        const auto decision = read_decision(*rows, *kinds);
        ASSERT_TRUE(decision) << decision.error().message;
        EXPECT_EQ(decision->spend_points, expected);
    }
    EXPECT_EQ(database.integer("SELECT spend_milli FROM hours"), 5000);
    ASSERT_TRUE(migrate_log(database, clock_));
    EXPECT_EQ(database.integer("SELECT spend_milli FROM hours"), 5000) << "a second start multiplies nothing";
}

}  // namespace
}  // namespace tidegate::audit
