#include "audit/segments/segment_log.h"

#include <fmt/format.h>
#include <pthread.h>

namespace tidegate::audit::segments {
namespace {

// Batches kept for use again: 16 MiB of buffers. More are in use only while the disk stands still.
constexpr std::size_t kFreeBatchesMax = 16;
// A thread's buffer for encoding goes back to this after a large record.
constexpr std::size_t kScratchBytesKept = 256 * 1024;

// Where a thread encodes and hashes before it takes the lock.
struct Scratch {
    std::vector<std::uint8_t> payload;
    std::vector<std::uint32_t> offsets;
    std::vector<RecordKeys> keys;
    std::vector<Sha256> leaves;

    void clear() {
        if (payload.capacity() > kScratchBytesKept) *this = {};
        payload.clear();
        offsets.clear();
        keys.clear();
        leaves.clear();
    }
    void add(const Decision& decision, UnixMillis recorded, std::uint64_t seed) {
        const std::size_t begin = payload.size();
        const std::size_t size = encoded_size(decision);
        payload.resize(begin + 4 + size);
        put(payload.data() + begin, static_cast<std::uint32_t>(size));
        encode(decision, recorded, std::span(payload).subspan(begin + 4));
        offsets.push_back(static_cast<std::uint32_t>(begin));
        keys.push_back(keys_of(seed, decision, recorded));
        // A record is below 16 MiB, so the last byte of its length is the zero that a leaf hash begins with.
        leaves.push_back(leaf_hash_prefixed(Bytes(payload).subspan(begin + 3, 1 + size)));
    }
};

std::size_t payload_max(const SegmentLogOptions& options) {
    const auto room = static_cast<std::size_t>(options.segment_bytes - 2 * kBlockBytes - kBatchHeaderBytes);
    return std::min(kPayloadBytesMax, room);
}

}  // namespace

Result<std::unique_ptr<SegmentLog>> SegmentLog::open(std::unique_ptr<LogFolder> folder, SegmentLogOptions options,
                                                     const Clock& clock, Random& random) {
    // 4 GiB: offsets within a segment have 32 bits.
    if (options.segment_bytes % kBlockBytes != 0 || options.segment_bytes < 64ULL * 1024 ||
        options.segment_bytes > (1ULL << 32U) || options.batch_bytes_max < kBlockBytes ||
        options.batch_bytes_max > kPayloadBytesMax) {
        return fail(ErrorCode::kInvalidArgument,
                    "the record's log: segments are 64 KiB to 4 GiB in blocks of 4,096 bytes, batches 4 KiB to 16 MiB");
    }
    TG_CHECK(folder->take());
    TG_TRY(Recovered recovered, recover(*folder, options.index_handles_max, random));
    std::optional<OpenSegment> open = std::move(recovered.open);
    std::vector<SealJob> unsealed = std::move(recovered.unsealed);
    std::unique_ptr<SegmentLog> log(new SegmentLog(std::move(folder), std::move(options), clock, std::move(recovered)));
    TG_CHECK(log->start(std::move(open), std::move(unsealed)));
    return log;
}

SegmentLog::SegmentLog(std::unique_ptr<LogFolder> folder, SegmentLogOptions options, const Clock& clock,
                       Recovered recovered)
    : options_(std::move(options)),
      clock_(clock),
      folder_(std::move(folder)),
      log_id_(recovered.head.log_id),
      seed_(get<std::uint64_t>(log_id_.data())),
      report_(recovered.report),
      reader_(*folder_, catalog_, seed_),
      next_leaf_(recovered.tree.size()),
      tree_(recovered.tree),
      folding_(recovered.tree) {
    for (auto& entry : recovered.entries) catalog_.push(std::move(entry));
    keeper_ = std::make_unique<Keeper>(KeeperOptions{.segment_bytes = options_.segment_bytes,
                                                     .spares_ahead = options_.spares_ahead,
                                                     .index_handles_max = options_.index_handles_max,
                                                     .retry_interval = options_.probe_interval},
                                       *folder_, catalog_, recovered.head, recovered.next_generation,
                                       std::move(recovered.spares));
}

Result<void> SegmentLog::start(std::optional<OpenSegment> open, std::vector<SealJob> unsealed) {
    for (SealJob& job : unsealed) keeper_->seal(std::move(job));
    if (open) {
        segment_ = std::move(open);
        TG_TRY(file_, folder_->open_write(segment_name(segment_->header.generation)));
    } else {
        TG_CHECK(begin_segment());
    }
    writer_ = std::thread([this] { write_loop(); });
    ::pthread_setname_np(writer_.native_handle(), "audit:write");
    finisher_ = std::thread([this] { finish_loop(); });
    ::pthread_setname_np(finisher_.native_handle(), "audit:finish");
    return {};
}

SegmentLog::~SegmentLog() {
    close();
}

void SegmentLog::append_group(std::span<const Decision> decisions, Done done) {
    Result<void> accepted;
    if (decisions.empty()) accepted = fail(ErrorCode::kInvalidArgument, "decision: an empty group");
    std::size_t bytes = 0;
    for (const Decision& decision : decisions) {
        if (accepted) accepted = check(decision);
        bytes += 4 + encoded_size(decision);
    }
    if (accepted && bytes > payload_max(options_)) {
        accepted = fail(
            ErrorCode::kTooLarge,
            fmt::format("decisions that stay together may have {} bytes, these have {}", payload_max(options_), bytes));
    }
    thread_local Scratch scratch;
    scratch.clear();
    if (!accepted) {
        const Lock lock(mutex_);
        health_.refused_invalid += decisions.size();
    } else {
        const UnixMillis recorded = std::max<UnixMillis>(0, clock_.unix_ms());
        for (const Decision& decision : decisions) scratch.add(decision, recorded, seed_);
    }
    hand_over(std::move(accepted), {scratch.payload, scratch.offsets, scratch.keys, scratch.leaves, std::nullopt},
              std::move(done));
}

void SegmentLog::append_encoded(const EncodedGroup& group, Done done) {
    Result<void> accepted;
    if (group.keys.empty() || group.payload.size() > payload_max(options_)) {
        accepted = fail(ErrorCode::kTooLarge,
                        fmt::format("a group is 1 record to {} bytes of them, this one has {} in {} bytes",
                                    payload_max(options_), group.keys.size(), group.payload.size()));
        const Lock lock(mutex_);
        health_.refused_invalid += group.keys.size();
    }
    hand_over(std::move(accepted), group, std::move(done));
}

void SegmentLog::hand_over(Result<void> accepted, const EncodedGroup& group, Done done) {
    bool wake = false;
    if (accepted) accepted = enqueue(group, done, wake);
    if (!accepted) {
        if (done) done(std::unexpected(std::move(accepted).error()));
    } else if (wake) {
        wake_.notify_one();
    }
}

// A batch states one source: the groups in it have one partition and one origin.
bool SegmentLog::joins_filling(const EncodedGroup& group) const {
    if (!filling_->has_room(group.payload.size())) return false;
    if (filling_->records() + group.keys.size() > kSegmentRecordsMax) return false;
    return !group.source || !filling_->source ||
           (group.source->partition == filling_->source->partition && group.source->origin == filling_->source->origin);
}

// On success `done` has been moved into a batch.
Result<void> SegmentLog::enqueue(const EncodedGroup& group, Done& done, bool& wake) {
    const auto& [payload, offsets, keys, leaves, source] = group;
    const Lock lock(mutex_);
    if (closing_) return fail(ErrorCode::kUnavailable, "the record's log is closing");
    if (health_.degraded) {
        health_.refused_degraded += keys.size();
        return fail(ErrorCode::kUnavailable, health_.reason);
    }
    if (health_.queue_records + keys.size() > options_.queue_records_max ||
        health_.queue_bytes + payload.size() > options_.queue_bytes_max) {
        health_.refused_full += keys.size();
        return fail(ErrorCode::kUnavailable, "the record's log has too many records waiting");
    }
    if (filling_ != nullptr && !joins_filling(group)) {
        closed_.push_back(std::move(filling_));
        wake = true;
    }
    if (filling_ == nullptr) filling_ = make_batch(payload.size());
    filling_->add(payload, offsets, keys, leaves, std::move(done));
    if (source) filling_->source = source;
    health_.queue_records += keys.size();
    health_.queue_bytes += payload.size();
    ++accepted_;
    if (asleep_ || filling_->groups.size() == wake_at_groups_) {
        asleep_ = false;
        wake = true;
    }
    return {};
}

std::unique_ptr<Batch> SegmentLog::make_batch(std::size_t payload) {
    const std::size_t wanted = kBatchHeaderBytes + payload;
    if (wanted > options_.batch_bytes_max) return std::make_unique<Batch>(wanted);
    if (free_.empty()) return std::make_unique<Batch>(options_.batch_bytes_max);
    std::unique_ptr<Batch> batch = std::move(free_.back());
    free_.pop_back();
    return batch;
}

void SegmentLog::recycle(std::unique_ptr<Batch> batch) {
    if (batch->capacity_bytes > options_.batch_bytes_max + kBlockBytes) return;
    batch->clear();
    const Lock lock(mutex_);
    if (free_.size() < kFreeBatchesMax) free_.push_back(std::move(batch));
}

void SegmentLog::flush() {
    const Lock lock(mutex_);
    const std::uint64_t wanted = accepted_;
    while (finished_ < wanted) progressed_.wait(mutex_);
}

void SegmentLog::close() {
    {
        const Lock lock(mutex_);
        closing_ = true;
    }
    wake_.notify_one();
    if (writer_.joinable()) writer_.join();
    {
        const Lock lock(items_mutex_);
        items_end_ = true;
    }
    items_wake_.notify_one();
    if (finisher_.joinable()) finisher_.join();
    keeper_->stop();
    file_.reset();
}

MerkleStack SegmentLog::tree() const {
    const Lock lock(mutex_);
    return tree_;
}

SegmentLogHealth SegmentLog::health() const {
    SegmentLogHealth health;
    {
        const Lock lock(mutex_);
        health = health_;
    }
    health.keeper = keeper_->health();
    return health;
}

LogHealth SegmentLog::log_health() const {
    const SegmentLogHealth own = health();
    LogHealth health;
    health.degraded = own.degraded;
    health.reason = own.reason;
    health.degraded_since = own.degraded_since;
    health.appended = own.appended;
    health.failed = own.failed;
    health.refused_full = own.refused_full + own.refused_degraded;
    health.refused_invalid = own.refused_invalid;
    health.commits = own.batches;
    health.commit_failures = own.write_failures;
    health.queue_records = own.queue_records;
    health.queue_bytes = own.queue_bytes;
    health.commit_us_last = own.write_us_last;
    health.commit_us_max = own.write_us_max;
    health.size = tree().size();
    health.first = reader_.first_leaf();
    health.note = own.keeper.reason;
    return health;
}

Result<void> SegmentLog::remove_before(std::uint64_t leaf) {
    drop_before(leaf);
    settle();
    if (reader_.first_leaf() >= leaf) return {};
    return fail(ErrorCode::kUnavailable, "the segments could not be removed yet: " + keeper_->health().reason);
}

void SegmentLog::settle() {
    flush();
    keeper_->settle();
}

}  // namespace tidegate::audit::segments
