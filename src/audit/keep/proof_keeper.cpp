#include "audit/keep/proof_keeper.h"

#include <fmt/format.h>

#include <limits>

#include "base/strings.h"

namespace tidegate::audit::keep {
namespace {

constexpr std::uint64_t kNever = std::numeric_limits<std::uint64_t>::max();
constexpr std::size_t kFeedLeaves = 4096;  // 128 KiB a write.

UnixMillis time_of(const proof::Checkpoint& checkpoint) {
    for (const std::string& line : checkpoint.extensions) {
        if (!line.starts_with("time ")) continue;
        if (const auto time = parse_u64(std::string_view(line).substr(5))) return static_cast<UnixMillis>(*time);
    }
    return 0;
}

std::string checkpoint_path(const ProofOptions& options) {
    return options.folder + "/checkpoints";
}

}  // namespace

ProofKeeper::ProofKeeper(ProofOptions options, proof::SigningKey key, const LogStore& log, const Clock& clock,
                         std::unique_ptr<proof::TileStore> tiles)
    : options_(std::move(options)), key_(std::move(key)), log_(log), clock_(clock), tiles_(std::move(tiles)) {}

Result<std::unique_ptr<ProofKeeper>> ProofKeeper::open(ProofOptions options, proof::SigningKey key, const LogStore& log,
                                                       const Clock& clock) {
    TG_TRY(auto tiles, proof::TileStore::open(options.folder + "/tiles"));
    std::unique_ptr<ProofKeeper> made(
        new ProofKeeper(std::move(options), std::move(key), log, clock, std::move(tiles)));
    TG_CHECK(made->recover());
    if (made->options_.background) made->thread_ = std::thread([self = made.get()] { self->run(); });
    return made;
}

ProofKeeper::~ProofKeeper() {
    stop();
}

// What was refused: health() has the reason already.
std::unexpected<Error> ProofKeeper::refuse(std::string reason) {
    {
        const Lock lock(mutex_);
        health_.degraded = health_.refuses = true;
        health_.reason = reason;
    }
    wake_at_.store(kNever, std::memory_order_relaxed);
    return fail(ErrorCode::kDataLoss, std::move(reason));
}

Result<void> ProofKeeper::recover() {
    const segments::MerkleStack tree = log_.tree();
    const proof::TreeHead head{tree.size(), tree.root()};
    const std::uint64_t kept = tiles_->size();
    if (kept > head.size) TG_CHECK(tiles_->truncate(head.size));
    bool whole = tiles_->size() >= log_.reader().first_leaf();
    if (whole) {
        TG_CHECK(feed(head.size));
        TG_TRY(whole, agrees(head));
        if (!whole) {
            TG_CHECK(rebuild(head));
            TG_TRY(whole, agrees(head));
        }
    }
    if (!whole) {
        hashes_lost_ = tiles_->size() < log_.reader().first_leaf();
        static_cast<void>(
            refuse(fmt::format("the hashes of the tree do not lead to the log's root, and they cannot be made again: "
                               "the records before leaf {} "
                               "are removed",
                               log_.reader().first_leaf())));
    }
    {
        const Lock lock(mutex_);
        health_.rebuilt_leaves = tiles_->size() - std::min(kept, tiles_->size());
    }
    return read_last(head.size);
}

// Appends the hashes of the records from where the tiles end.
Result<void> ProofKeeper::feed(std::uint64_t end) {
    proof::HashPath leaves;
    leaves.reserve(kFeedLeaves);
    Result<void> appended;
    TG_CHECK(log_.reader().scan(tiles_->size(), end, [&](std::uint64_t, segments::Bytes record) {
        leaves.push_back(segments::leaf_hash(record));
        if (leaves.size() < kFeedLeaves) return true;
        appended = tiles_->append(leaves);
        leaves.clear();
        return appended.has_value();
    }));
    TG_CHECK(std::move(appended));
    return tiles_->append(leaves);
}

Result<bool> ProofKeeper::agrees(const proof::TreeHead& head) const {
    if (tiles_->size() < head.size) return false;
    const auto root = proof::root_of(*tiles_, head.size);
    if (!root && root.error().code == ErrorCode::kNotFound) return false;
    if (!root) return std::unexpected(root.error());
    return *root == head.root;
}

// Goes back to a tree that the log states and the tiles agree with, else to the beginning. Each step is twice as long as the one
// before it: a log in a database states one for each of its blocks, millions of them.
Result<void> ProofKeeper::rebuild(const proof::TreeHead& head) {
    std::uint64_t at = head.size;
    for (std::uint64_t step = 1;; step *= 2) {
        TG_TRY(const auto stated, log_.reader().tree_before(at));
        if (!stated) return {};
        TG_TRY(const bool good, agrees({stated->size(), stated->root()}));
        if (good) {
            TG_CHECK(tiles_->truncate(stated->size()));
            return feed(head.size);
        }
        if (stated->size() <= log_.reader().first_leaf()) return {};
        // The last one asked for is the tree before the first record that is left.
        at = std::max(log_.reader().first_leaf(), stated->size() - std::min(stated->size(), step));
    }
}

Result<void> ProofKeeper::read_last(std::uint64_t log_size) {
    TG_TRY(auto file, proof::CheckpointFile::open(checkpoint_path(options_)));
    last_ = file.last();
    const std::string note = file.last_note();
    checkpoints_.emplace(std::move(file));
    wake_at_.store((last_ ? last_->size : 0) + options_.records, std::memory_order_relaxed);
    if (!last_) return {};
    const auto checkpoint = proof::open_checkpoint(note, {key_.verifier()});
    if (!checkpoint) {
        static_cast<void>(refuse("the last checkpoint was not signed by audit.signing_key under audit.origin"));
        return {};
    }
    {
        const Lock lock(mutex_);
        latest_ = std::make_shared<SignedHead>(SignedHead{*last_, time_of(*checkpoint), note});
        health_.signed_leaves = last_->size;
        health_.signed_at = latest_->time;
    }
    if (last_->size > log_size) {
        static_cast<void>(refuse(
            fmt::format("the log ends at leaf {}, and a checkpoint says that it had {}: its end was cut off or it was "
                        "rolled back",
                        log_size, last_->size)));
        return {};
    }
    TG_TRY(const bool same, agrees(*last_));
    if (!same) {
        static_cast<void>(
            refuse(fmt::format("the records do not lead to the root that was signed for {} leaves", last_->size)));
    }
    return {};
}

Result<void> ProofKeeper::follow(const DurableRecords& records) {
    // It has said so, and refuses for good: the log goes on without it.
    if (hashes_lost_) {
        passed_.store(records.end(), std::memory_order_release);
        return {};
    }
    if (tiles_broken_) {
        TG_CHECK(tiles_->truncate(tiles_->size()));
        tiles_broken_ = false;
    }
    if (records.first_leaf != tiles_->size()) {
        return refuse(fmt::format("the hashes of leaves {} to {} are missing", tiles_->size(), records.first_leaf - 1));
    }
    auto appended = tiles_->append(records.leaves);
    tiles_broken_ = !appended;
    if (appended && tiles_->size() >= wake_at_.load(std::memory_order_relaxed)) {
        {
            const Lock lock(mutex_);  // So that the thread is either before its look or in its wait.
        }
        wake_.notify_one();
    }
    return appended;
}

void ProofKeeper::run() {
    for (;;) {
        {
            const Lock lock(mutex_);
            while (!stopping_ && tiles_->size() < wake_at_.load(std::memory_order_relaxed)) {
                if (!wake_.wait_for(mutex_, options_.interval)) break;
            }
            if (stopping_) return;
        }
        const auto made = sign_now();
        // What waits for the log, or failed, waits for the next record or the next interval.
        const std::uint64_t at_once = made ? tiles_->size() + 1 : kNever;
        const std::uint64_t due = health().signed_leaves + options_.records;
        wake_at_.store(std::max(due, at_once), std::memory_order_relaxed);
    }
}

void ProofKeeper::stop() {
    {
        const Lock lock(mutex_);
        if (stopping_) return;
        stopping_ = true;
    }
    wake_.notify_one();
    if (!thread_.joinable()) return;
    thread_.join();
    static_cast<void>(sign_now());
}

void ProofKeeper::note_failure(const Error& error) {
    const Lock lock(mutex_);
    ++health_.failures;
    health_.degraded = true;
    if (!health_.refuses) health_.reason = error.message;
}

Result<bool> ProofKeeper::sign_now() {
    const Turn turn(signing_);
    {
        const Lock lock(mutex_);
        if (health_.refuses) return fail(ErrorCode::kDataLoss, health_.reason);
    }
    const segments::MerkleStack tree = log_.tree();
    const proof::TreeHead head{tree.size(), tree.root()};
    if (head.size == 0 || (last_ && head.size == last_->size)) return false;
    auto made = sign(head);
    if (!made) note_failure(made.error());
    return made;
}

// Everything that must be so before a root is signed.
Result<void> ProofKeeper::check_head(const proof::TreeHead& head) const {
    if (tiles_->size() < head.size) return fail(ErrorCode::kUnavailable, "the tiles are behind the log");
    TG_TRY(const bool same, agrees(head));
    if (!same) return fail(ErrorCode::kDataLoss, "the hashes of the tree do not lead to the log's root");
    if (!last_) return {};
    if (head.size < last_->size) return fail(ErrorCode::kDataLoss, "the log is shorter than what was signed");
    TG_TRY(const bool goes_on, agrees(*last_));
    if (!goes_on) return fail(ErrorCode::kDataLoss, "the hashes of the tree do not lead to the root signed last");
    return {};
}

Result<bool> ProofKeeper::sign(const proof::TreeHead& head) {
    if (const auto checked = check_head(head); !checked) {
        if (checked.error().code == ErrorCode::kDataLoss) return refuse(checked.error().message);
        return std::unexpected(checked.error());
    }
    // After a sync that failed nobody knows what the disk holds; the next start compares and makes the tiles again.
    if (const auto synced = tiles_->sync(); !synced) {
        return refuse("the tiles could not be synced, restart to make them again: " + synced.error().message);
    }
    if (!checkpoints_) {
        TG_TRY(auto file, proof::CheckpointFile::open(checkpoint_path(options_)));
        last_ = file.last();
        checkpoints_.emplace(std::move(file));
        if (last_ && head.size <= last_->size) return false;
    }
    const UnixMillis now = clock_.unix_ms();
    const std::string note = proof::sign_checkpoint(head, now, key_);
    if (auto appended = checkpoints_->append(note); !appended) {
        checkpoints_.reset();
        return std::unexpected(std::move(appended).error());
    }
    last_ = head;
    const Lock lock(mutex_);
    latest_ = std::make_shared<SignedHead>(SignedHead{head, now, note});
    health_.degraded = false;
    health_.reason.clear();
    health_.signed_leaves = head.size;
    health_.signed_at = now;
    ++health_.checkpoints;
    return true;
}

std::shared_ptr<const SignedHead> ProofKeeper::latest() const {
    const Lock lock(mutex_);
    return latest_;
}

ProofHealth ProofKeeper::health() const {
    const Lock lock(mutex_);
    ProofHealth health = health_;
    health.leaves = tiles_->size();
    return health;
}

Result<ProofKeeper::Inclusion> ProofKeeper::prove(std::uint64_t leaf) const {
    auto head = latest();
    if (head == nullptr || leaf >= head->head.size) {
        return fail(ErrorCode::kUnavailable, "no checkpoint covers this record yet");
    }
    TG_TRY(proof::HashPath path, proof::inclusion_proof(*tiles_, leaf, head->head.size));
    return Inclusion{std::move(head), std::move(path)};
}

Result<proof::Receipt> ProofKeeper::receipt(const segments::Record& record) const {
    TG_TRY(Inclusion inclusion, prove(record.leaf));
    std::string bytes(segments::encoded_size(record.decision), '\0');
    segments::encode(record.decision, record.recorded, {reinterpret_cast<std::uint8_t*>(bytes.data()), bytes.size()});
    if (!proof::inclusion_holds(proof::leaf_hash(bytes), record.leaf, inclusion.head->head, inclusion.path)) {
        return fail(ErrorCode::kDataLoss, "the record does not lead to the signed root; verify the log");
    }
    return proof::Receipt{.record = std::move(bytes),
                          .leaf = record.leaf,
                          .path = std::move(inclusion.path),
                          .checkpoint = inclusion.head->note};
}

Result<void> ProofKeeper::prune(std::uint64_t leaf) {
    const Turn turn(signing_);
    return tiles_->prune(leaf);
}

}  // namespace tidegate::audit::keep
