// JwksSource: the issuer's keys, kept fresh from a file or a URL.
//
// Guarantee   A set that was read once stays until a better one is read: a failed fetch or an unreadable document changes
//             nothing but the counters and status(). An unknown key id asks for a new set, at most once a minute.
// Threads     Any thread; The fetch function is
//             called on whatever thread asks; its `done` may be called on any thread, once.
// When it fails  No set at all yet: tokens cannot be judged (503), never refused as wrong.
#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "base/clock.h"
#include "base/file.h"
#include "base/mutex.h"
#include "base/result.h"
#include "pipeline/identity/counters.h"
#include "pipeline/identity/settings.h"
#include "pipeline/identity/token_keys.h"

namespace tidegate::pipeline {

/// Gets `url` and calls `done` once with the body of a 200 answer (at most TokenKeys::kBytesMax) or with why there is none.
/// May be called on a loop: it must not block.
using JwksFetch = std::function<void(const std::string& url, std::function<void(Result<std::string>)> done)>;

struct JwksStatus {
    bool configured = false;
    std::size_t keys = 0;
    UnixMillis read = 0;  // When the present set was read; 0: there is none.
    std::string failure;  // Of the last attempt; empty: it went well, or there was none.
    /// No set can be had, or no newer one. True, too, between a start and its first fetch: tokens get 503 meanwhile.
    bool is_degraded() const noexcept { return configured && (read == 0 || !failure.empty()); }
};
/// Hears of a change from reading well to failing, for another reason, or back.
using JwksListener = std::function<void(const JwksStatus&)>;

class JwksSource {
  public:
    static constexpr Duration kUnknownKeyPause = std::chrono::minutes(1);

    JwksSource(const JwtSettings& settings, const Clock& clock, const Disk& disk, IdentityCounters& counters);
    void set_fetch(JwksFetch fetch) { fetch_ = std::move(fetch); }
    /// Before the first refresh that it should hear of.
    void set_listener(JwksListener listener) { shared_->listener = std::move(listener); }

    /// Reads the file (blocks), or begins a fetch. For the start and the watcher.
    Result<void> refresh();
    /// As refresh() when the present set is older than jwt.jwks_refresh_s or there is none. For the watcher.
    void refresh_when_due();
    /// A token names a key that the set does not have. True: a new set is being fetched, ask again soon. Never blocks.
    bool want_key();

    JwksStatus status() const;
    std::uint64_t version() const noexcept { return shared_->version.load(std::memory_order_acquire); }
    /// Null before the first set.
    std::shared_ptr<const TokenKeys> keys() const;

  private:
    /// Outlives the source while a fetch is under way; clock and counters outlive the loops, on which fetches end.
    struct Shared {
        Shared(const Clock& the_clock, IdentityCounters& the_counters) : clock(the_clock), counters(the_counters) {}
        const Clock& clock;
        IdentityCounters& counters;
        JwksListener listener;
        std::atomic<std::uint64_t> version{0};
        mutable Mutex mutex;
        std::shared_ptr<const TokenKeys> keys TG_GUARDED_BY(mutex);
        UnixMillis read TG_GUARDED_BY(mutex) = 0;
        std::string failure TG_GUARDED_BY(mutex);
        std::optional<SteadyTime> asked TG_GUARDED_BY(mutex);
        bool fetching TG_GUARDED_BY(mutex) = false;
    };
    static Result<void> take(Shared& shared, const Result<std::string>& document);
    /// True when a fetch is under way afterwards; none begins within `pause` of the last.
    bool begin_fetch(Duration pause);

    const JwtSettings& settings_;
    const Disk& disk_;
    JwksFetch fetch_;
    std::shared_ptr<Shared> shared_;
};

}  // namespace tidegate::pipeline
