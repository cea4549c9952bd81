// The writer and the finisher of SegmentLog.
#include "audit/segments/segment_log.h"

namespace tidegate::audit::segments {

void SegmentLog::write_loop() {
    std::unique_ptr<Batch> batch;
    while (take_batch(batch)) {
        if (batch == nullptr) {
            probe();
            continue;
        }
        batch_begin_ = clock_.now();
        const auto written = write(*batch);
        const std::int64_t took_us = (clock_.now() - batch_begin_).count() / 1000;
        {
            const Lock lock(mutex_);
            health_.write_us_last = took_us;
            health_.write_us_max = std::max(health_.write_us_max, took_us);
        }
        if (!written) {
            fail_all(std::move(batch), written.error());
            continue;
        }
        const std::uint32_t records = batch->records();
        const std::uint64_t offset = segment_->offset;
        segment_->offset += (batch->used + kBlockBytes - 1) / kBlockBytes * kBlockBytes;
        ++segment_->sequence;
        hand_on({.batch = std::move(batch), .live = segment_->live, .first_leaf = next_leaf_, .offset = offset});
        next_leaf_ += records;
    }
}

// False: closing and nothing waits. True without a batch: degraded, and it is time to try the disk.
bool SegmentLog::take_batch(std::unique_ptr<Batch>& batch) {
    const Lock lock(mutex_);
    for (;;) {
        if (health_.degraded) {
            if (closing_) return false;
            if (!wake_.wait_for(mutex_, options_.probe_interval)) return true;
            continue;
        }
        if (closed_.empty() && filling_ != nullptr) gather();
        if (!closed_.empty()) {
            batch = std::move(closed_.front());
            closed_.pop_front();
            company_ = batch->groups.size();
            return true;
        }
        if (filling_ != nullptr) {
            batch = std::move(filling_);
            company_ = batch->groups.size();
            return true;
        }
        if (closing_) return false;
        asleep_ = true;
        wake_.wait(mutex_);
        asleep_ = false;
    }
}

// Waits for the rest of batch_interval when that is worth it. Few callers that wait for their acknowledgement ask again soon after
// it: once as many are there as in the batch before, nobody else is likely to come (alone, nobody waits; with 4 callers the median was
// 2.1 ms and is the time of a write). More than kFewGroups, or callers that do not wait, fill the interval.
void SegmentLog::gather() {
    constexpr std::size_t kFewGroups = 128;
    if (company_ == 0) return;
    wake_at_groups_ = company_ <= kFewGroups ? company_ : 0;
    const SteadyTime end = batch_begin_ + options_.batch_interval;
    for (SteadyTime now = clock_.now(); !closing_ && closed_.empty() && now < end; now = clock_.now()) {
        if (wake_at_groups_ != 0 && filling_->groups.size() >= wake_at_groups_) break;
        // A clock that a test holds still must not keep the batch: one full wait ends it too.
        if (!wake_.wait_for(mutex_, end - now)) break;
    }
    wake_at_groups_ = 0;
}

Result<void> SegmentLog::write(Batch& batch) {
    if (segment_) {
        const std::uint64_t end = segment_->header.file_bytes - kBlockBytes;
        const std::uint64_t needed = (batch.used + kBlockBytes - 1) / kBlockBytes * kBlockBytes;
        const std::uint64_t records = next_leaf_ - segment_->header.first_leaf + batch.records();
        if (segment_->offset + needed > end || records > kSegmentRecordsMax) end_segment(false);
    }
    if (!segment_) TG_CHECK(begin_segment());
    auto written = write_to(*segment_, batch);
    if (!written) end_segment(true);
    return written;
}

Result<void> SegmentLog::write_to(OpenSegment& segment, Batch& batch) {
    const Bytes bytes = batch.close({.log_id = log_id_,
                                     .generation = segment.header.generation,
                                     .sequence = segment.sequence,
                                     .first_leaf = next_leaf_,
                                     .written = clock_.unix_ms()});
    TG_CHECK(file_->write(segment.offset, bytes));
    TG_CHECK(file_->sync());
    const Lock lock(mutex_);
    ++health_.batches;
    health_.bytes_written += bytes.size();
    return {};
}

// The finisher is behind by the batches that it has in hand: a wait of a millisecond or two for each segment.
MerkleStack SegmentLog::tree_so_far() {
    const Lock lock(mutex_);
    while (tree_.size() != next_leaf_) progressed_.wait(mutex_);
    return tree_;
}

Result<void> SegmentLog::begin_segment() {
    if (!ready_) {
        TG_TRY(ready_, keeper_->take_segment());
    }
    const SegmentHeader header{.log_id = log_id_,
                               .generation = ready_->generation,
                               .first_leaf = next_leaf_,
                               .file_bytes = ready_->file_bytes,
                               .begun = clock_.unix_ms(),
                               .before = tree_so_far()};
    encode_header(header, Block(block_->bytes));
    TG_CHECK(ready_->file->write(0, block_->bytes));
    TG_CHECK(ready_->file->sync());
    segment_ = OpenSegment{.header = header, .live = std::make_shared<LiveKeys>(), .offset = kBlockBytes};
    file_ = std::move(ready_->file);
    ready_.reset();
    // Readers see it after all records before it.
    hand_on({.begun = std::make_shared<SegmentEntry>(
                 SegmentEntry{.header = header, .live = segment_->live, .index = nullptr})});
    return {};
}

// The finisher completes the job: it knows the tree at that point.
void SegmentLog::end_segment(bool abandoned) {
    hand_on({.live = segment_->live,
             .seal = {.header = segment_->header,
                      .live = segment_->live,
                      .tree = {},
                      .batches = segment_->sequence,
                      .data_end = segment_->offset,
                      .abandoned = abandoned}});
    segment_.reset();
    file_.reset();
}

void SegmentLog::fail_all(std::unique_ptr<Batch> batch, const Error& error) {
    std::deque<std::unique_ptr<Batch>> failed;
    failed.push_back(std::move(batch));
    {
        const Lock lock(mutex_);
        ++health_.write_failures;
        health_.degraded = true;
        health_.degraded_since = clock_.unix_ms();
        health_.reason = error.message;
        for (auto& waiting : closed_) failed.push_back(std::move(waiting));
        closed_.clear();
        if (filling_ != nullptr) failed.push_back(std::move(filling_));
    }
    for (auto& one : failed) hand_on({.batch = std::move(one), .error = error});
}

// Tries the next segment with a write as large as a batch before it is begun: a disk that only takes the small header
// would use up a file at each attempt.
Result<void> SegmentLog::try_file(LogFile& file, std::uint64_t file_bytes) {
    const auto size = static_cast<std::size_t>(
        std::min<std::uint64_t>(options_.batch_bytes_max / kBlockBytes * kBlockBytes, file_bytes - 2 * kBlockBytes));
    Batch zeroes(size);
    std::ranges::fill(zeroes.bytes(), std::uint8_t{0});
    TG_CHECK(file.write(kBlockBytes, zeroes.bytes()));
    return file.sync();
}

void SegmentLog::probe() {
    Result<void> outcome;
    if (!ready_) {
        auto ready = keeper_->take_segment();
        if (ready) {
            ready_ = *std::move(ready);
        } else {
            outcome = std::unexpected(std::move(ready).error());
        }
    }
    if (outcome) outcome = try_file(*ready_->file, ready_->file_bytes);
    if (outcome) outcome = begin_segment();
    const Lock lock(mutex_);
    if (outcome) {
        health_.degraded = false;
    } else {
        health_.reason = outcome.error().message;
    }
}

void SegmentLog::hand_on(Item item) {
    {
        const Lock lock(items_mutex_);
        items_.push_back(std::move(item));
    }
    items_wake_.notify_one();
}

void SegmentLog::finish_loop() {
    for (;;) {
        Item item;
        {
            const Lock lock(items_mutex_);
            while (items_.empty() && !items_end_) items_wake_.wait(items_mutex_);
            if (items_.empty()) return;
            item = std::move(items_.front());
            items_.pop_front();
        }
        if (item.batch != nullptr) {
            finish(item);
        } else if (item.begun != nullptr) {
            catalog_.push(std::move(item.begun));
        } else {
            item.seal.tree = folding_;
            keeper_->seal(std::move(item.seal));
        }
    }
}

void SegmentLog::fold(const Item& item) {
    const Batch& batch = *item.batch;
    for (std::size_t i = 0; i < batch.keys.size(); ++i) {
        folding_.add(batch.leaves[i]);
        item.live->add(batch.keys[i],
                       {static_cast<std::uint32_t>(item.offset + batch.positions[i]), check_of(batch.leaves[i])});
    }
    item.live->publish();
    if (options_.on_durable) {
        options_.on_durable({.first_leaf = item.first_leaf,
                             .leaves = batch.leaves,
                             .payload = Bytes(batch.blocks[0].bytes, batch.used).subspan(kBatchHeaderBytes),
                             .after = folding_});
    }
}

void SegmentLog::finish(Item& item) {
    Batch& batch = *item.batch;
    if (!item.error) fold(item);
    const std::uint32_t records = batch.records();
    const std::size_t bytes = batch.used - kBatchHeaderBytes;
    {
        const Lock lock(mutex_);
        (item.error ? health_.failed : health_.appended) += records;
        tree_ = folding_;
    }
    std::uint64_t leaf = item.first_leaf;
    for (Batch::Group& group : batch.groups) {
        if (group.done) {
            group.done(item.error ? Result<std::uint64_t>(std::unexpected(*item.error)) : Result<std::uint64_t>(leaf));
        }
        leaf += group.records;
    }
    const std::uint64_t groups = batch.groups.size();
    recycle(std::move(item.batch));
    {
        const Lock lock(mutex_);
        health_.queue_records -= records;
        health_.queue_bytes -= bytes;
        finished_ += groups;
    }
    progressed_.notify_all();
}

}  // namespace tidegate::audit::segments
