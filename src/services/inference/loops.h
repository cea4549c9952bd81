// Loops: what the service keeps on each event loop: where the models' answers come back, and who has left while they wait.
//
// Guarantee   All answers of one pass for one loop come by one post.
// Algorithm   A connection that has ended is told at once. A client that has only closed its side may still read: it counts as gone
//             when it has waited for kPatience more (the rule of the stage "queue"); one timer a loop for all of them.
// Memory      A pointer and a time for each client that left within the last second.
// Threads     watch() and the listener's part: the loop's thread. The flags are read anywhere.
#pragma once

#include <atomic>
#include <deque>
#include <memory>
#include <vector>

#include "http/exchange.h"
#include "model/batcher.h"
#include "pipeline/loop_parts.h"
#include "runtime/timer_wheel.h"

namespace tidegate::inference {

class Loops final : public pipeline::LoopListener {
  public:
    static constexpr Duration kPatience = std::chrono::seconds(1);
    using Flag = std::shared_ptr<std::atomic<bool>>;

    Loops();
    ~Loops() override;

    /// Where the answers for requests of this loop go; null without loops (tests): they come on the model's thread.
    std::shared_ptr<model::AnswerSink> sink(const pipeline::LoopParts* parts) const;

    /// A flag that is set when nobody waits for this exchange's answer any more. `parts` null (tests): as soon as the client closes
    /// its side.
    Flag watch(const http::ExchangePtr& exchange, pipeline::LoopParts* parts);

    void on_loop_start(pipeline::LoopParts& parts) override;
    void on_loop_stop(pipeline::LoopParts& parts) override;
    /// How many loops there will be; before the first starts.
    void prepare_loops(unsigned loops);

  private:
    class OfLoop;
    std::vector<std::shared_ptr<OfLoop>> loops_;  // By index; each slot is its loop's.
};

}  // namespace tidegate::inference
