#include "audit/views/cube.h"

#include <algorithm>

#include "audit/views/read_transaction.h"
#include "base/hash.h"

namespace tidegate::audit {
namespace {

// Held for at most so many records: about 60 us.
constexpr std::size_t kRecordsAtOnce = 1'024;
// A reader begins anew when a save came between its look at the file and at memory; saves are 1 s apart.
constexpr int kTriesMax = 16;

Minute minute_of(const Uuid& id) noexcept {
    return unix_ms_of(id) / kMsPerMinute;
}

}  // namespace

std::size_t Cube::KeyHash::operator()(const Key& key) const noexcept {
    return mix64(static_cast<std::uint64_t>(key.minute) << 21U ^ key.kind);
}

Cube::Cube(CubeOptions options, Kinds& kinds, std::unique_ptr<CubeStore> store)
    : options_(std::move(options)), kinds_(kinds), store_(std::move(store)), levels_(options_.budgets) {}

Result<std::unique_ptr<Cube>> Cube::open(CubeOptions options, Kinds& kinds, const Clock& clock) {
    TG_TRY(auto store, CubeStore::open({.path = options.path, .vfs = options.vfs}, kinds, clock));
    std::unique_ptr<Cube> cube(new Cube(std::move(options), kinds, std::move(store)));
    TG_CHECK(cube->start());
    return cube;
}

Result<void> Cube::start() {
    TG_TRY(const CubeStore::State state, store_->state());
    const bool ours = state.log_id == options_.log_id && state.position <= options_.log_end;
    if (!ours || state.position == 0) {
        rebuilt_ = state.position > 0;
        TG_CHECK(store_->wipe(options_.log_id));
    } else {
        TG_CHECK(store_->load(levels_));
        saved_position_ = folded_position_ = state.position;
        position_.store(state.position, std::memory_order_release);
    }
    TG_TRY(readers_,
           ReaderPool::open({.path = options_.path, .connections = options_.connections, .vfs = options_.vfs}));
    keeper_ = std::thread([this] { keep(); });
    return {};
}

Cube::~Cube() {
    if (!keeper_.joinable()) return;
    // What cannot be saved is counted again from the log.
    static_cast<void>(ask(Job::kEnd, {}));
    keeper_.join();
}

Result<void> Cube::follow(const DurableRecords& records) {
    std::span<const segments::RecordView> left = records.records;
    const std::uint64_t known = position();
    if (records.first_leaf < known) {
        left = left.subspan(std::min<std::uint64_t>(left.size(), known - records.first_leaf));
    }
    std::uint64_t leaf = records.end() - left.size();
    while (!left.empty()) {
        TG_CHECK(make_room());
        const std::size_t count = std::min(left.size(), kRecordsAtOnce);
        const Lock lock(pending_mutex_);
        for (const segments::RecordView& record : left.first(count)) {
            const Key key{minute_of(record.id), kinds_.intern(record)};
            Recent& recent = recent_[key.kind % kRecent];
            if (recent.cell == nullptr || recent.key != key) recent = {key, &pending_[key]};
            recent.cell->add(record);
        }
        leaf += count;
        left = left.subspan(count);
        position_.store(leaf, std::memory_order_release);
    }
    return {};
}

Result<void> Cube::make_room() {
    if (unsaved_bytes_.load(std::memory_order_relaxed) > options_.unsaved_bytes_max) {
        return fail(ErrorCode::kUnavailable,
                    "the statistics cannot be saved, and memory for what is not saved is full");
    }
    std::size_t cells = 0;
    {
        const Lock lock(pending_mutex_);
        cells = pending_.size();
    }
    if (cells < options_.pending_cells_wake) return {};
    {
        const Lock lock(jobs_mutex_);
        many_pending_ = true;
    }
    jobs_wake_.notify_one();
    const SteadyTime deadline = std::chrono::steady_clock::now() + options_.wait_max;
    const Lock lock(pending_mutex_);
    while (pending_.size() >= options_.pending_cells_max) {
        const Duration left = deadline - std::chrono::steady_clock::now();
        if (left <= Duration::zero()) return fail(ErrorCode::kUnavailable, "the statistics are too slow to be saved");
        room_.wait_for(pending_mutex_, left);
    }
    return {};
}

void Cube::keep() {
    for (bool end = false; !end;) {
        Job job = Job::kNone;
        std::uint64_t ticket = 0;
        segments::LogId log_id{};
        {
            const Lock lock(jobs_mutex_);
            const SteadyTime deadline = std::chrono::steady_clock::now() + options_.save_interval;
            while (asked_ == answered_ && !many_pending_) {
                const Duration left = deadline - std::chrono::steady_clock::now();
                if (left <= Duration::zero()) break;
                jobs_wake_.wait_for(jobs_mutex_, left);
            }
            many_pending_ = false;
            job = std::exchange(job_, Job::kNone);
            ticket = asked_;
            log_id = job_log_;
        }
        end = job == Job::kEnd;
        Result<void> outcome = run(job, log_id);
        const Lock lock(jobs_mutex_);
        degraded_ = !outcome.has_value();
        if (!outcome) {
            reason_ = outcome.error().message;
            ++save_failures_;
        }
        // Somebody may ask while the job runs: that one gets the next.
        if (ticket != answered_) {
            answer_ = std::move(outcome);
            answered_ = ticket;
            jobs_done_.notify_all();
        }
    }
}

Result<void> Cube::run(Job job, const segments::LogId& log_id) {
    if (job == Job::kReset) return forget(log_id);
    fold();
    return write();
}

Result<void> Cube::ask(Job job, const segments::LogId& log_id) {
    const Lock lock(jobs_mutex_);
    while (asked_ != answered_) jobs_done_.wait(jobs_mutex_);
    job_ = job;
    job_log_ = log_id;
    const std::uint64_t ticket = ++asked_;
    jobs_wake_.notify_one();
    while (answered_ < ticket) jobs_done_.wait(jobs_mutex_);
    return answer_;
}

Result<void> Cube::save() {
    return ask(Job::kSave, {});
}

Result<void> Cube::reset(const segments::LogId& log_id) {
    return ask(Job::kReset, log_id);
}

// A mutex is not fair: readers that come one after the other would keep the keeper out for seconds (seen with two that ask without a
// pause), and with it whoever waits for room in follow().
void Cube::announce() {
    keeper_waits_.store(true, std::memory_order_release);
}

void Cube::let_readers_in() {
    keeper_waits_.store(false, std::memory_order_release);
    keeper_waits_.notify_all();
}

void Cube::fold() {
    if (unsaved_.bytes() > options_.unsaved_bytes_max) return;  // The disk fails: what is pending waits.
    announce();
    const Lock lock(levels_mutex_);
    let_readers_in();
    Pending taken;
    {
        const Lock pending(pending_mutex_);
        taken.swap(pending_);
        std::ranges::fill(recent_, Recent{});
        folded_position_ = position();
    }
    room_.notify_all();
    for (auto& [key, cell] : taken) {
        cell.steps.settle();
        levels_.merge(key.minute, key.kind, cell);
        unsaved_.merge(key.minute, key.kind, cell);
    }
    levels_.trim();
    unsaved_bytes_.store(unsaved_.bytes(), std::memory_order_relaxed);
}

Result<void> Cube::write() {
    if (folded_position_ == saved_position_) return {};
    TG_CHECK(store_->save({.from = saved_position_, .to = folded_position_, .unsaved = unsaved_, .levels = levels_}));
    announce();
    {
        const Lock lock(levels_mutex_);
        let_readers_in();
        unsaved_.clear();
        saved_position_ = folded_position_;
        unsaved_bytes_.store(0, std::memory_order_relaxed);
    }
    const Lock lock(jobs_mutex_);
    ++saves_;
    return {};
}

Result<void> Cube::forget(const segments::LogId& log_id) {
    TG_CHECK(store_->wipe(log_id));
    const Lock lock(levels_mutex_);
    const Lock pending(pending_mutex_);
    pending_.clear();
    std::ranges::fill(recent_, Recent{});
    position_.store(0, std::memory_order_release);
    levels_.clear();
    unsaved_.clear();
    saved_position_ = folded_position_ = 0;
    unsaved_bytes_.store(0, std::memory_order_relaxed);
    return {};
}

CubeHealth Cube::health() const {
    CubeHealth out;
    out.position = position();
    out.kinds = kinds_.size();
    out.rebuilt = rebuilt_;
    {
        const Lock lock(levels_mutex_);
        out.saved_position = saved_position_;
        out.unsaved_bytes = unsaved_.bytes();
        out.level_bytes = levels_.bytes();
        const Lock pending(pending_mutex_);
        out.pending_cells = pending_.size();
    }
    const Lock lock(jobs_mutex_);
    out.degraded = degraded_;
    out.reason = reason_;
    out.saves = saves_;
    out.save_failures = save_failures_;
    return out;
}

bool Cube::resident(const std::vector<Span>& spans) const {
    return std::ranges::all_of(spans, [&](const Span& span) { return levels_.holds(span.level, span.from); });
}

void Cube::visit_memory(const std::vector<Span>& spans, CellVisitor& visitor) const {
    for (const Span& span : spans) levels_.of(span.level).visit(span.from, span.to, visitor);
}

void Cube::visit_pending(Minute from, Minute to, CellVisitor& visitor) const {
    const Lock lock(pending_mutex_);
    for (const auto& [key, cell] : pending_) {
        if (key.minute >= from && key.minute < to && visitor.wants(key.kind)) visitor.add(key.minute, key.kind, cell);
    }
}

Result<void> Cube::visit(Minute from, Minute to, bool by_period, CellVisitor& visitor) const {
    std::vector<Span> spans;
    keeper_waits_.wait(true, std::memory_order_acquire);
    {
        const Lock lock(levels_mutex_);
        spans = cover(from, to);
        if (!by_period && from <= levels_.first_minute() && to > levels_.last_minute()) {
            spans = {{Level::kTotal, 0, kMinuteEnd}};
        }
        if (resident(spans)) {
            visit_memory(spans, visitor);
            visit_pending(from, to, visitor);
            return {};
        }
    }
    for (int attempt = 0; attempt < kTriesMax; ++attempt) {
        TG_TRY(const bool done, visit_file(spans, from, to, visitor));
        if (done) return {};
    }
    return fail(ErrorCode::kUnavailable, "the statistics are being written too often to be read");
}

// The file as of one moment, and of memory what the file did not have then. False: memory has moved on.
Result<bool> Cube::visit_file(const std::vector<Span>& spans, Minute from, Minute to, CellVisitor& visitor) const {
    TG_TRY(const ReaderPool::Lease reader, readers_->borrow());
    TG_TRY(const ReadTransaction transaction, ReadTransaction::begin(*reader));
    TG_TRY(const std::uint64_t file_position, CubeStore::position(*reader));
    std::vector<Span> in_file;
    keeper_waits_.wait(true, std::memory_order_acquire);
    {
        const Lock lock(levels_mutex_);
        if (file_position != saved_position_ && file_position != folded_position_) return false;
        for (const Span& span : spans) {
            const Minute floor = std::clamp(levels_.floor(span.level), span.from, span.to);
            levels_.of(span.level).visit(floor, span.to, visitor);
            if (floor == span.from) continue;
            in_file.push_back({span.level, span.from, floor});
            if (file_position == saved_position_) unsaved_.visit(span.from, floor, visitor);
        }
        visit_pending(from, to, visitor);
    }
    for (const Span& span : in_file) TG_CHECK(store_->read(*reader, span, visitor));
    return true;
}

}  // namespace tidegate::audit
