#include "audit/postgres/postgres_decision_log.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "audit/postgres/keep.h"
#include "audit/segments/format.h"

namespace tidegate::audit::postgres {
namespace {

store::PostgresOptions link_options(const PostgresLogOptions& options, std::string_view what) {
    store::PostgresOptions of;
    of.url = options.url;
    of.application_name = fmt::format("{} {}", options.name.substr(0, 40), what);
    of.patience = options.patience;
    return of;
}

BlockWriterOptions writer_options(const PostgresLogOptions& options) {
    return {.url = options.url,
            .schema = options.schema,
            .name = options.name,
            .patience = options.patience,
            .lock_patience = options.lock_patience};
}

Result<void> check_options(const PostgresLogOptions& options) {
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

PostgresDecisionLog::PostgresDecisionLog(PostgresLogOptions options, const Clock& clock, Random& random)
    : options_(std::move(options)),
      clock_(clock),
      reader_(link_options(options_, "reader"), options_.schema, clock),
      writer_(writer_options(options_), clock, random),
      feed_([this](std::uint64_t from, std::uint64_t to,
                   const PostgresReader::Visit& visit) { return reader_.scan(from, to, visit); },
            [] { return std::uint64_t{0}; }, options_.follower_retry, clock) {}

Result<std::unique_ptr<PostgresDecisionLog>> PostgresDecisionLog::open(PostgresLogOptions options, const Clock& clock,
                                                                       Random& random) {
    TG_CHECK(check_options(options));
    std::unique_ptr<PostgresDecisionLog> log(new PostgresDecisionLog(std::move(options), clock, random));
    TG_CHECK(log->writer_.open());
    {
        const Lock lock(log->mutex_);
        log->tree_ = log->writer_.tree();
    }
    log->writer_thread_ = std::thread([self = log.get()] { self->write_loop(); });
    log->keeper_thread_ = std::thread([self = log.get()] { self->keep_loop(); });
    return log;
}

PostgresDecisionLog::~PostgresDecisionLog() {
    close();
}

Result<void> PostgresDecisionLog::follow(std::vector<Follower*> followers) {
    return feed_.follow(std::move(followers), tree().size());
}

MerkleStack PostgresDecisionLog::tree() const {
    const Lock lock(mutex_);
    return tree_;
}

void PostgresDecisionLog::append(Decision decision, Done done) {
    append_group({&decision, 1}, std::move(done));
}

void PostgresDecisionLog::append_batch(std::vector<Decision> decisions, Done done) {
    append_group(decisions, std::move(done));
}

void PostgresDecisionLog::append_group(std::span<const Decision> decisions, Done done) {
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
        accepted = enqueue(scratch.payload, scratch.leaves, done);
    }
    if (!accepted && done) done(std::unexpected(std::move(accepted).error()));
}

// On success `done` has been moved into a batch.
Result<void> PostgresDecisionLog::enqueue(Bytes payload, std::span<const Sha256> leaves, Done& done) {
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
    batch.groups.push_back({leaves.size(), std::move(done)});
    health_.queue_records += leaves.size();
    health_.queue_bytes += payload.size();
    ++accepted_;
    // The writer looks at the queue before it sleeps: only the first of a batch may find it asleep.
    if (!joins) wake_.notify_one();
    return {};
}

void PostgresDecisionLog::flush() {
    const Lock lock(mutex_);
    const std::uint64_t until = accepted_;
    while (finished_ < until) progressed_.wait(mutex_);
}

void PostgresDecisionLog::close() {
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

LogHealth PostgresDecisionLog::health() const {
    std::vector<FollowerHealth> followers = feed_.health();
    const Lock lock(mutex_);
    LogHealth health = health_;
    health.size = tree_.size();
    health.followers = std::move(followers);
    return health;
}

Result<void> PostgresDecisionLog::keep_once() {
    store::PostgresOptions to = link_options(options_, "keeper");
    to.stop = &stopping_;
    TG_TRY(const auto link, store::PostgresLink::connect(to, clock_));
    // A month that is dropped waits for those who read it, and everybody else would wait behind it.
    TG_CHECK(link->run("SET lock_timeout = '3s'"));
    return keep(*link, options_.schema, options_.recent_days, clock_.unix_ms());
}

void PostgresDecisionLog::keep_loop() {
    while (true) {
        const auto kept = keep_once();
        const Lock lock(mutex_);
        health_.note = kept ? "" : "old months are kept in order again later: " + kept.error().message;
        if (!closing_) keeper_wake_.wait_for(mutex_, options_.keep_interval);
        if (closing_) return;
    }
}

}  // namespace tidegate::audit::postgres
