// Legal holds: what must not be deleted, whatever the retention says.
//
// Guarantee   A hold is durable when place() returns, and covers from then on. A released one stays in the table with the time of its release.
// Threads     Any; one lock around the connection. Reads the disk: never on an event loop.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/mutex.h"
#include "store/sqlite.h"

namespace tidegate::audit::keep {

struct Hold {
    std::int64_t id = 0;
    std::string reason;
    std::string tenant;              // Empty: every tenant's.
    std::optional<UnixMillis> from;  // Of the recorded time, inclusive; absent: from the beginning.
    std::optional<UnixMillis> to;    // Exclusive; absent: whatever comes.
    std::string placed_by;           // The actor, as in a Decision.
    UnixMillis placed = 0;
    std::string released_by;
    std::optional<UnixMillis> released;

    bool active() const noexcept { return !released; }
};

struct HoldQuery {
    bool active_only = false;
    std::size_t limit = 50;
    std::int64_t before = 0;            // Only those with smaller ids; 0: all.
    std::optional<std::string> tenant;  // Only that tenant's.
};

class Holds {
  public:
    /// Most active holds: each is looked at in every pass of the retention.
    static constexpr std::size_t kActiveMax = 1000;

    /// Opens (or makes) the table in the database at `path`. `clock` outlives it.
    static Result<std::unique_ptr<Holds>> open(const std::string& path, const Clock& clock);

    /// `hold`'s reason, tenant, from, to, placed_by count; gives it with id and time. kResourceExhausted: kActiveMax.
    Result<Hold> place(Hold hold);
    /// kNotFound: no such hold; kConflict: released already.
    Result<Hold> release(std::int64_t id, const std::string& by);
    Result<Hold> find(std::int64_t id) const;
    /// Newest first.
    Result<std::vector<Hold>> list(const HoldQuery& query) const;

  private:
    Holds(store::Database database, const Clock& clock);
    Result<Hold> find_locked(std::int64_t id) const TG_REQUIRES(mutex_);

    const Clock& clock_;
    mutable Mutex mutex_;
    mutable store::Database database_ TG_GUARDED_BY(mutex_);
};

}  // namespace tidegate::audit::keep
