// BatchCall: one merged call: the list on its way to the upstream, its answer taken apart.
//
// Guarantee   Each request hears of its own part or of a failure, never of another's. A merged call that the upstream refuses
//             with a 4xx is asked again item by item (batch.isolate), save for 408, 425 and 429, which say "later".
// Memory      The list while it may have to be sent again, and the answer up to kAnswerBytesMax.
// Threads     The loop that cut the batch.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "services/proxy/batch.h"

namespace tidegate::proxy {

class BatchCall final : public FetchSink, public std::enable_shared_from_this<BatchCall> {
  public:
    /// The answer to a list of 1,000 texts with 4,096 numbers of 10 digits each takes 45 MB.
    static constexpr std::uint64_t kAnswerBytesMax = 64ULL << 20U;

    using Ended = std::function<void(const std::shared_ptr<BatchCall>&)>;
    BatchCall(const FetchLoop& loop, Batching& owner, upstream::Batch batch, upstream::BatchDone done, Ended ended);

    void start();
    /// The loop is ending: everybody is told.
    void drop();

  private:
    void on_interim(int, const http::Headers&) override {}
    void on_answer(http::ResponseHead head) override;
    bool on_bytes(std::string_view bytes) override;
    void on_done() override;
    void on_failed(const FetchFailure& failure) override;
    void on_tunnel(http::ResponseHead head) override;

    FetchRequest make_request() const;
    void fail_all(FetchFailure failure);
    void settle(upstream::BatchAnswer answer);
    void refused();

    const FetchLoop& loop_;
    Batching& owner_;
    upstream::Batch batch_;
    std::optional<upstream::BatchDone> done_;
    const Ended ended_;
    BatchOutcome outcome_;
    std::shared_ptr<Fetch> fetch_;
    http::ResponseHead head_;
    std::string body_;
};

}  // namespace tidegate::proxy
