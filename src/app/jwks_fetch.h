// JwksFetcher: gets the issuer's keys from jwt.jwks_url, on the first event loop.
//
// Guarantee   A body is given on only when it came whole with a 200 and is at most TokenKeys::kBytesMax long, within kTimes.
//             Redirects are not followed: they would let whoever answers choose where the keys come from. With https the
//             certificate and the name are checked. Link-local addresses are not connected to.
// Threads     function() may be called on any thread; create() on the main one; the loop's own calls on the loop.
// When it fails  `done` hears why. Asked before the loops run it waits for them; asked after they have ended it fails.
#pragma once

#include <memory>
#include <string>

#include "base/mutex.h"
#include "base/result.h"
#include "http/client/client.h"
#include "pipeline/identity/jwks_source.h"
#include "pipeline/loop_parts.h"

namespace tidegate::app {

/// Where a JWKS lies: `https://host[:port]/path[?query]`.
struct JwksPlace {
    http::Origin origin;
    std::string target;
};
/// kInvalidArgument says what is wrong with jwt.jwks_url or jwt.jwks_ca_file.
Result<JwksPlace> jwks_place(const pipeline::JwtSettings& settings);

class JwksFetcher final : public pipeline::LoopListener {
  public:
    /// Together less than what JwksSource waits before it takes a fetch for lost (30 s).
    static constexpr http::CallTimes kTimes{.connect_max = std::chrono::seconds(5),
                                            .first_byte_max = std::chrono::seconds(10),
                                            .idle_max = std::chrono::seconds(5),
                                            .total_max = std::chrono::seconds(20)};

    explicit JwksFetcher(JwksPlace place, const http::CallTimes& times = kTimes)
        : place_(std::move(place)), times_(times) {}
    ~JwksFetcher() override = default;
    JwksFetcher(const JwksFetcher&) = delete;
    JwksFetcher& operator=(const JwksFetcher&) = delete;

    /// For Identity::set_fetch(). The fetcher outlives whoever calls it.
    pipeline::JwksFetch function();

    void on_loop_start(pipeline::LoopParts& parts) override;
    void on_loop_stop(pipeline::LoopParts& parts) override;

  private:
    using Done = std::function<void(Result<std::string>)>;
    void ask(Done done);
    void begin(Done done);

    const JwksPlace place_;
    const http::CallTimes times_;
    pipeline::LoopParts* parts_ = nullptr;  // The loop's.
    Mutex mutex_;
    std::shared_ptr<runtime::Mailbox> mailbox_ TG_GUARDED_BY(mutex_);
    Done early_ TG_GUARDED_BY(mutex_);  // Asked for before the loop ran; the latest.
    bool ended_ TG_GUARDED_BY(mutex_) = false;
};

}  // namespace tidegate::app
