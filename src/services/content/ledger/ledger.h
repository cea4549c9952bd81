// Ledger: everything that changes the books, by one thread, many changes to a commit.
//
// Guarantee   A change is told of when the disk has it, and then it is there once: whoever repeats it under its idempotency key gets the same
//             answer, also after a kill, for kAnswerKept. The same key with another question is kConflict. A change that fails leaves nothing behind, not
//             even its key.
// Algorithm   One writer thread; each change in a savepoint, all that wait in one transaction of at most kBatchTime, one fsync. A failed commit
//             fails them all; where it had no answer (PostgreSQL) that is said, and the key tells. What another server's writer made fail is
//             repeated, kRepeatsMax times; where it holds one of the batch's tenants for too long each tenant is written for itself, so that
//             the others' changes are done.
// Memory      kQueueMax changes, of one tenant a half.
// Threads     submit() any; `done` on the writer's thread. read() any; who finds all readers lent waits for kReaderWait.
// When full   kUnavailable; kResourceExhausted: the tenant has its share.
#pragma once

#include <atomic>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "base/hash.h"
#include "base/mutex.h"
#include "services/content/ledger/books.h"

namespace tidegate::content {

struct LedgerAnswer {
    int status = 200;
    std::string body;
    bool repeated = false;  // It was given before, under the same key.
};

class Ledger {
  public:
    using Work = std::move_only_function<Result<LedgerAnswer>(Books& books)>;
    using Done = std::move_only_function<void(Result<LedgerAnswer>)>;
    struct Change {
        Actor actor;
        std::string key;  // Empty: the change is made whenever it is asked for.
        Sha256 digest{};  // Of the question, with `key`.
        Work work;        // Changes nothing of its own: it may be called again.
        Done done;
    };
    /// How long an answer is kept for its key.
    static constexpr Duration kAnswerKept = std::chrono::hours(24);
    static constexpr std::size_t kQueueMax = 4'096;
    static constexpr std::size_t kTenantQueueMax = kQueueMax / 2;
    static constexpr int kRepeatsMax = 3;
    /// Of the changes of one transaction: who holds a tenant holds up all servers. One change may take longer.
    static constexpr Duration kBatchTime = std::chrono::milliseconds(200);
    static constexpr Duration kReaderWait = std::chrono::seconds(2);
    /// Of stop(): what still waits then is refused.
    static constexpr Duration kStopPatience = std::chrono::seconds(10);

    static Result<std::unique_ptr<Ledger>> open(std::unique_ptr<BookHome> home, const Clock& clock, Random& random);
    ~Ledger();

    /// `done` is always called, once.
    void submit(Change change);
    /// With a connection of its own: sees what was told of before.
    Result<void> read(const std::function<Result<void>(Books& books)>& look);
    /// Does what waits, for at most kStopPatience, then no more. Once; the destructor does it too.
    void stop();

    std::uint64_t changes() const noexcept { return changes_.load(); }
    std::uint64_t commits() const noexcept { return commits_.load(); }
    std::uint64_t refused() const noexcept { return refused_.load(); }
    std::uint64_t repeats() const noexcept { return repeats_.load(); }
    std::size_t waiting() const;

  private:
    Ledger(std::unique_ptr<BookHome> home, const Clock& clock, Random& random)
        : home_(std::move(home)), clock_(clock), random_(random) {}
    void run();
    std::vector<Change> next_batch() TG_REQUIRES(mutex_);
    /// Changes there was no time for go back to the queue's head.
    void put_back(std::vector<Change> changes);
    /// Writes what there is time for; `batch` holds the rest then.
    void commit_batch(std::vector<Change>& batch);
    void commit_by_tenant(std::vector<Change> batch);
    void forget_answers();
    Result<void> write_batch(std::vector<Change>& batch, std::vector<Result<LedgerAnswer>>& answers);
    Result<LedgerAnswer> make(Change& change);
    Result<LedgerAnswer> make_once(Change& change);
    Result<std::unique_ptr<Books>> borrow();
    void give_back(std::unique_ptr<Books> books);

    const std::unique_ptr<BookHome> home_;
    const Clock& clock_;
    Random& random_;
    std::unique_ptr<Books> books_;  // The writer's alone once it runs.
    Mutex readers_mutex_;
    Condition returned_;
    std::vector<std::unique_ptr<Books>> readers_ TG_GUARDED_BY(readers_mutex_);
    std::size_t lent_ TG_GUARDED_BY(readers_mutex_) = 0;
    mutable Mutex mutex_;
    std::deque<Change> queue_ TG_GUARDED_BY(mutex_);
    std::map<std::string, std::size_t, std::less<>> queued_of_ TG_GUARDED_BY(mutex_);  // By tenant.
    UnixMillis forgotten_ms_ = 0;                                                      // The writer's.
    bool stopping_ TG_GUARDED_BY(mutex_) = false;
    bool given_up_ TG_GUARDED_BY(mutex_) = false;
    bool done_ TG_GUARDED_BY(mutex_) = false;  // The writer has ended.
    Condition wake_, ended_;
    std::atomic<std::uint64_t> changes_{0}, commits_{0}, refused_{0}, repeats_{0};
    std::thread writer_;
};

}  // namespace tidegate::content
