#include "pipeline/identity/jwks_source.h"

#include <algorithm>

namespace tidegate::pipeline {
namespace {

/// A fetch that has not come back by then is taken for lost: its `done` may have been dropped with a loop.
constexpr Duration kFetchMax = std::chrono::seconds(30);
/// Without any set every token waits: ask again soon.
constexpr Duration kRetryPause = std::chrono::seconds(5);

}  // namespace

JwksSource::JwksSource(const JwtSettings& settings, const Clock& clock, const Disk& disk, IdentityCounters& counters)
    : settings_(settings), disk_(disk), shared_(std::make_shared<Shared>(clock, counters)) {}

Result<void> JwksSource::take(Shared& shared, const Result<std::string>& document) {
    auto keys = document ? TokenKeys::parse(*document) : std::unexpected(document.error());
    std::shared_ptr<const TokenKeys> set;
    std::optional<Error> error;
    if (keys) {
        set = std::make_shared<const TokenKeys>(*std::move(keys));
    } else {
        error = std::move(keys).error();
    }
    const std::string failure = error ? error->message : std::string{};
    (set ? shared.counters.jwks_read : shared.counters.jwks_failures).add();
    bool changed = false;
    JwksStatus status{.configured = true, .failure = failure};
    {
        const Lock lock(shared.mutex);
        shared.fetching = false;
        changed = shared.failure != failure || (set && !shared.keys);
        shared.failure = failure;
        if (set) {
            shared.keys = set;
            shared.read = shared.clock.unix_ms();
            shared.version.fetch_add(1, std::memory_order_release);
        }
        status.keys = shared.keys ? shared.keys->size() : 0;
        status.read = shared.read;
    }
    if (changed && shared.listener) shared.listener(status);
    if (error) return std::unexpected(*std::move(error));
    return {};
}

Result<void> JwksSource::refresh() {
    if (!settings_.jwks_file.empty()) {
        const SteadyTime now = shared_->clock.now();
        {
            const Lock lock(shared_->mutex);
            shared_->asked = now;
        }
        return take(*shared_, disk_.read(settings_.jwks_file, TokenKeys::kBytesMax));
    }
    begin_fetch(Duration::zero());
    return {};
}

bool JwksSource::begin_fetch(Duration pause) {
    if (!fetch_ || settings_.jwks_url.empty()) return false;
    const SteadyTime now = shared_->clock.now();
    {
        const Lock lock(shared_->mutex);
        const Duration since = shared_->asked ? now - *shared_->asked : Duration::max();
        if (shared_->fetching && since < kFetchMax) return true;
        if (since < pause) return false;
        shared_->fetching = true;
        shared_->asked = now;
    }
    fetch_(settings_.jwks_url, [weak = std::weak_ptr<Shared>(shared_)](Result<std::string> document) {
        // A failure is counted and kept in status(); the former set stays.
        if (const auto shared = weak.lock()) static_cast<void>(take(*shared, document));
    });
    return true;
}

void JwksSource::refresh_when_due() {
    if (settings_.jwks_file.empty() && settings_.jwks_url.empty()) return;
    const SteadyTime now = shared_->clock.now();
    {
        const Lock lock(shared_->mutex);
        Duration pause = shared_->keys ? settings_.jwks_refresh : kRetryPause;
        if (!shared_->failure.empty()) pause = std::min(pause, kUnknownKeyPause);
        if (shared_->asked && now - *shared_->asked < pause) return;
    }
    static_cast<void>(refresh());  // As above: counted, and in status().
}

bool JwksSource::want_key() {
    if (!settings_.jwks_file.empty()) return false;  // The watcher reads the file; a loop does not.
    return begin_fetch(keys() ? kUnknownKeyPause : kRetryPause);
}

JwksStatus JwksSource::status() const {
    const Lock lock(shared_->mutex);
    return {.configured = !settings_.jwks_file.empty() || !settings_.jwks_url.empty(),
            .keys = shared_->keys ? shared_->keys->size() : 0,
            .read = shared_->read,
            .failure = shared_->failure};
}

std::shared_ptr<const TokenKeys> JwksSource::keys() const {
    const Lock lock(shared_->mutex);
    return shared_->keys;
}

}  // namespace tidegate::pipeline
