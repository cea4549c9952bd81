// Caretaker: the slow work on the log's file that nobody should wait for: checkpoints, and the check of a large file.
//
// Why         A checkpoint syncs the WAL and the database: 8 ms on a network disk, three times a second at 3,000
//             rows/s. In the writer that was the 99th percentile of every answer.
// Threads     One of its own, with a connection of its own. checkpoint_soon() from any thread, never blocks.
#pragma once

#include <functional>
#include <memory>
#include <thread>

#include "audit/sqlite_log.h"
#include "base/mutex.h"
#include "store/sqlite.h"

namespace tidegate::audit {

class Caretaker {
  public:
    using Told = std::function<void(const Result<void>&)>;
    /// With `check` it begins with a quick check of the file. The callbacks run on its thread; `checked` not at all
    /// when the check is cut short by the end.
    static Result<std::unique_ptr<Caretaker>> start(const SqliteLogOptions& options, bool check, Told checked,
                                                    Told checkpointed);
    ~Caretaker();
    Caretaker(const Caretaker&) = delete;
    Caretaker& operator=(const Caretaker&) = delete;

    void checkpoint_soon();

  private:
    Caretaker(store::Database database, bool check, Told checked, Told checkpointed);
    void run(bool check);

    store::Database database_;
    const Told checked_;
    const Told checkpointed_;
    Mutex mutex_;
    Condition wake_;
    bool wanted_ TG_GUARDED_BY(mutex_) = false;
    bool stopping_ TG_GUARDED_BY(mutex_) = false;
    std::thread thread_;
};

}  // namespace tidegate::audit
