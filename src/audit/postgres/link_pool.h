// LinkPool: connections that are lent for one question each.
//
// Guarantee   A question that found its connection lost is put once more on a new one: only what reads may be asked here. What takes too
//             long (kUnavailable) ends at the server too.
// Threads     Any number. At most kLinksMax questions at once, the others wait their turn.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "base/mutex.h"
#include "store/postgres.h"

namespace tidegate::audit::postgres {

class LinkPool {
  public:
    /// A server takes some 100 connections by default, for everybody.
    static constexpr std::size_t kLinksMax = 4;

    /// `clock` outlives the pool.
    LinkPool(store::PostgresOptions options, const Clock& clock);

    Result<store::PostgresRows> ask(const std::string& statement, const store::PostgresValues& values) const;

  private:
    using Link = std::unique_ptr<store::PostgresLink>;
    Link take() const;
    void give_back(Link link) const;
    Result<store::PostgresRows> ask_on(Link& link, const std::string& statement,
                                       const store::PostgresValues& values) const;

    const store::PostgresOptions options_;
    const Clock& clock_;
    mutable Mutex mutex_;
    mutable Condition returned_;
    mutable std::vector<Link> idle_ TG_GUARDED_BY(mutex_);
    mutable std::size_t lent_ TG_GUARDED_BY(mutex_) = 0;
};

}  // namespace tidegate::audit::postgres
