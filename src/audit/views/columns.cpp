#include "audit/views/columns.h"

#include <algorithm>

#include "audit/views/kinds.h"
#include "base/assert.h"
#include "base/pages.h"

namespace tidegate::audit {

Columns::Columns(std::unique_ptr<segments::LogFolder> folder, ColumnsOptions options, const LogReader& reader,
                 const segments::LogId& log, Kinds& kinds)
    : folder_(std::move(folder)), options_(options), reader_(reader), log_(log), kinds_(kinds) {}

Result<std::unique_ptr<Columns>> Columns::open(std::unique_ptr<segments::LogFolder> folder, ColumnsOptions options,
                                               const LogReader& reader, const segments::LogId& log, Kinds& kinds) {
    TG_CHECK(folder->take());
    std::unique_ptr<Columns> columns(new Columns(std::move(folder), options, reader, log, kinds));
    TG_CHECK(columns->read_folder());
    columns->drop_removed();
    columns->thread_ = std::thread([raw = columns.get()] { raw->run(); });
    return columns;
}

Columns::~Columns() {
    {
        const Lock lock(mutex_);
        stopping_ = true;
        wake_.notify_all();
    }
    if (thread_.joinable()) thread_.join();
}

// What lies between two chunks that survived is listed too, without a summary: it is made again when somebody asks.
Result<void> Columns::read_folder() {
    TG_TRY(const std::vector<std::string> names, folder_->list());
    std::vector<Chunk> found;
    for (const std::string& name : names) {
        const auto number = parse_chunk_name(name);
        if (!number) continue;
        auto summary = read_summary(*number);
        if (!summary || !is_of_this_log(*number, *summary)) continue;
        found.push_back(
            {.number = *number, .summary = std::make_shared<ChunkSummary>(*std::move(summary)), .held = nullptr});
    }
    if (found.empty()) return {};
    std::ranges::sort(found, {}, &Chunk::number);
    List list;
    std::uint64_t next = std::min(reader_.first_leaf() / kChunkLeaves, found.front().number);
    for (Chunk& chunk : found) {
        while (next < chunk.number) list.push_back({.number = next++, .summary = nullptr, .held = nullptr});
        next = chunk.number + 1;
        list.push_back(std::move(chunk));
    }
    position_.store(next * kChunkLeaves, std::memory_order_release);
    const Lock lock(mutex_);
    list_ = std::make_shared<const List>(std::move(list));
    return {};
}

std::optional<ChunkSummary> Columns::read_summary(std::uint64_t number) const {
    const auto file = folder_->open_read(chunk_name(number));
    if (!file) return std::nullopt;
    std::string head(kChunkHeaderBytes, '\0');
    const auto read = [&](std::size_t from) {
        const std::span<std::uint8_t> rest(reinterpret_cast<std::uint8_t*>(head.data()) + from, head.size() - from);
        const auto got = (*file)->read(from, rest);
        return got && *got == rest.size();
    };
    if (!read(0)) return std::nullopt;
    const auto whole = chunk_head_bytes(head);
    if (!whole) return std::nullopt;
    head.resize(*whole);
    if (!read(kChunkHeaderBytes)) return std::nullopt;
    return decode_summary(log_, number, head, kinds_);
}

// A log that was put back from a copy may have gone on otherwise since: then the chunk is of records that are no more.
bool Columns::is_of_this_log(std::uint64_t number, const ChunkSummary& summary) const {
    const std::uint64_t last = (number + 1) * kChunkLeaves - 1;
    if (last >= reader_.end_leaf()) return false;
    const auto record = reader_.read(last);
    return !record || record->decision.id == summary.last_id;
}

Result<void> Columns::follow(const DurableRecords& records) {
    std::uint64_t leaf = records.first_leaf;
    TG_ASSERT(leaf >= position());
    std::size_t next = 0;
    while (next < records.records.size()) {
        if (open_ != nullptr && open_number_ != leaf / kChunkLeaves) end_chunk();
        if (open_ == nullptr) begin_chunk(leaf / kChunkLeaves);
        auto row = static_cast<std::uint32_t>(leaf % kChunkLeaves);
        std::fill(open_->kinds.begin() + open_->size(), open_->kinds.begin() + row, kNoKind);
        for (; row < kChunkLeaves && next < records.records.size(); ++row, ++next, ++leaf) {
            const segments::RecordView& record = records.records[next];
            open_->put_kind(row, kinds_.intern(record));
            open_->times[row] = unix_ms_of(record.id);
            open_->actors[row] = actor_hash_of(record.actor);
        }
        if (row == kChunkLeaves) open_->last_id = records.records[next - 1].id;
        open_->count.store(row, std::memory_order_release);
        if (row == kChunkLeaves) end_chunk();
    }
    position_.store(std::max(position(), records.end()), std::memory_order_release);
    return {};
}

void Columns::begin_chunk(std::uint64_t number) {
    open_ = make_in_pages<ColumnChunk>();
    open_number_ = number;
    const Lock lock(mutex_);
    put({.number = number, .summary = nullptr, .held = open_});
}

// Rows that are not there any more (retention went past them while this view was behind) have no kind.
void Columns::end_chunk() {
    std::fill(open_->kinds.begin() + open_->size(), open_->kinds.end(), kNoKind);
    open_->count.store(kChunkLeaves, std::memory_order_release);
    Unsaved full{open_number_, open_, std::make_shared<const ChunkSummary>(summarise(*open_))};
    open_.reset();
    const Lock lock(mutex_);
    put({.number = full.number, .summary = full.summary, .held = full.chunk});
    queue_save(std::move(full));
}

void Columns::put(Chunk chunk) const {
    auto list = std::make_shared<List>(*list_);
    const auto place = std::ranges::lower_bound(*list, chunk.number, {}, &Chunk::number);
    if (place != list->end() && place->number == chunk.number) {
        *place = std::move(chunk);
    } else {
        list->insert(place, std::move(chunk));
    }
    list_ = std::move(list);
}

void Columns::queue_save(Unsaved unsaved) const {
    unsaved_.push_back(std::move(unsaved));
    if (unsaved_.size() > kUnsavedMax) {
        put({.number = unsaved_.front().number, .summary = unsaved_.front().summary, .held = nullptr});
        unsaved_.pop_front();
    }
    wake_.notify_all();
}

std::shared_ptr<const Columns::List> Columns::list() const {
    const Lock lock(mutex_);
    return list_;
}

Result<std::shared_ptr<const ColumnChunk>> Columns::load(const Chunk& chunk) const {
    if (chunk.held != nullptr) return chunk.held;
    if (auto loaded = find_loaded(chunk.number)) return loaded;
    const auto file = segments::read_whole(*folder_, chunk_name(chunk.number), 1ULL << 30U);
    std::shared_ptr<ColumnChunk> made = file ? decode_chunk(log_, chunk.number, *file, kinds_) : nullptr;
    const bool lost = made == nullptr;
    if (lost) {
        TG_TRY(made, rebuild(chunk.number));
    }
    keep_loaded(chunk.number, made);
    if (lost || chunk.summary == nullptr) {
        auto summary = std::make_shared<const ChunkSummary>(summarise(*made));
        const Lock lock(mutex_);
        put({.number = chunk.number, .summary = summary, .held = lost ? made : nullptr});
        if (lost) {
            ++health_.rebuilt;
            queue_save({chunk.number, made, std::move(summary)});
        }
    }
    return made;
}

std::shared_ptr<const ColumnChunk> Columns::find_loaded(std::uint64_t number) const {
    const Lock lock(mutex_);
    const auto found = std::ranges::find(loaded_, number, [](const auto& pair) { return pair.first; });
    if (found == loaded_.end()) {
        ++health_.loads;
        return nullptr;
    }
    loaded_.splice(loaded_.begin(), loaded_, found);
    return found->second;
}

void Columns::keep_loaded(std::uint64_t number, std::shared_ptr<const ColumnChunk> chunk) const {
    const Lock lock(mutex_);
    std::erase_if(loaded_, [number](const auto& pair) { return pair.first == number; });
    loaded_.emplace_front(number, std::move(chunk));
    if (loaded_.size() > options_.loaded_max) loaded_.pop_back();
}

Result<std::shared_ptr<ColumnChunk>> Columns::rebuild(std::uint64_t number) const {
    const std::uint64_t first = number * kChunkLeaves;
    const std::uint64_t end = first + kChunkLeaves;
    auto chunk = make_in_pages<ColumnChunk>();
    chunk->kinds.fill(kNoKind);
    chunk->times.fill(0);
    chunk->actors.fill(0);
    std::uint64_t from = std::max(first, reader_.first_leaf());
    while (from < end) {
        std::optional<Error> rotten;
        const auto visited = reader_.scan(from, end, [&](std::uint64_t leaf, segments::Bytes bytes) {
            const auto record = segments::decode(bytes);
            if (!record) {
                rotten = record.error();
                return false;
            }
            const auto row = static_cast<std::size_t>(leaf - first);
            chunk->put_kind(static_cast<std::uint32_t>(row), kinds_.intern(*record));
            chunk->times[row] = unix_ms_of(record->id);
            chunk->actors[row] = actor_hash_of(record->actor);
            chunk->last_id = record->id;
            return true;
        });
        if (rotten) return std::unexpected(*std::move(rotten));
        if (visited && *visited == end) break;
        // Retention may have taken the segment away under the scan.
        const std::uint64_t left = std::max(first, reader_.first_leaf());
        if (left > from) {
            from = left;
            continue;
        }
        if (!visited) return std::unexpected(visited.error());
        return fail(ErrorCode::kDataLoss, "the log ends before its columns");
    }
    chunk->count.store(kChunkLeaves, std::memory_order_release);
    return chunk;
}

Result<std::uint32_t> Columns::kind_of(std::uint64_t leaf) const {
    const auto all = list();
    const auto place = std::ranges::lower_bound(*all, leaf / kChunkLeaves, {}, &Chunk::number);
    const std::uint64_t row = leaf % kChunkLeaves;
    if (place != all->end() && place->number == leaf / kChunkLeaves) {
        TG_TRY(const auto chunk, load(*place));
        if (row < chunk->size() && chunk->kinds[row] != kNoKind) return chunk->kinds[row];
    }
    return fail(ErrorCode::kNotFound, "the log has no such record");
}

ColumnsHealth Columns::health() const {
    const Lock lock(mutex_);
    ColumnsHealth health = health_;
    health.chunks = list_->size();
    health.unsaved = unsaved_.size();
    return health;
}

void Columns::settle() {
    const Lock lock(mutex_);
    while (!unsaved_.empty() && !failed_) settled_.wait(mutex_);
}

bool Columns::take_unsaved(Unsaved& next) {
    const Lock lock(mutex_);
    while (!stopping_ && (unsaved_.empty() || failed_)) {
        if (!failed_) {
            wake_.wait(mutex_);
        } else if (!wake_.wait_for(mutex_, options_.retry_interval)) {
            failed_ = false;
        }
    }
    // A last round of what can be written; what cannot is made again from the log.
    if (unsaved_.empty() || failed_) return false;
    next = unsaved_.front();
    return true;
}

void Columns::run() {
    Unsaved next;
    while (take_unsaved(next)) {
        const std::string bytes = encode_chunk(log_, next.number, *next.chunk, *next.summary, kinds_);
        note_saved(next, folder_->write_whole(chunk_name(next.number), bytes));
        drop_removed();
        next = {};
    }
}

void Columns::note_saved(const Unsaved& done, const Result<void>& saved) {
    if (saved) keep_loaded(done.number, done.chunk);
    const Lock lock(mutex_);
    if (saved) {
        std::erase_if(unsaved_, [&](const Unsaved& other) { return other.chunk == done.chunk; });
        put({.number = done.number, .summary = done.summary, .held = nullptr});
    } else {
        failed_ = true;
        ++health_.failures;
        health_.reason = saved.error().message;
    }
    settled_.notify_all();
}

void Columns::drop_removed() {
    const std::uint64_t first = reader_.first_leaf() / kChunkLeaves;
    {
        const Lock lock(mutex_);
        if (!list_->empty() && list_->front().number < first) {
            auto list = std::make_shared<List>(*list_);
            std::erase_if(*list, [first](const Chunk& chunk) { return chunk.number < first; });
            list_ = std::move(list);
            std::erase_if(unsaved_, [first](const Unsaved& unsaved) { return unsaved.number < first; });
            std::erase_if(loaded_, [first](const auto& pair) { return pair.first < first; });
        }
    }
    const auto names = folder_->list();
    if (!names) return;
    for (const std::string& name : *names) {
        const auto number = parse_chunk_name(name);
        // A file that stays is tried again with the next chunk.
        if (number && *number < first) static_cast<void>(folder_->remove(name));
    }
}

}  // namespace tidegate::audit
