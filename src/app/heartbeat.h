// Heartbeat: do the event loops still turn? What the service manager's watchdog hangs on.
//
// Guarantee   beats() is true when each loop has run a task that was posted to it within the time given. A server that is busy or refuses
//             work answers too: only a loop that is stuck does not.
// Threads     The listener's calls on the loops, beats() on one other thread.
#pragma once

#include <memory>
#include <vector>

#include "base/clock.h"
#include "base/mutex.h"
#include "pipeline/loop_parts.h"
#include "runtime/event_loop.h"

namespace tidegate::app {

class Heartbeat final : public pipeline::LoopListener {
  public:
    void on_loop_start(pipeline::LoopParts& parts) override;
    void on_loop_stop(pipeline::LoopParts& parts) override;
    bool beats(Duration wait_max) TG_EXCLUDES(mutex_);

  private:
    Mutex mutex_;
    std::vector<std::shared_ptr<runtime::Mailbox>> loops_ TG_GUARDED_BY(mutex_);
};

}  // namespace tidegate::app
