// StreamPump: the one thread that writes all long event streams, so that a listener costs a buffer and no thread.
//
// Guarantee   A stream whose client reads slowly waits by itself; the others go on. A stream ends when its client has left, when
//             its source fails (then it is cut), or when the pump stops (then it is ended as a whole, and the client connects
//             again).
// Memory      A buffer of some 64 KiB a stream, beside the connection's own.
// Threads     add(), wake() from any thread; sources run on the pump's thread. stop() once, from the thread that owns it, before
//             the server drains: it ends every stream.
// When full   take_place(): see TenantPlaces.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "base/clock.h"
#include "base/mutex.h"
#include "base/result.h"
#include "http/exchange.h"
#include "pipeline/context.h"
#include "services/compliance/query_settings.h"
#include "services/compliance/tenant_places.h"

namespace tidegate::compliance {

/// What a stream is made of.
class EventSource {
  public:
    virtual ~EventSource() = default;
    /// Appends events to `out`, some 64 KiB at most. True: there is more already.
    virtual Result<bool> write(std::string& out, SteadyTime now) = 0;
};

class StreamPump {
  public:
    /// Sources that change without a wake() are asked so often.
    static constexpr Duration kTick = std::chrono::seconds(1);

    /// `clock` and `settings` outlive it.
    StreamPump(const Clock& clock, const QuerySettings& settings);
    ~StreamPump();
    StreamPump(const StreamPump&) = delete;
    StreamPump& operator=(const StreamPump&) = delete;

    /// A place for a stream, to be taken before the stream is begun.
    using Place = TenantPlaces::Place;
    Result<Place> take_place(const Reach& reach) {
        return places_.take(reach, {settings_.streams_max, settings_.tenant_share_percent}, "streams",
                            "compliance.streams_max");
    }
    /// Begins the answer of `context` and writes it until it ends.
    void add(Place place, const pipeline::ContextPtr& context, std::unique_ptr<EventSource> source);
    /// Some source has something new, or some client reads again. Short.
    void wake();
    std::uint32_t streams() const { return places_.taken(); }
    const TenantPlaces& places() const noexcept { return places_; }
    void stop();

  private:
    struct Running {
        Place place;
        pipeline::ContextPtr context;
        std::shared_ptr<http::Stream> stream;
        std::unique_ptr<EventSource> source;
        std::string pending;
        SteadyTime sent{};
    };
    enum class Turn : std::uint8_t { kIdle, kMore, kOver };
    using Streams = std::vector<std::unique_ptr<Running>>;
    // A stream may tell that it has room when the pump is gone already.
    struct Bell {
        Mutex mutex;
        Condition rung;
        bool ringing TG_GUARDED_BY(mutex) = false;
        bool stopping TG_GUARDED_BY(mutex) = false;
        Streams added TG_GUARDED_BY(mutex);
        void ring() TG_EXCLUDES(mutex);
    };
    void run();
    bool wait(Streams& streams, bool more);
    Turn turn(Running& running);
    Turn send(Running& running, SteadyTime now);

    const Clock& clock_;
    const QuerySettings& settings_;
    const std::shared_ptr<Bell> bell_ = std::make_shared<Bell>();
    TenantPlaces places_;
    std::thread thread_;
};

}  // namespace tidegate::compliance
