// Reaper: ends models on a thread of its own, whoever held them last.
//
// Guarantee   A Model's end (closing its batcher, giving back the session's memory) never runs on an event loop or on an instance of its
//             own batcher, where the last answer often lets go of it.
// Threads     Every member from any thread; finish() once.
#pragma once

#include <memory>
#include <thread>
#include <vector>

#include "base/mutex.h"
#include "model/model.h"

namespace tidegate::model {

class Reaper : public std::enable_shared_from_this<Reaper> {
  public:
    static std::shared_ptr<Reaper> start();
    ~Reaper();
    Reaper(const Reaper&) = delete;
    Reaper& operator=(const Reaper&) = delete;

    /// The model, which comes back here when its last holder lets go.
    ModelPtr adopt(std::unique_ptr<Model> model);
    /// Waits until every model that was adopted has ended, then ends the thread.
    void finish();

  private:
    Reaper() = default;
    void take(std::unique_ptr<Model> model) TG_EXCLUDES(mutex_);
    void run() TG_EXCLUDES(mutex_);

    Mutex mutex_;
    Condition wake_;
    Condition ended_;
    std::vector<std::unique_ptr<Model>> waiting_ TG_GUARDED_BY(mutex_);
    std::size_t living_ TG_GUARDED_BY(mutex_) = 0;
    bool stopping_ TG_GUARDED_BY(mutex_) = false;
    std::thread thread_;
};

}  // namespace tidegate::model
