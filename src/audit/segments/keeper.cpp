#include "audit/segments/keeper.h"

#include "audit/segments/batch.h"

namespace tidegate::audit::segments {

Keeper::Keeper(KeeperOptions options, LogFolder& folder, Catalog& catalog, Head head, std::uint64_t next_generation,
               std::vector<std::string> spares)
    : options_(options),
      folder_(folder),
      catalog_(catalog),
      head_(head),
      spares_(std::move(spares)),
      next_generation_(next_generation) {
    for (const std::string& spare : spares_) {
        next_spare_ = std::max(next_spare_, parse_spare_name(spare).value_or(0) + 1);
    }
    thread_ = std::thread([this] { run(); });
}

Keeper::~Keeper() {
    stop();
}

Result<Keeper::Ready> Keeper::take_segment() {
    const Lock lock(mutex_);
    ++waiting_;
    failed_[static_cast<std::size_t>(Work::kSegment)] = false;
    failed_[static_cast<std::size_t>(Work::kSeal)] = false;
    wake_.notify_one();
    while (!stopping_) {
        const bool seals_lag = jobs_.size() >= kSealsWaitingMax;
        if (ready_ && !seals_lag) break;
        if (!ready_ && failed_[static_cast<std::size_t>(Work::kSegment)]) break;
        if (seals_lag && failed_[static_cast<std::size_t>(Work::kSeal)]) break;
        progressed_.wait(mutex_);
    }
    --waiting_;
    if (!ready_ || jobs_.size() >= kSealsWaitingMax) {
        return fail(ErrorCode::kUnavailable, health_.reason.empty() ? "the record's log ends" : health_.reason);
    }
    Ready ready = *std::move(ready_);
    ready_.reset();
    ++next_generation_;
    wake_.notify_one();
    return ready;
}

void Keeper::seal(SealJob job) {
    const Lock lock(mutex_);
    jobs_.push_back(std::move(job));
    wake_.notify_one();
}

void Keeper::drop_before(std::uint64_t leaf) {
    const Lock lock(mutex_);
    drop_before_ = std::max(drop_before_, leaf);
    wake_.notify_one();
}

void Keeper::settle() {
    const Lock lock(mutex_);
    while (!stopping_) {
        const auto failed = [&](Work work) TG_REQUIRES(mutex_) { return failed_[static_cast<std::size_t>(work)]; };
        const bool seals = jobs_.empty() || failed(Work::kSeal);
        const bool drops = drop_before_ == dropped_before_ || failed(Work::kDrop);
        const bool segment = ready_ || failed(Work::kSegment);
        const bool spares = spares_.size() >= options_.spares_ahead || failed(Work::kSpare);
        if (!working_ && seals && drops && segment && spares) return;
        progressed_.wait(mutex_);
    }
}

void Keeper::stop() {
    {
        const Lock lock(mutex_);
        stopping_ = true;
    }
    wake_.notify_one();
    progressed_.notify_all();
    if (thread_.joinable()) thread_.join();
}

KeeperHealth Keeper::health() const {
    const Lock lock(mutex_);
    KeeperHealth health = health_;
    health.seals_waiting = jobs_.size();
    health.spares = spares_.size();
    return health;
}

Keeper::Work Keeper::next_work() {
    const Lock lock(mutex_);
    working_ = false;
    progressed_.notify_all();
    for (;;) {
        const auto free = [&](Work work) TG_REQUIRES(mutex_) { return !failed_[static_cast<std::size_t>(work)]; };
        std::optional<Work> work;
        if (!stopping_ && !ready_ && free(Work::kSegment)) {
            work = Work::kSegment;
        } else if (!jobs_.empty() && free(Work::kSeal)) {
            work = Work::kSeal;
        } else if (!stopping_ && drop_before_ != dropped_before_ && free(Work::kDrop)) {
            work = Work::kDrop;
        } else if (!stopping_ && spares_.size() < options_.spares_ahead && free(Work::kSpare)) {
            work = Work::kSpare;
        } else if (stopping_) {
            work = Work::kStop;
        }
        if (work) {
            working_ = true;
            return *work;
        }
        if (std::ranges::find(failed_, true) == failed_.end()) {
            wake_.wait(mutex_);
        } else if (!wake_.wait_for(mutex_, options_.retry_interval)) {
            failed_.fill(false);
        }
    }
}

void Keeper::run() {
    for (;;) {
        const Work work = next_work();
        switch (work) {
            case Work::kStop:
                return;
            case Work::kSegment:
                finished(work, make_segment());
                break;
            case Work::kSeal:
                finished(work, seal_one());
                break;
            case Work::kDrop:
                finished(work, drop());
                break;
            case Work::kSpare:
                finished(work, make_spare());
                break;
        }
    }
}

void Keeper::finished(Work work, const Result<void>& result) {
    const Lock lock(mutex_);
    failed_[static_cast<std::size_t>(work)] = !result;
    if (result) {
        if (std::ranges::find(failed_, true) == failed_.end()) health_.reason.clear();
    } else {
        ++health_.failures;
        health_.reason = result.error().message;
    }
    progressed_.notify_all();
}

Result<void> Keeper::make_segment() {
    std::string spare;
    std::string name;
    std::uint64_t generation = 0;
    bool hurry = false;
    {
        const Lock lock(mutex_);
        generation = next_generation_;
        hurry = waiting_ > 0;
        if (!spares_.empty()) {
            spare = std::move(spares_.back());
            spares_.pop_back();
        }
    }
    name = segment_name(generation);
    if (!spare.empty()) {
        if (auto renamed = folder_.rename(spare, name); !renamed) {
            const Lock lock(mutex_);
            spares_.push_back(std::move(spare));
            return renamed;
        }
    } else {
        TG_CHECK(folder_.prepare(name, options_.segment_bytes, hurry ? Preparation::kReserve : Preparation::kZeroes));
    }
    TG_TRY(auto file, folder_.open_write(name));
    // A spare may be from a time with another size: it stays as it is.
    TG_TRY(std::uint64_t bytes, file->size());
    bytes = bytes / kBlockBytes * kBlockBytes;
    if (bytes < options_.segment_bytes) {
        TG_CHECK(folder_.remove(name));
        return make_segment();
    }
    const Lock lock(mutex_);
    ready_ = Ready{.generation = generation, .file_bytes = bytes, .file = std::move(file)};
    return {};
}

Result<void> Keeper::make_spare() {
    std::uint64_t number = 0;
    {
        const Lock lock(mutex_);
        number = next_spare_++;
    }
    const std::string name = spare_name(number);
    TG_CHECK(folder_.prepare(name, options_.segment_bytes, Preparation::kZeroes));
    const Lock lock(mutex_);
    spares_.push_back(name);
    return {};
}

Result<void> Keeper::write_footer(const SealJob& job) {
    const ZoneMap& zone = job.live->zone();
    const SegmentFooter footer{.log_id = job.header.log_id,
                               .generation = job.header.generation,
                               .first_leaf = job.header.first_leaf,
                               .records = job.live->count(),
                               .batches = job.batches,
                               .data_end = job.data_end,
                               .recorded_min = zone.recorded_min,
                               .recorded_max = zone.recorded_max,
                               .tree = job.tree};
    const auto block = std::make_unique<Batch::AlignedBlock>();
    encode_footer(footer, Block(block->bytes));
    TG_TRY(const auto file, folder_.open_write(segment_name(job.header.generation)));
    TG_CHECK(file->write(job.header.file_bytes - kBlockBytes, block->bytes));
    return file->sync();
}

Result<void> Keeper::write_head(const Head& head) {
    TG_CHECK(folder_.write_whole(std::string(kHeadName), encode_head(head)));
    head_ = head;
    return {};
}

Result<void> Keeper::seal_one() {
    SealJob job;
    {
        const Lock lock(mutex_);
        job = jobs_.front();
    }
    bool has_footer = job.has_footer;
    if (!has_footer) {
        const auto written = write_footer(job);
        has_footer = written.has_value();
        // A file that refused a batch may refuse this too. Recovery then reads the segment instead.
        if (!written && !job.abandoned) return written;
    }
    TG_CHECK(IndexFile::write(folder_, job.header, *job.live));
    const bool keep_open = catalog_.entries()->size() <= options_.index_handles_max;
    TG_TRY(auto index, IndexFile::open(folder_, job.header, keep_open));
    if (!job.has_footer && has_footer) {
        Head head = head_;
        head.sealed_generation = job.header.generation;
        head.sealed_leaves = job.tree.size();
        head.root = job.tree.root();
        TG_CHECK(write_head(head));
    }
    catalog_.replace(
        std::make_shared<SegmentEntry>(SegmentEntry{.header = job.header, .live = nullptr, .index = std::move(index)}));
    const Lock lock(mutex_);
    jobs_.pop_front();
    ++health_.seals;
    return {};
}

Result<void> Keeper::drop() {
    std::uint64_t before = 0;
    {
        const Lock lock(mutex_);
        before = drop_before_;
    }
    const auto entries = catalog_.entries();
    std::size_t count = 0;
    // Only what is sealed goes, and never the last: the log always has a segment to go on from.
    while (count + 1 < entries->size() && (*entries)[count]->index != nullptr &&
           (*entries)[count]->end_leaf() <= before && (*entries)[count]->header.generation < head_.sealed_generation) {
        ++count;
    }
    if (count > 0) {
        Head head = head_;
        head.kept_generation = (*entries)[count]->header.generation;
        head.kept_leaf = (*entries)[count]->header.first_leaf;
        // First the promise, then the files: after a crash between them recovery removes the rest.
        TG_CHECK(write_head(head));
        catalog_.drop_front(count);
    }
    for (std::size_t i = 0; i < count; ++i) {
        const std::uint64_t generation = (*entries)[i]->header.generation;
        TG_CHECK(folder_.remove(index_name(generation)));
        std::string spare;
        {
            const Lock lock(mutex_);
            if (spares_.size() < options_.spares_ahead + 2) spare = spare_name(next_spare_++);
        }
        TG_CHECK(spare.empty() ? folder_.remove(segment_name(generation))
                               : folder_.rename(segment_name(generation), spare));
        const Lock lock(mutex_);
        if (!spare.empty()) spares_.push_back(std::move(spare));
        ++health_.segments_removed;
    }
    const Lock lock(mutex_);
    dropped_before_ = before;
    return {};
}

}  // namespace tidegate::audit::segments
