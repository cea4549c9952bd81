#include "audit/caretaker.h"

#include <utility>

namespace tidegate::audit {

Result<std::unique_ptr<Caretaker>> Caretaker::start(const SqliteLogOptions& options, bool check, Told checked,
                                                    Told checkpointed) {
    const auto synchronous =
        options.durability == Durability::kDisk ? store::Synchronous::kFull : store::Synchronous::kNormal;
    TG_TRY(store::Database database,
           store::Database::open(
               {.path = options.path, .synchronous = synchronous, .wal_autocheckpoint_pages = 0, .vfs = options.vfs}));
    return std::unique_ptr<Caretaker>(
        new Caretaker(std::move(database), check, std::move(checked), std::move(checkpointed)));
}

Caretaker::Caretaker(store::Database database, bool check, Told checked, Told checkpointed)
    : database_(std::move(database)),
      checked_(std::move(checked)),
      checkpointed_(std::move(checkpointed)),
      thread_([this, check] { run(check); }) {}

Caretaker::~Caretaker() {
    {
        const Lock lock(mutex_);
        stopping_ = true;
    }
    wake_.notify_one();
    database_.interrupt();
    thread_.join();
    // A new statement takes the interrupt back; else it would stop the checkpoint that closing the last connection makes.
    static_cast<void>(database_.integer("SELECT 1"));
}

void Caretaker::checkpoint_soon() {
    {
        const Lock lock(mutex_);
        if (std::exchange(wanted_, true)) return;
    }
    wake_.notify_one();
}

void Caretaker::run(bool check) {
    if (check) {
        const Result<void> sound = database_.quick_check();
        bool cut_short = false;
        {
            const Lock lock(mutex_);
            cut_short = stopping_;
        }
        if (!cut_short) checked_(sound);
    }
    for (;;) {
        {
            const Lock lock(mutex_);
            while (!wanted_ && !stopping_) wake_.wait(mutex_);
            if (stopping_) return;
        }
        const Result<bool> moved = database_.passive_checkpoint();
        checkpointed_(moved ? Result<void>{} : std::unexpected(moved.error()));
        // Only now, so that the writer does not ask again for what is being done.
        const Lock lock(mutex_);
        wanted_ = false;
    }
}

}  // namespace tidegate::audit
