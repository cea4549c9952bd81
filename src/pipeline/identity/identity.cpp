#include "pipeline/identity/identity.h"

#include <pthread.h>

namespace tidegate::pipeline {

Identity::Identity(const IdentitySettings& settings, bool loopback_only, const Clock& clock, const Disk& disk)
    : settings_(settings),
      loopback_only_(loopback_only),
      required_(pipeline::keys_required(settings, loopback_only)),
      jwks_(settings.jwt, clock, disk, counters_) {}

Identity::~Identity() {
    stop();
}

Result<std::unique_ptr<Identity>> Identity::open(const IdentitySettings& settings, const std::string& database_path,
                                                 bool loopback_only, const Clock& clock, Random& random,
                                                 const Disk& disk) {
    TG_CHECK(check(settings));
    std::unique_ptr<Identity> identity(new Identity(settings, loopback_only, clock, disk));
    TG_TRY(identity->keys_, KeyStore::open({.path = database_path}, clock, random, identity->counters_));
    if (!settings.jwt.jwks_file.empty()) {
        if (auto read = identity->jwks_.refresh(); !read) {
            return fail(read.error().code, "jwt.jwks_file: " + read.error().message);
        }
    }
    return identity;
}

void Identity::start() {
    if (watcher_.joinable()) return;
    watcher_ = std::jthread([this] { watch(); });
    ::pthread_setname_np(watcher_.native_handle(), "keys");
}

void Identity::stop() {
    {
        const Lock lock(mutex_);
        stopping_ = true;
    }
    wake_.notify_all();
    if (watcher_.joinable()) watcher_.join();
}

void Identity::look() {
    // What fails is counted and said in status(); the keys known stay valid.
    static_cast<void>(keys_->refresh());
    jwks_.refresh_when_due();
}

void Identity::watch() noexcept {
    constexpr int kRoundsPerWrite = static_cast<int>(kLastUsedEvery / kWatchEvery);
    for (int round = 1;; ++round) {
        look();
        if (round % kRoundsPerWrite == 0) static_cast<void>(keys_->write_last_used());
        const Lock lock(mutex_);
        if (!stopping_) wake_.wait_for(mutex_, kWatchEvery);
        if (stopping_) break;
    }
    static_cast<void>(keys_->write_last_used());
}

std::string_view Identity::address_salt() const noexcept {
    return settings_.address_salt.is_set() ? settings_.address_salt.reveal() : std::string_view(keys_->salt());
}

bool Identity::is_degraded() const {
    return keys_->status().degraded || jwks_.status().is_degraded();
}

void Identity::append_status(JsonWriter& writer) const {
    const KeyStoreStatus keys = keys_->status();
    const JwksStatus jwks = jwks_.status();
    writer.begin_object();
    writer.field("required", required_).field("keys_active", keys.active).field("keys_known", keys.known);
    writer.field("degraded", keys.degraded || jwks.is_degraded());
    if (keys.degraded) writer.field("keys_reason", keys.reason);
    if (jwks.configured) {
        writer.key("jwks").begin_object().field("keys", jwks.keys);
        writer.key("read_at");
        jwks.read > 0 ? writer.value(format_rfc3339(jwks.read)) : writer.null();
        if (!jwks.failure.empty()) writer.field("reason", jwks.failure);
        writer.end_object();
    }
    writer.end_object();
}

}  // namespace tidegate::pipeline
