// Turn: one at a time for slow work. As a mutex, but nobody holds a lock while the disk works: the others wait for their turn.
#pragma once

#include "base/mutex.h"

namespace tidegate::audit::keep {

class Turns {
  public:
    void take() {
        const Lock lock(mutex_);
        while (taken_) given_.wait(mutex_);
        taken_ = true;
    }
    void give() {
        {
            const Lock lock(mutex_);
            taken_ = false;
        }
        given_.notify_one();
    }

  private:
    Mutex mutex_;
    Condition given_;
    bool taken_ TG_GUARDED_BY(mutex_) = false;
};

/// From its making to its end it is this thread's turn.
class Turn {
  public:
    explicit Turn(Turns& turns) : turns_(turns) { turns_.take(); }
    ~Turn() { turns_.give(); }
    Turn(const Turn&) = delete;
    Turn& operator=(const Turn&) = delete;

  private:
    Turns& turns_;
};

}  // namespace tidegate::audit::keep
