#include "audit/postgres/postgres_log.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "audit/postgres/keep.h"
#include "audit/segments/format.h"

namespace tidegate::audit::postgres {
namespace {

store::PostgresOptions link_options(const PostgresStoreOptions& options, std::string_view what) {
    store::PostgresOptions of;
    of.url = options.url;
    of.application_name = fmt::format("{} {}", options.name.substr(0, 40), what);
    of.patience = options.patience;
    return of;
}

BlockWriterOptions writer_options(const PostgresStoreOptions& options) {
    return {.url = options.url,
            .schema = options.schema,
            .name = options.name,
            .patience = options.patience,
            .lock_patience = options.lock_patience};
}

Result<void> check_options(const PostgresStoreOptions& options) {
    TG_CHECK(check_schema_name(options.schema));
    if (options.batch_bytes_max == 0 || options.queue_records_max == 0 || options.queue_bytes_max == 0) {
        return fail(ErrorCode::kInvalidArgument, "the log's batches and its queue have room for something");
    }
    if (options.recent_days < 1 || options.recent_days > 36'500) {
        return fail(ErrorCode::kInvalidArgument, "recent rows are kept for 1 to 36,500 days");
    }
    return {};
}

/// Records of one group, encoded; each thread has its own and uses it again.
struct Scratch {
    std::vector<std::uint8_t> payload;
    std::vector<Sha256> leaves;

    void add(const Decision& decision, UnixMillis recorded) {
        const std::size_t size = segments::encoded_size(decision);
        const std::size_t at = payload.size();
        payload.resize(at + 4 + size);
        segments::put(payload.data() + at, static_cast<std::uint32_t>(size));
        const std::span<std::uint8_t> record = std::span(payload).subspan(at + 4);
        segments::encode(decision, recorded, record);
        leaves.push_back(segments::leaf_hash(record));
    }
};

}  // namespace

PostgresLog::PostgresLog(PostgresStoreOptions options, const Clock& clock, Random& random)
    : options_(std::move(options)),
      clock_(clock),
      reader_(link_options(options_, "reader"), options_.schema, clock),
      writer_(writer_options(options_), clock, random) {}

Result<std::unique_ptr<PostgresLog>> PostgresLog::open(PostgresStoreOptions options, const Clock& clock,
                                                       Random& random) {
    TG_CHECK(check_options(options));
    std::unique_ptr<PostgresLog> log(new PostgresLog(std::move(options), clock, random));
    TG_CHECK(log->writer_.open());
    log->reader_.open(log->writer_.log_id(), log->writer_.first_leaf(), log->writer_.tree().size());
    {
        const Lock lock(log->mutex_);
        log->tree_ = log->writer_.tree();
    }
    log->writer_thread_ = std::thread([self = log.get()] { self->write_loop(); });
    log->keeper_thread_ = std::thread([self = log.get()] { self->keep_loop(); });
    return log;
}

PostgresLog::~PostgresLog() {
    close();
}

MerkleStack PostgresLog::tree() const {
    const Lock lock(mutex_);
    return tree_;
}

void PostgresLog::append_group(std::span<const Decision> decisions, Placed placed) {
    Result<void> accepted;
    if (decisions.empty()) accepted = fail(ErrorCode::kInvalidArgument, "decision: an empty group");
    std::size_t bytes = 0;
    for (const Decision& decision : decisions) {
        if (accepted) accepted = check(decision);
        bytes += 4 + segments::encoded_size(decision);
    }
    if (accepted && bytes > segments::kPayloadBytesMax) {
        accepted =
            fail(ErrorCode::kTooLarge, fmt::format("decisions that stay together may have {} bytes, these have {}",
                                                   segments::kPayloadBytesMax, bytes));
    }
    if (!accepted) {
        const Lock lock(mutex_);
        health_.refused_invalid += decisions.size();
    } else {
        thread_local Scratch scratch;
        scratch.payload.clear();
        scratch.leaves.clear();
        const UnixMillis recorded = std::max<UnixMillis>(0, clock_.unix_ms());
        for (const Decision& decision : decisions) scratch.add(decision, recorded);
        accepted = enqueue(scratch.payload, scratch.leaves, placed);
    }
    if (!accepted && placed) placed(std::unexpected(std::move(accepted).error()));
}

// On success `placed` has been moved into a batch.
Result<void> PostgresLog::enqueue(Bytes payload, std::span<const Sha256> leaves, Placed& placed) {
    const Lock lock(mutex_);
    if (closing_) return fail(ErrorCode::kUnavailable, "the record's log is closing");
    if (health_.degraded) {
        health_.refused_full += leaves.size();
        return fail(ErrorCode::kUnavailable, health_.reason);
    }
    if (health_.queue_records + leaves.size() > options_.queue_records_max ||
        health_.queue_bytes + payload.size() > options_.queue_bytes_max) {
        health_.refused_full += leaves.size();
        return fail(ErrorCode::kUnavailable, "the record's log has too many records waiting");
    }
    const bool joins = !waiting_.empty() && waiting_.back().payload.size() + payload.size() <= options_.batch_bytes_max;
    if (!joins) waiting_.emplace_back();
    Batch& batch = waiting_.back();
    batch.payload.insert(batch.payload.end(), payload.begin(), payload.end());
    batch.leaves.insert(batch.leaves.end(), leaves.begin(), leaves.end());
    batch.groups.push_back({leaves.size(), std::move(placed)});
    health_.queue_records += leaves.size();
    health_.queue_bytes += payload.size();
    ++accepted_;
    // The writer looks at the queue before it sleeps: only the first of a batch may find it asleep.
    if (!joins) wake_.notify_one();
    return {};
}

void PostgresLog::flush() {
    const Lock lock(mutex_);
    const std::uint64_t until = accepted_;
    while (finished_ < until) progressed_.wait(mutex_);
}

void PostgresLog::close() {
    {
        const Lock lock(mutex_);
        closing_ = true;
        stopping_.store(true);
        wake_.notify_all();
        keeper_wake_.notify_all();
    }
    if (writer_thread_.joinable()) writer_thread_.join();
    if (keeper_thread_.joinable()) keeper_thread_.join();
}

LogHealth PostgresLog::log_health() const {
    const Lock lock(mutex_);
    LogHealth health = health_;
    health.size = tree_.size();
    health.first = reader_.first_leaf();
    return health;
}

Result<std::unique_ptr<store::PostgresLink>> PostgresLog::keeper_link() {
    store::PostgresOptions to = link_options(options_, "keeper");
    to.stop = &stopping_;
    // A month of 100 million rows on a slow disk.
    to.patience = std::chrono::hours(2);
    TG_TRY(auto link, store::PostgresLink::connect(to, clock_));
    // A month that is dropped waits for those who read it, and everybody else would wait behind it.
    TG_CHECK(link->run("SET lock_timeout = '3s'; SET synchronous_commit = on"));
    return link;
}

Result<void> PostgresLog::keep_once() {
    TG_TRY(const auto link, keeper_link());
    TG_CHECK(remove_dropped(*link, options_.schema, clock_.unix_ms()));
    return keep(*link, options_.schema, options_.recent_days, clock_.unix_ms());
}

Result<void> PostgresLog::remove_before(std::uint64_t leaf) {
    TG_TRY(const auto stated, reader_.tree_before(leaf));
    if (!stated || stated->size() <= reader_.first_leaf()) return {};
    TG_TRY(const auto link, keeper_link());
    const std::string peaks = encode_peaks(*stated);
    store::PostgresValues values;
    values.add(static_cast<std::int64_t>(stated->size())).add(std::string_view(peaks));
    values.add(static_cast<std::int64_t>(writer_.generation()));
    // The newest block stays, whatever is asked for: the next start compares it with the head.
    TG_TRY(const store::PostgresRows moved,
           link->run("UPDATE " + options_.schema +
                         ".audit_head SET first_leaf = $1::int8, first_peaks = $2::bytea"
                         " WHERE generation = $3::int8 AND first_leaf <= $1::int8 AND size > $1::int8",
                     values));
    if (moved.affected() != 1) {
        return fail(ErrorCode::kConflict, "nothing was removed: the log has another writer, or ends there");
    }
    reader_.set_first(stated->size());
    return remove_dropped(*link, options_.schema, clock_.unix_ms());
}

void PostgresLog::keep_loop() {
    while (true) {
        const auto kept = keep_once();
        keep_rounds_.fetch_add(1, std::memory_order_release);
        const Lock lock(mutex_);
        health_.note = kept ? "" : "old months are kept in order again later: " + kept.error().message;
        if (!closing_) keeper_wake_.wait_for(mutex_, options_.keep_interval);
        if (closing_) return;
    }
}

}  // namespace tidegate::audit::postgres
