// LoopSink: answers of a batcher to one event loop, one post for all requests of a pass.
//
// Guarantee   `done` runs on the loop's thread; at once when deliver() is called there (inline passes, refusals).
// When it fails  The loop has ended: the answers are dropped, nobody is there to hear them.
// Use         One a loop, kept with it: `request.sink = sink;`
#pragma once

#include <memory>

#include "model/batcher.h"
#include "runtime/event_loop.h"

namespace tidegate::model {

class LoopSink final : public AnswerSink {
  public:
    explicit LoopSink(std::shared_ptr<runtime::Mailbox> mailbox) : mailbox_(std::move(mailbox)) {}
    void deliver(std::span<Answered> answers) override;

  private:
    const std::shared_ptr<runtime::Mailbox> mailbox_;
};

}  // namespace tidegate::model
