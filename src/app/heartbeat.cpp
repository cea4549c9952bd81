#include "app/heartbeat.h"

namespace tidegate::app {

void Heartbeat::on_loop_start(pipeline::LoopParts& parts) {
    const Lock lock(mutex_);
    if (loops_.size() <= parts.index) loops_.resize(parts.index + 1);
    loops_[parts.index] = parts.loop.mailbox();
}

void Heartbeat::on_loop_stop(pipeline::LoopParts& parts) {
    const Lock lock(mutex_);
    if (parts.index < loops_.size()) loops_[parts.index].reset();
}

bool Heartbeat::beats(Duration wait_max) {
    struct Round {
        Mutex mutex;
        Condition answered;
        std::size_t missing TG_GUARDED_BY(mutex) = 0;
    };
    std::vector<std::shared_ptr<runtime::Mailbox>> loops;
    {
        const Lock lock(mutex_);
        loops = loops_;
    }
    // A loop may answer when nobody waits any more.
    const auto round = std::make_shared<Round>();
    for (const auto& loop : loops) {
        if (!loop) continue;
        {
            const Lock lock(round->mutex);
            ++round->missing;
        }
        const bool posted = loop->post([round] {
            const Lock lock(round->mutex);
            if (--round->missing == 0) round->answered.notify_all();
        });
        if (posted) continue;
        const Lock lock(round->mutex);
        --round->missing;
    }
    const SystemClock clock;
    const SteadyTime until = clock.now() + wait_max;
    const Lock lock(round->mutex);
    while (round->missing > 0) {
        const Duration left = until - clock.now();
        if (left <= Duration::zero()) return false;
        round->answered.wait_for(round->mutex, left);
    }
    return true;
}

}  // namespace tidegate::app
