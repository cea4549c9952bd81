// ProofKeeper: keeps the hashes of the log as tiles and signs what the log has come to, again and again.
//
// Position    A follower of the log (audit/follower.h); the routes of proofs and receipts read from it.
// Guarantee   A checkpoint is signed only over leaves that are durable in the log and whose hashes the tiles hold, synced, when both
//             lead to the same root and the last checkpoint is a beginning of it. Otherwise nothing is signed, now and later, and health() says
//             why: two signed roots that contradict each other cannot be taken back.
// Recovery    At open the tiles are brought to the log's end and compared with its root. Short or wrong ones are made again from the records:
//             from a late size whose tree the log states and they agree with, or from the beginning.
// Threads     follow() on the log's finisher; one thread of its own signs each `interval`, or when `records` have come; all else from any.
// When it fails  A disk that does not take tiles: follow() gives the error and is called again. One that does not take a checkpoint: tried
//             again at the next interval, health() counts.
#pragma once

#include <algorithm>
#include <atomic>
#include <memory>
#include <optional>
#include <string>
#include <thread>

#include "audit/follower.h"
#include "audit/keep/turn.h"
#include "audit/log_store.h"
#include "audit/proof/checkpoint.h"
#include "audit/proof/receipt.h"
#include "audit/proof/tile_store.h"
#include "base/mutex.h"

namespace tidegate::audit::keep {

struct ProofOptions {
    std::string folder;  // Of the log: `tiles/` and `checkpoints` lie in it.
    Duration interval = std::chrono::seconds(1);
    std::uint64_t records = 65'536;
    bool background = true;  // False: only sign_now() signs (tests, tools).
};

/// The newest checkpoint, as it is served.
struct SignedHead {
    proof::TreeHead head;
    UnixMillis time = 0;
    std::string note;
};

struct ProofHealth {
    bool degraded = false;  // It signs no more, or could not the last time; `reason` says why.
    bool refuses = false;   // For good: what it holds contradicts what was signed or what the log says.
    std::string reason;
    std::uint64_t leaves = 0;         // In the tiles.
    std::uint64_t signed_leaves = 0;  // Under the newest checkpoint.
    UnixMillis signed_at = 0;
    std::uint64_t checkpoints = 0;  // Signed since the start.
    std::uint64_t failures = 0;
    std::uint64_t rebuilt_leaves = 0;  // Hashes that were made again from the records at open.
};

class ProofKeeper final : public Follower {
  public:
    /// `log` is open and has not been appended to; it and `clock` outlive stop(). Errors: the disk, or a checkpoint file that is none.
    static Result<std::unique_ptr<ProofKeeper>> open(ProofOptions options, proof::SigningKey key, const LogStore& log,
                                                     const Clock& clock);
    ~ProofKeeper() override;

    std::string_view name() const noexcept override { return "tiles"; }
    std::uint64_t position() const noexcept override {
        return std::max(tiles_->size(), passed_.load(std::memory_order_acquire));
    }
    Result<void> follow(const DurableRecords& records) override;

    /// Ends the thread after a last checkpoint. Once the log is closed; the destructor does it too.
    void stop();
    /// Signs what the log holds now. False: there is nothing new. kDataLoss: it refuses.
    Result<bool> sign_now();

    /// Null: nothing has been signed yet.
    std::shared_ptr<const SignedHead> latest() const;
    const proof::VerifierKey& verifier() const noexcept { return key_.verifier(); }
    const proof::TileStore& tiles() const noexcept { return *tiles_; }
    ProofHealth health() const;

    /// The proof of that leaf under the newest checkpoint. kUnavailable: none covers it yet.
    struct Inclusion {
        std::shared_ptr<const SignedHead> head;
        proof::HashPath path;
    };
    Result<Inclusion> prove(std::uint64_t leaf) const;
    /// Everything that proves `record`. kUnavailable: no checkpoint covers it yet. kDataLoss: the hashes do not lead from it to the root.
    Result<proof::Receipt> receipt(const segments::Record& record) const;
    /// Lets hashes of leaves below `leaf` go, by whole files (16,777,216 leaves).
    Result<void> prune(std::uint64_t leaf);

  private:
    ProofKeeper(ProofOptions options, proof::SigningKey key, const LogStore& log, const Clock& clock,
                std::unique_ptr<proof::TileStore> tiles);
    Result<void> recover();
    Result<void> feed(std::uint64_t end);
    Result<bool> agrees(const proof::TreeHead& head) const;
    Result<void> rebuild(const proof::TreeHead& head);
    Result<void> read_last(std::uint64_t log_size);
    std::unexpected<Error> refuse(std::string reason);
    void run();
    Result<bool> sign(const proof::TreeHead& head);
    Result<void> check_head(const proof::TreeHead& head) const;
    void note_failure(const Error& error);

    const ProofOptions options_;
    const proof::SigningKey key_;
    const LogStore& log_;
    const Clock& clock_;
    const std::unique_ptr<proof::TileStore> tiles_;

    Turns signing_;                                     // Of the next two: the checkpoint file has one writer.
    std::optional<proof::CheckpointFile> checkpoints_;  // None: a write to it failed, it is to be opened again.
    std::optional<proof::TreeHead> last_;               // What it ends with.
    bool tiles_broken_ = false;                         // follow()'s: an append failed half-way.
    bool hashes_lost_ = false;              // Those before the log's first leaf: nothing more is kept. Set at open.
    std::atomic<std::uint64_t> passed_{0};  // Of a log whose hashes are lost: what was handed over.

    mutable Mutex mutex_;
    Condition wake_;
    std::shared_ptr<const SignedHead> latest_ TG_GUARDED_BY(mutex_);
    ProofHealth health_ TG_GUARDED_BY(mutex_);
    bool stopping_ TG_GUARDED_BY(mutex_) = false;
    std::atomic<std::uint64_t> wake_at_{0};  // The size of the tree at which the thread is woken.
    std::thread thread_;
};

}  // namespace tidegate::audit::keep
