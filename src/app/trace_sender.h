// TraceSender: carries batches of traces to the collector, over the client of the first event loop, and wires the exporter.
//
// Guarantee   A request never waits for it: batches are made and waited for on the exporter's thread; the loop only moves their
//             bytes. Redirects are not followed, link-local addresses are not connected to. An answer of more than
//             kAnswerBytesMax is cut short.
// Threads     send() any; the loop's own calls on the loop.
// When it fails  Before the loops run and after they have ended an export fails at once; the exporter counts and tries again.
#pragma once

#include <memory>
#include <string>

#include "base/clock.h"
#include "base/mutex.h"
#include "base/random.h"
#include "base/result.h"
#include "http/client/client.h"
#include "http/headers.h"
#include "pipeline/loop_parts.h"
#include "telemetry/exporter.h"
#include "telemetry/settings.h"

namespace tidegate::app {

/// Where traces go.
struct CollectorPlace {
    http::Origin origin;
    std::string target;
    http::Headers headers;
};
/// kInvalidArgument says what is wrong with tracing.endpoint, tracing.ca_file or tracing.headers.
Result<CollectorPlace> collector_place(const telemetry::TracingSettings& settings);

class TraceSender final : public pipeline::LoopListener {
  public:
    static constexpr std::size_t kAnswerBytesMax = 64 * 1024;

    TraceSender(CollectorPlace place, Duration timeout) : place_(std::move(place)), timeout_(timeout) {}
    void send(std::string body, std::function<void(telemetry::Answer)> done);

    void on_loop_start(pipeline::LoopParts& parts) override;
    void on_loop_stop(pipeline::LoopParts& parts) override;

  private:
    void begin(std::string body, std::function<void(telemetry::Answer)> done);

    const CollectorPlace place_;
    const Duration timeout_;
    pipeline::LoopParts* parts_ = nullptr;  // The loop's.
    Mutex mutex_;
    std::shared_ptr<runtime::Mailbox> mailbox_ TG_GUARDED_BY(mutex_);
};

/// The export of traces put together; both null when it is off.
struct Tracing {
    std::unique_ptr<TraceSender> sender;
    std::unique_ptr<telemetry::Exporter> exporter;  // Ends before the sender.

    static Result<Tracing> create(const telemetry::TracingSettings& settings, std::string_view version,
                                  const Clock& clock, Random& random);
};

}  // namespace tidegate::app
