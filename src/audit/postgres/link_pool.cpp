#include "audit/postgres/link_pool.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

namespace tidegate::audit::postgres {

using store::PostgresLink;
using store::PostgresRows;
using store::PostgresValues;

LinkPool::LinkPool(store::PostgresOptions options, const Clock& clock) : options_(std::move(options)), clock_(clock) {}

// Null: the caller is to make one.
LinkPool::Link LinkPool::take() const {
    const Lock lock(mutex_);
    while (lent_ == kLinksMax) returned_.wait(mutex_);
    ++lent_;
    if (idle_.empty()) return nullptr;
    Link link = std::move(idle_.back());
    idle_.pop_back();
    return link;
}

void LinkPool::give_back(Link link) const {
    {
        const Lock lock(mutex_);
        --lent_;
        if (link != nullptr && !link->broken()) idle_.push_back(std::move(link));
    }
    returned_.notify_one();
}

Result<PostgresRows> LinkPool::ask_on(Link& link, const std::string& statement, const PostgresValues& values) const {
    // One that was lost while nobody asked is found out by asking.
    if (link != nullptr && !link->broken()) {
        auto rows = link->run(statement, values);
        if (rows || !link->broken()) return rows;
    }
    TG_TRY(link, PostgresLink::connect(options_, clock_));
    // A server goes on with a question whose asker has left: without a limit of its own those would take all its connections, the
    // writer's too. Before our patience ends, so that the connection is kept.
    const auto limit = std::chrono::ceil<std::chrono::milliseconds>(options_.patience).count() * 9 / 10;
    TG_CHECK(link->run(fmt::format("SET statement_timeout = {}", std::max<std::int64_t>(1, limit))));
    return link->run(statement, values);
}

Result<PostgresRows> LinkPool::ask(const std::string& statement, const PostgresValues& values) const {
    Link link = take();
    auto rows = ask_on(link, statement, values);
    give_back(std::move(link));
    if (!rows && rows.error().code == ErrorCode::kDeadlineExceeded) {
        return fail(ErrorCode::kUnavailable, "the database has found no answer in time");
    }
    return rows;
}

}  // namespace tidegate::audit::postgres
