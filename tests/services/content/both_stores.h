// The two homes of texts, for the tests that both must pass: content.db, and a schema of its own in one PostgreSQL for the process.
#pragma once

#include <gtest/gtest.h>

#include <memory>
#include <string>

#include "audit_postgres/postgres_server.h"
#include "services/content/search/library.h"
#include "services/content/search/postgres_shelf.h"
#include "services/content/search/sqlite_shelf.h"
#include "store/temporary_folder.h"

namespace tidegate::content {

/// Started when it is first asked for; null where none comes up.
inline testing::PostgresServer* shared_postgres() {
    static const std::unique_ptr<testing::PostgresServer> server = testing::PostgresServer::start();
    return server.get();
}

/// Of no other test of the process.
inline PostgresPlace fresh_place() {
    static int count = 0;
    return {.url = shared_postgres()->url(), .schema = "t" + std::to_string(++count)};
}

/// A suite with "sqlite" and "postgres" as its parameter. Where PostgreSQL is not installed its half is skipped in clear words.
class BothStores : public ::testing::TestWithParam<std::string> {
  protected:
    void SetUp() override {
        if (!in_postgres()) return;
        NEED_POSTGRES();
        ASSERT_NE(shared_postgres(), nullptr);
        place_ = fresh_place();
    }
    bool in_postgres() const { return GetParam() == "postgres"; }
    LibraryOptions options() const {
        LibraryOptions out{.path = folder_.file("content.db"), .trains_itself = false};
        if (in_postgres()) out.postgres = place_;
        return out;
    }
    std::unique_ptr<Shelf> open_shelf() {
        if (!in_postgres()) return SqliteShelf::open(folder_.file("content.db"), clock_).value();
        return std::make_unique<PostgresShelf>(PostgresTexts::open(place_, clock_).value()->session());
    }

    SystemClock clock_;
    SeededRandom random_{3};
    store::TemporaryFolder folder_;
    PostgresPlace place_;
};

}  // namespace tidegate::content
