#include "services/compliance/ingest/ingest_index.h"

#include <algorithm>
#include <chrono>
#include <string>

#include "audit/segments/crc32c.h"
#include "base/assert.h"
#include "services/compliance/ingest/decision_json.h"

namespace tidegate::compliance::ingest {
namespace {

using audit::segments::bytes_of;

constexpr std::string_view kStateName = "ingest-state";
constexpr std::string_view kStateMagic = "TGINGES1";
constexpr std::size_t kStateBytes = 8 + 16 + 8 + 8 + 4;
constexpr std::uint64_t kFilterBytesMax = 2 * KeyFilter::kCapacityMax + 1024;

std::string name_of(std::size_t filter) {
    return "ingest-" + std::to_string(filter);
}

template <class T>
void put(std::string& out, T value) {
    for (unsigned i = 0; i < sizeof(T); ++i) {
        out.push_back(static_cast<char>(static_cast<std::uint8_t>(value >> (8U * i))));
    }
}

}  // namespace

IngestIndex::IngestIndex(std::unique_ptr<audit::segments::LogFolder> folder, const Options& options,
                         const audit::segments::LogId& log)
    : folder_(std::move(folder)), options_(options), log_(log) {}

Result<std::unique_ptr<IngestIndex>> IngestIndex::open(std::unique_ptr<audit::segments::LogFolder> folder,
                                                       const Options& options, const audit::segments::LogId& log,
                                                       std::uint64_t log_end) {
    TG_CHECK(folder->take());
    std::unique_ptr<IngestIndex> made(new IngestIndex(std::move(folder), options, log));
    made->load(log_end);
    made->thread_ = std::thread([self = made.get()] { self->run(); });
    return made;
}

IngestIndex::~IngestIndex() {
    stop();
}

// Whatever is missing, damaged or another log's is as if there were nothing: follow() then gets the whole log.
void IngestIndex::load(std::uint64_t log_end) {
    const auto state = audit::segments::read_whole(*folder_, std::string(kStateName), kStateBytes);
    if (!state || state->size() != kStateBytes || !state->starts_with(kStateMagic)) return;
    const auto bytes = bytes_of(*state);
    const auto crc = audit::segments::get<std::uint32_t>(bytes.data() + kStateBytes - 4);
    if (crc != audit::segments::crc32c(bytes.first(kStateBytes - 4))) return;
    if (!std::equal(log_.begin(), log_.end(), bytes.begin() + 8)) return;
    const auto position = audit::segments::get<std::uint64_t>(bytes.data() + 24);
    const auto count = audit::segments::get<std::uint64_t>(bytes.data() + 32);
    if (position > log_end || count > kFiltersMax) return;
    for (std::size_t i = 0; i < count; ++i) {
        const auto saved = audit::segments::read_whole(*folder_, name_of(i), kFilterBytesMax);
        auto filter = saved ? KeyFilter::load(*saved) : nullptr;
        if (filter == nullptr) {
            std::fill_n(filters_.begin(), i, nullptr);
            return;
        }
        filters_[i] = std::move(filter);
    }
    count_.store(count, std::memory_order_release);
    position_.store(position - std::min(position, options_.warm_leaves), std::memory_order_release);
    saved_.store(position, std::memory_order_relaxed);
    tried_.store(position, std::memory_order_relaxed);
    whole_on_disk_ = count == 0 ? 0 : count - 1;
}

Result<void> IngestIndex::follow(const audit::DurableRecords& records) {
    for (std::size_t i = 0; i < records.records.size(); ++i) {
        const audit::segments::RecordView& record = records.records[i];
        if (record.kind != audit::RecordKind::kDecision || record.tag_count == 0) continue;
        const auto tag = audit::segments::tag_of(record, kIngestTag);
        if (!tag) continue;
        KnownRequest known{.id = record.id, .leaf = records.first_leaf + i};
        if (tag->size() == known.digest.size()) {
            std::ranges::copy(*tag, known.digest.begin());
            recent_.add(known);
        }
        const std::uint64_t key = filter_key(record.id);
        if (!surely_new(key))
            continue;  // Followed once more; or the filters say "perhaps" of it already, and that is all they can.
        const std::size_t count = count_.load(std::memory_order_relaxed);
        if (count == 0 || filters_[count - 1]->keys() >= filters_[count - 1]->capacity()) grow();
        filters_[count_.load(std::memory_order_relaxed) - 1]->add(key);
    }
    position_.store(records.end(), std::memory_order_release);
    if (records.end() >= tried_.load(std::memory_order_relaxed) + options_.save_leaves) wake_.notify_one();
    return {};
}

void IngestIndex::grow() {
    const std::size_t count = count_.load(std::memory_order_relaxed);
    // The last one is overfilled rather than dropped: "perhaps" gets likelier and stays true. At 16 million each that is a billion.
    if (count == kFiltersMax) return;
    const std::uint64_t capacity =
        count == 0 ? options_.first_capacity : std::min(options_.capacity_max, 2 * filters_[count - 1]->capacity());
    filters_[count] = std::make_unique<KeyFilter>(capacity);
    count_.store(count + 1, std::memory_order_release);
}

bool IngestIndex::surely_new(std::uint64_t key) const noexcept {
    const std::size_t count = count_.load(std::memory_order_acquire);
    // The newest first: what is sent twice is mostly sent twice soon.
    for (std::size_t i = count; i-- > 0;) {
        if (filters_[i]->may_contain(key)) return false;
    }
    return true;
}

void IngestIndex::run() {
    // follow() rings without the lock, so a ring may be missed: then a second later.
    constexpr auto kTick = std::chrono::seconds(1);
    while (true) {
        {
            const Lock lock(mutex_);
            if (!stopping_) wake_.wait_for(mutex_, kTick);
            if (stopping_) break;
        }
        if (position() >= tried_.load(std::memory_order_relaxed) + options_.save_leaves) try_to_save();
    }
    if (position() != saved_.load(std::memory_order_relaxed)) try_to_save();
}

void IngestIndex::try_to_save() {
    // Failed or not, the next time is when as much again has come: a full disk is not helped by trying.
    tried_.store(position(), std::memory_order_relaxed);
    if (auto saved = save(); !saved) {
        const Lock lock(mutex_);
        ++save_failures_;
        reason_ = saved.error().message;
    }
}

// The state last: filters that are newer than it hold more than it says, which is no harm.
Result<void> IngestIndex::save() {
    const std::uint64_t at = position();
    const std::size_t count = count_.load(std::memory_order_acquire);
    for (std::size_t i = whole_on_disk_; i < count; ++i) {
        TG_CHECK(folder_->write_whole(name_of(i), filters_[i]->save()));
        if (i + 1 < count) whole_on_disk_ = i + 1;
    }
    std::string state(kStateMagic);
    state.append(log_.begin(), log_.end());
    put(state, at);
    put(state, static_cast<std::uint64_t>(count));
    put(state, audit::segments::crc32c(bytes_of(state)));
    TG_CHECK(folder_->write_whole(std::string(kStateName), state));
    saved_.store(at, std::memory_order_relaxed);
    return {};
}

IndexHealth IngestIndex::health() const {
    IndexHealth health;
    health.position = position();
    health.saved = saved_.load(std::memory_order_relaxed);
    health.recent = recent_.size();
    const std::size_t count = count_.load(std::memory_order_acquire);
    for (std::size_t i = 0; i < count; ++i) {
        health.keys += filters_[i]->keys();
        health.bytes += filters_[i]->bytes();
    }
    const Lock lock(mutex_);
    health.save_failures = save_failures_;
    health.reason = reason_;
    return health;
}

void IngestIndex::stop() {
    {
        const Lock lock(mutex_);
        stopping_ = true;
        wake_.notify_all();
    }
    if (thread_.joinable()) thread_.join();
}

}  // namespace tidegate::compliance::ingest
