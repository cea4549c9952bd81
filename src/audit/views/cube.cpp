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
// A pending cell beside its steps, with its entry in the map and what the allocator adds.
constexpr std::size_t kPendingBytes = sizeof(Cell) + 64;

Minute minute_of(const Uuid& id) noexcept {
    return unix_ms_of(id) / kMsPerMinute;
}

}  // namespace

std::size_t Cube::KeyHash::operator()(const Key& key) const noexcept {
    return mix64(static_cast<std::uint64_t>(key.minute) << 21U ^ key.kind);
}

Cube::Cube(CubeOptions options, Kinds& kinds, const Clock& clock, std::unique_ptr<CubeStore> store)
    : options_(std::move(options)), kinds_(kinds), clock_(clock), store_(std::move(store)), levels_(options_.budgets) {}

Result<std::unique_ptr<Cube>> Cube::open(CubeOptions options, Kinds& kinds, const Clock& clock) {
    TG_TRY(auto store, CubeStore::open({.path = options.path, .vfs = options.vfs}, kinds, clock));
    std::unique_ptr<Cube> cube(new Cube(std::move(options), kinds, clock, std::move(store)));
    TG_CHECK(cube->start());
    return cube;
}

Result<void> Cube::start() {
    TG_TRY(const CubeStore::State state, store_->state());
    const bool ours = state.log_id == options_.log_id && state.position <= options_.log_end;
    if (!ours || state.position == 0) {
        rebuilt_ = state.position > 0;
        TG_CHECK(store_->wipe(options_.log_id));
        horizon_.store(horizon_now(), std::memory_order_release);
        levels_.set_floor(Level::kMinute, horizon_);
    } else {
        horizon_.store(std::max(state.minutes_from, horizon_now()), std::memory_order_release);
        levels_.set_floor(Level::kMinute, horizon_);
        TG_CHECK(store_->load(levels_));
        saved_position_ = folded_position_ = state.position;
        position_.store(state.position, std::memory_order_release);
    }
    TG_TRY(readers_,
           ReaderPool::open({.path = options_.path, .connections = options_.connections, .vfs = options_.vfs}));
    keeper_ = std::thread([this] { keep(); });
    return {};
}

Minute Cube::horizon_now() const noexcept {
    return std::max<Minute>(0, start_of(Level::kHour, clock_.unix_ms() / kMsPerMinute - kMinutesKept));
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
        const Minute horizon = horizon_.load(std::memory_order_acquire);
        for (const segments::RecordView& record : left.first(count)) {
            const Minute minute = minute_of(record.id);
            const Key key{minute < horizon ? start_of(Level::kHour, minute) : minute, kinds_.intern(record)};
            Recent& recent = recent_[key.kind % kRecent];
            if (recent.cell == nullptr || recent.key != key) {
                const auto [entry, is_new] = pending_.try_emplace(key);
                if (is_new) pending_bytes_ += kPendingBytes;
                recent = {key, &entry->second};
            }
            pending_bytes_ -= recent.cell->steps.bytes();
            recent.cell->add(record);
            pending_bytes_ += recent.cell->steps.bytes();
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
    {
        const Lock lock(pending_mutex_);
        if (pending_bytes_ < options_.pending_bytes_wake) return {};
    }
    {
        const Lock lock(jobs_mutex_);
        many_pending_ = true;
    }
    jobs_wake_.notify_one();
    const SteadyTime deadline = std::chrono::steady_clock::now() + options_.wait_max;
    const Lock lock(pending_mutex_);
    while (pending_bytes_ >= options_.pending_bytes_max) {
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
    // Who reads holds levels_mutex_, who counts pending_mutex_.
    horizon_.store(std::max(horizon_.load(std::memory_order_relaxed), horizon_now()), std::memory_order_release);
    levels_.set_floor(Level::kMinute, horizon_);
    Pending taken;
    {
        const Lock pending(pending_mutex_);
        taken.swap(pending_);
        pending_bytes_ = 0;
        std::ranges::fill(recent_, Recent{});
        folded_position_ = position();
    }
    room_.notify_all();
    std::vector<CellItem> items;
    StepsOfAll of_all;
    items.reserve(taken.size());
    for (auto& [key, cell] : taken) {
        cell.steps.settle();
        items.push_back({key.minute, key.kind, &cell});
        if (kinds_.name(key.kind).record != RecordKind::kEvent) of_all[key.minute].merge(cell.steps);
    }
    levels_.merge(items, of_all);
    unsaved_.merge(Level::kMinute, items, 0, 0);
    unsaved_.merge_of_all(Level::kMinute, of_all, 0);
    levels_.trim();
    unsaved_bytes_.store(unsaved_.bytes(), std::memory_order_relaxed);
}

Result<void> Cube::write() {
    if (folded_position_ == saved_position_) return {};
    TG_CHECK(store_->save({.from = saved_position_,
                           .to = folded_position_,
                           .minutes_from = horizon_,
                           .unsaved = unsaved_,
                           .levels = levels_}));
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
    pending_bytes_ = 0;
    std::ranges::fill(recent_, Recent{});
    position_.store(0, std::memory_order_release);
    levels_.clear();
    levels_.set_floor(Level::kMinute, horizon_);
    unsaved_.clear();
    saved_position_ = folded_position_ = 0;
    unsaved_bytes_.store(0, std::memory_order_relaxed);
    return {};
}

CubeHealth Cube::health() const {
    CubeHealth out;
    out.position = position();
    out.kinds = kinds_.size();
    out.lumped = kinds_.lumped();
    out.rebuilt = rebuilt_;
    {
        const Lock lock(levels_mutex_);
        out.saved_position = saved_position_;
        out.unsaved_bytes = unsaved_.bytes();
        out.level_bytes = levels_.bytes();
        out.minutes_from = horizon_ * kMsPerMinute;
        const Lock pending(pending_mutex_);
        out.pending_cells = pending_.size();
        out.pending_bytes = pending_bytes_;
    }
    const Lock lock(jobs_mutex_);
    out.degraded = degraded_;
    out.reason = reason_;
    out.saves = saves_;
    out.save_failures = save_failures_;
    return out;
}

Cube::Window Cube::widen(Window window) const noexcept {
    const Minute horizon = horizon_.load(std::memory_order_acquire);
    if (window.from < horizon) window.from = start_of(Level::kHour, window.from);
    if (window.to < horizon) window.to = start_of(Level::kHour, window.to + kHourMinutes - 1);
    return window;
}

std::vector<Span> Cube::spans_of(Window window, bool by_period) const {
    if (!by_period && window.from <= levels_.first_minute() && window.to > levels_.last_minute()) {
        return {{Level::kTotal, 0, kMinuteEnd}};
    }
    return cover(window.from, window.to);
}

bool Cube::resident(const std::vector<Span>& spans, bool wants_all) const {
    return std::ranges::all_of(spans, [&](const Span& span) {
        return span.from >= (wants_all ? levels_.floor(span.level) : levels_.steps_floor(span.level));
    });
}

void Cube::visit_memory(const std::vector<Span>& spans, CellVisitor& visitor) const {
    for (const Span& span : spans) levels_.of(span.level).visit(span.from, span.to, visitor);
}

void Cube::visit_pending(Window window, CellVisitor& visitor) const {
    const Lock lock(pending_mutex_);
    for (const auto& [key, cell] : pending_) {
        if (key.minute < window.from || key.minute >= window.to || !visitor.wants(key.kind)) continue;
        visitor.add(key.minute, key.kind, cell.sums);
        visitor.add_steps(key.kind, cell.steps);
    }
}

Result<Cube::Window> Cube::visit(Minute from, Minute to, bool by_period, CellVisitor& visitor) const {
    for (int attempt = 0; attempt < kTriesMax; ++attempt) {
        Window window;
        std::vector<Span> spans;
        Minute horizon = 0;
        keeper_waits_.wait(true, std::memory_order_acquire);
        {
            const Lock lock(levels_mutex_);
            horizon = horizon_.load(std::memory_order_acquire);
            window = widen({from, to});
            spans = spans_of(window, by_period);
            if (resident(spans, visitor.wants_all())) {
                visit_memory(spans, visitor);
                visit_pending(window, visitor);
                return window;
            }
        }
        TG_TRY(const bool done, visit_file(spans, window, horizon, visitor));
        if (done) return window;
    }
    return fail(ErrorCode::kUnavailable, "the statistics are being written too often to be read");
}

// The file as of one moment, and of memory what the file did not have then. False, and nothing visited: memory has moved on.
Result<bool> Cube::visit_file(const std::vector<Span>& spans, Window window, Minute horizon,
                              CellVisitor& visitor) const {
    TG_TRY(const ReaderPool::Lease reader, readers_->borrow());
    TG_TRY(const ReadTransaction transaction, ReadTransaction::begin(*reader));
    TG_TRY(const std::uint64_t file_position, CubeStore::position(*reader));
    std::vector<Span> in_file;
    const auto floor_of = [&](const Span& span) {
        return visitor.wants_all() ? levels_.floor(span.level) : levels_.steps_floor(span.level);
    };
    keeper_waits_.wait(true, std::memory_order_acquire);
    {
        const Lock lock(levels_mutex_);
        if (file_position != saved_position_ && file_position != folded_position_) return false;
        if (horizon != horizon_.load(std::memory_order_acquire)) return false;
        for (const Span& span : spans) {
            const Minute floor = std::clamp(floor_of(span), span.from, span.to);
            levels_.of(span.level).visit(floor, span.to, visitor);
            if (floor == span.from) continue;
            in_file.push_back({span.level, span.from, floor});
            if (file_position == saved_position_) unsaved_.visit(span.from, floor, visitor);
        }
        visit_pending(window, visitor);
    }
    for (const Span& span : in_file) TG_CHECK(store_->read(*reader, span, visitor));
    return true;
}

}  // namespace tidegate::audit
