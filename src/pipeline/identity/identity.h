// Identity: what all loops share to say who asks: the keys, the ways to check tokens, the salt, the counters.
//
// Position    app/ makes one, starts it, and gives each loop an Authenticator (authenticator.h) over it.
// Guarantee   A change of a key by another process (the command line) is seen within one second while the database can be
//             read: the watcher thread looks every kWatchEvery. It has a thread of its own so that a revocation does not wait
//             behind slow work in a pool.
// Threads     Everything from any thread; open(), start() and stop() from the main thread.
#pragma once

#include <memory>
#include <string>
#include <thread>

#include "base/clock.h"
#include "base/file.h"
#include "base/mutex.h"
#include "base/random.h"
#include "base/result.h"
#include "pipeline/identity/counters.h"
#include "pipeline/identity/jwks_source.h"
#include "pipeline/identity/key_store.h"
#include "pipeline/identity/settings.h"

namespace tidegate::pipeline {

class Identity {
  public:
    static constexpr Duration kWatchEvery = std::chrono::milliseconds(250);
    static constexpr Duration kLastUsedEvery = std::chrono::minutes(1);

    /// `loopback_only`: no other machine can reach the listener. `clock`, `random`, `disk` and `settings` outlive it. An Error
    /// says what stops the start: settings that contradict one another, a database or a JWKS file that cannot be read.
    ~Identity();
    static Result<std::unique_ptr<Identity>> open(const IdentitySettings& settings, const std::string& database_path,
                                                  bool loopback_only, const Clock& clock, Random& random,
                                                  const Disk& disk);
    /// How the JWKS of jwt.jwks_url is fetched; without it such tokens stay unverifiable (503). Before start().
    void set_fetch(JwksFetch fetch) { jwks_.set_fetch(std::move(fetch)); }
    /// Hears when the issuer's keys cannot be had, and when they can again. On any thread, after start().
    void on_jwks(JwksListener listener) { jwks_.set_listener(std::move(listener)); }
    /// Starts the watcher of the keys and asks for the JWKS.
    void start();
    /// Ends the watcher after a last write of when keys were used.
    void stop();

    bool keys_required() const noexcept { return required_; }
    bool loopback_only() const noexcept { return loopback_only_; }
    KeyStore& keys() noexcept { return *keys_; }
    const KeyStore& keys() const noexcept { return *keys_; }
    JwksSource& jwks() noexcept { return jwks_; }
    const IdentitySettings& settings() const noexcept { return settings_; }
    IdentityCounters& counters() noexcept { return counters_; }
    /// The keys, or the issuer's keys, cannot be read anew: what is known goes on to be valid.
    bool is_degraded() const;
    /// What addresses are hashed with: the setting, or the database's own.
    std::string_view address_salt() const noexcept;
    /// One round of the watcher, for tests; start() runs them by itself.
    void look();
    /// The `identity` member of /health: keys, watcher, JWKS. No secret, no key.
    void append_status(JsonWriter& writer) const;

  private:
    Identity(const IdentitySettings& settings, bool loopback_only, const Clock& clock, const Disk& disk);

    IdentityCounters counters_;  // First: it is aligned to cache lines.
    const IdentitySettings& settings_;
    const bool loopback_only_;
    const bool required_;
    JwksSource jwks_;
    std::unique_ptr<KeyStore> keys_;
    void watch() noexcept;
    Mutex mutex_;
    Condition wake_;
    bool stopping_ TG_GUARDED_BY(mutex_) = false;
    std::jthread watcher_;
};

}  // namespace tidegate::pipeline
