// Books in a PostgreSQL of their own schema.
#pragma once

#include <memory>
#include <string>

#include "services/content/books_fixture.h"

namespace tidegate::content {

class PostgresBooksTest : public ::testing::Test {
  protected:
    void SetUp() override {
        NEED_POSTGRES();
        ASSERT_NE(shared_postgres(), nullptr);
        place_ = fresh_place();
    }
    std::unique_ptr<BookHome> home_at(const PostgresPlace& place) {
        auto opened = PostgresBooks::open(place, clock_);
        EXPECT_TRUE(opened) << opened.error().message;
        return opened ? *std::move(opened) : nullptr;
    }
    std::unique_ptr<Ledger> ledger_at(const PostgresPlace& place) {
        return Ledger::open(home_at(place), clock_, random_).value();
    }
    std::unique_ptr<store::PostgresLink> link(const PostgresPlace& place) {
        store::PostgresOptions options;
        options.url = place.url;
        options.patience = std::chrono::minutes(2);
        auto connected = store::PostgresLink::connect(options, clock_);
        EXPECT_TRUE(connected) << connected.error().message;
        EXPECT_TRUE((*connected)->run("SET search_path = " + place.schema));
        return *std::move(connected);
    }
    static void run(store::PostgresLink& link, const std::string& statements) {
        const auto done = link.run(statements);
        ASSERT_TRUE(done) << done.error().message;
    }
    Reconciliation reconciled(const PostgresPlace& place) {
        const auto home = home_at(place);
        return Books::open(*home, clock_, random_).value()->reconcile().value();
    }

    SystemClock clock_;
    SystemRandom random_;
    PostgresPlace place_;
};

}  // namespace tidegate::content
