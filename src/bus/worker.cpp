#include "bus/worker.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <set>

#include "bus/partition_reader.h"

namespace tidegate::bus {
namespace {

constexpr int kMessagePollMs = 100;
constexpr Duration kReopenInterval = std::chrono::seconds(1);
constexpr int kWatermarkMs = 5'000;

using Partition = std::uint32_t;

KafkaPartitions list_of(const std::string& topic, const std::map<Partition, std::int64_t>& offsets) {
    KafkaPartitions list(rd_kafka_topic_partition_list_new(static_cast<int>(offsets.size())));
    for (const auto& [partition, offset] : offsets) {
        rd_kafka_topic_partition_list_add(list.get(), topic.c_str(), static_cast<std::int32_t>(partition))->offset =
            offset;
    }
    return list;
}

}  // namespace

struct Worker::Impl {
    Impl(const WorkerOptions& given, FolderKey folder_key, const Clock& the_clock, Random& the_random,
         observe::Logger* the_log)
        : options(given),
          key(std::move(folder_key)),
          super(key, given.folder),
          clock(the_clock),
          random(the_random),
          log(the_log) {}

    const WorkerOptions options;
    const FolderKey key;
    SuperSigner super;
    const Clock& clock;
    Random& random;
    observe::Logger* const log;
    KafkaHandle kafka;
    std::thread poller;
    std::atomic<bool> stopping{false};
    SteadyTime next_sign{};
    SteadyTime next_open{};

    mutable Mutex mutex;
    // Those that are open; changed by the polling thread only.
    std::map<Partition, std::unique_ptr<PartitionReader>> readers TG_GUARDED_BY(mutex);
    std::map<Partition, std::string> waiting
        TG_GUARDED_BY(mutex);                  // The group gave them, and they cannot be opened: why.
    WorkerHealth totals TG_GUARDED_BY(mutex);  // Without partitions.
    std::set<Partition> gone;                  // To be compared with the broker's offsets first.
    std::map<Partition, std::uint64_t> jumps;  // Messages that came where earlier ones were expected.
    std::set<Partition> strayed;               // Some of their messages came to the consumer.

    void poll();
    void on_rebalance(rd_kafka_resp_err_t code, const rd_kafka_topic_partition_list_t& list);
    void give(const std::set<Partition>& partitions);
    void revoke(const std::set<Partition>& partitions);
    Result<std::unique_ptr<PartitionReader>> open(Partition partition);
    Result<std::int64_t> first_offset(Partition partition) const;
    Result<void> meet_broker(PartitionLog& partition);
    void open_waiting();
    void close_failed();
    void sign();
    void commit();
    void note(const Error& error);
    std::unique_ptr<PartitionReader> remove(Partition partition);
    std::set<Partition> all() const;
};

std::set<Partition> Worker::Impl::all() const {
    const Lock lock(mutex);
    std::set<Partition> partitions;
    for (const auto& [partition, reader] : readers) partitions.insert(partition);
    return partitions;
}

void Worker::Impl::note(const Error& error) {
    const Lock lock(mutex);
    ++totals.errors;
    totals.last_error = error.message;
}

std::unique_ptr<PartitionReader> Worker::Impl::remove(Partition partition) {
    const Lock lock(mutex);
    waiting.erase(partition);
    const auto found = readers.find(partition);
    if (found == readers.end()) return nullptr;
    std::unique_ptr<PartitionReader> reader = std::move(found->second);
    readers.erase(found);
    return reader;
}

Result<std::unique_ptr<PartitionReader>> Worker::Impl::open(Partition partition) {
    const std::size_t share = static_cast<std::size_t>(options.queue_bytes_max) / 4;
    TG_TRY(auto opened,
           PartitionLog::open({.folder = partition_folder(options.folder, partition),
                               .topic = options.topic,
                               .partition = partition,
                               .log = options.log,
                               .in_flight_bytes_max = std::clamp<std::size_t>(share, 1U << 20U, 1U << 24U)},
                              clock, random));
    if (gone.contains(partition)) TG_CHECK(meet_broker(*opened));
    gone.erase(partition);
    TG_TRY(HeadSigner signer, HeadSigner::open(key, options.folder, partition, opened->tree().size()));
    if (!opened->next_offset()) {
        TG_TRY(const std::int64_t low, first_offset(partition));
        opened->begin_at(static_cast<std::uint64_t>(low));
    }
    auto reader =
        std::make_unique<PartitionReader>(kafka.get(), options.topic, std::move(opened), std::move(signer), clock);
    if (const auto jump = jumps.find(partition); jump != jumps.end()) reader->accept_jump_to(jump->second);
    jumps.erase(partition);
    strayed.erase(partition);
    return reader;
}

// Asked for, so that the first message that comes can be told from a later one.
Result<std::int64_t> Worker::Impl::first_offset(Partition partition) const {
    std::int64_t low = 0;
    std::int64_t high = 0;
    const auto code = rd_kafka_query_watermark_offsets(kafka.get(), options.topic.c_str(),
                                                       static_cast<std::int32_t>(partition), &low, &high, kWatermarkMs);
    if (code != RD_KAFKA_RESP_ERR_NO_ERROR) return std::unexpected(kafka_error("offsets", code));
    return low;
}

// The offset that was read next is not there.
Result<void> Worker::Impl::meet_broker(PartitionLog& partition) {
    const auto next = partition.next_offset();
    if (!next) return {};
    std::int64_t low = 0;
    std::int64_t high = 0;
    const auto code =
        rd_kafka_query_watermark_offsets(kafka.get(), options.topic.c_str(),
                                         static_cast<std::int32_t>(partition.partition()), &low, &high, kWatermarkMs);
    if (code != RD_KAFKA_RESP_ERR_NO_ERROR) return std::unexpected(kafka_error("offsets", code));
    const auto wanted = static_cast<std::int64_t>(*next);
    if (wanted > high) {
        return fail(ErrorCode::kDataLoss,
                    fmt::format("the log has read to offset {} and the topic ends at {}: it is not the topic it was",
                                wanted, high));
    }
    if (wanted >= low) return {};
    if (log != nullptr) {
        log->line(observe::Level::kError, "kafka_messages_lost")
            .field("partition", partition.partition())
            .field("from_offset", wanted)
            .field("to_offset", low);
    }
    TG_CHECK(partition.note_lost(*next, static_cast<std::uint64_t>(low)));
    return partition.flush();
}

void Worker::Impl::give(const std::set<Partition>& partitions) {
    std::map<Partition, std::int64_t> offsets;
    std::vector<std::unique_ptr<PartitionReader>> opened;
    for (const Partition partition : partitions) {
        auto reader = open(partition);
        if (!reader) {
            if (log != nullptr) {
                log->line(observe::Level::kWarn, "kafka_partition_waits")
                    .field("partition", partition)
                    .field("reason", reader.error().message);
            }
            const Lock lock(mutex);
            waiting[partition] = reader.error().message;
            continue;
        }
        offsets[partition] = static_cast<std::int64_t>((*reader)->log().expected().value_or(0));
        opened.push_back(*std::move(reader));
    }
    // The group wants an answer also when there is nothing to read.
    const KafkaPartitions list = list_of(options.topic, offsets);
    if (const KafkaError error{rd_kafka_incremental_assign(kafka.get(), list.get())}) {
        note({ErrorCode::kUnavailable, std::string("kafka: assign: ") + rd_kafka_error_string(error.get())});
    }
    for (auto& reader : opened) {
        const Partition partition = reader->log().partition();
        reader->start();
        const Lock lock(mutex);
        waiting.erase(partition);
        readers[partition] = std::move(reader);
    }
}

// Durable and closed before the group hears of it: whoever gets the partition finds its folder free.
void Worker::Impl::revoke(const std::set<Partition>& partitions) {
    std::map<Partition, std::int64_t> offsets;
    for (const Partition partition : partitions) {
        if (const auto reader = remove(partition)) {
            reader->stop();
            offsets[partition] = RD_KAFKA_OFFSET_INVALID;
        }
    }
    const KafkaPartitions list = list_of(options.topic, offsets);
    if (const KafkaError error{rd_kafka_incremental_unassign(kafka.get(), list.get())}) {
        note({ErrorCode::kUnavailable, std::string("kafka: unassign: ") + rd_kafka_error_string(error.get())});
    }
}

void Worker::Impl::on_rebalance(rd_kafka_resp_err_t code, const rd_kafka_topic_partition_list_t& list) {
    std::set<Partition> partitions;
    for (int i = 0; i < list.cnt; ++i) partitions.insert(static_cast<Partition>(list.elems[i].partition));
    {
        const Lock lock(mutex);
        ++totals.rebalances;
    }
    if (code == RD_KAFKA_RESP_ERR__ASSIGN_PARTITIONS) return give(partitions);
    if (code == RD_KAFKA_RESP_ERR__REVOKE_PARTITIONS) return revoke(partitions);
    note(kafka_error("rebalance", code));
    for (const Partition partition : all()) {
        if (const auto reader = remove(partition)) reader->stop();
    }
    rd_kafka_assign(kafka.get(), nullptr);
}

void Worker::Impl::open_waiting() {
    std::set<Partition> partitions;
    {
        const Lock lock(mutex);
        for (const auto& [partition, reason] : waiting) partitions.insert(partition);
    }
    if (!partitions.empty()) give(partitions);
}

void Worker::Impl::close_failed() {
    std::map<Partition, std::string> failed;
    std::map<Partition, std::int64_t> offsets;
    {
        const Lock lock(mutex);
        for (const auto& [partition, reader] : readers) {
            if (!reader->has_failed()) continue;
            failed[partition] = reader->reason();
            offsets[partition] = RD_KAFKA_OFFSET_INVALID;
            if (reader->offset_is_gone()) gone.insert(partition);
            if (const auto jump = reader->jumped_to(); jump && !strayed.contains(partition)) jumps[partition] = *jump;
        }
    }
    if (failed.empty()) return;
    const KafkaPartitions list = list_of(options.topic, offsets);
    for (const auto& [partition, reason] : failed) {
        if (const auto reader = remove(partition)) reader->stop();
        if (log != nullptr) {
            log->line(observe::Level::kError, "kafka_partition_failed")
                .field("partition", partition)
                .field("reason", reason);
        }
        const Lock lock(mutex);
        waiting[partition] = reason;
        ++totals.reopened;
    }
    if (const KafkaError error{rd_kafka_incremental_unassign(kafka.get(), list.get())}) {
        note({ErrorCode::kUnavailable, std::string("kafka: unassign: ") + rd_kafka_error_string(error.get())});
    }
}

// For whoever looks at the group's lag; nobody here reads it.
void Worker::Impl::commit() {
    std::map<Partition, std::int64_t> offsets;
    {
        const Lock lock(mutex);
        for (const auto& [partition, reader] : readers) {
            if (const auto next = reader->log().next_offset()) offsets[partition] = static_cast<std::int64_t>(*next);
        }
    }
    if (offsets.empty()) return;
    const KafkaPartitions list = list_of(options.topic, offsets);
    rd_kafka_commit(kafka.get(), list.get(), 1);
}

void Worker::Impl::sign() {
    std::vector<PartitionReader*> open_ones;
    {
        const Lock lock(mutex);
        for (const auto& [partition, reader] : readers) open_ones.push_back(reader.get());
    }
    // Only this thread takes readers away.
    for (PartitionReader* reader : open_ones) reader->sign_head();
    const auto signed_all = super.sign(clock.unix_ms());
    const Lock lock(mutex);
    if (signed_all && *signed_all) ++totals.super_checkpoints;
    totals.super_reason = signed_all ? std::string() : signed_all.error().message;
}

void Worker::Impl::poll() {
    while (!stopping) {
        // Messages come to the partitions' own queues; what comes here is events and errors.
        if (rd_kafka_message_t* message = rd_kafka_consumer_poll(kafka.get(), kMessagePollMs)) {
            // A message here is missing there: the partition sees the jump and goes back for it.
            if (message->err == RD_KAFKA_RESP_ERR_NO_ERROR) strayed.insert(static_cast<Partition>(message->partition));
            note(message->err != RD_KAFKA_RESP_ERR_NO_ERROR
                     ? kafka_error("consumer", message->err)
                     : Error{ErrorCode::kInternal, "kafka: a message went astray and is read again"});
            rd_kafka_message_destroy(message);
        }
        close_failed();
        const SteadyTime now = clock.now();
        if (now >= next_open) {
            next_open = now + kReopenInterval;
            open_waiting();
        }
        if (now >= next_sign) {
            next_sign = now + options.checkpoint_interval;
            sign();
            commit();
        }
    }
    sign();
    commit();
    // Revokes all; the group learns at once that this worker is gone.
    rd_kafka_consumer_close(kafka.get());
    for (const Partition partition : all()) {
        if (const auto reader = remove(partition)) reader->stop();
    }
    const auto last = super.sign(clock.unix_ms());
    if (!last) note(last.error());
}

Worker::Worker(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Worker::~Worker() {
    stop();
}

Result<std::unique_ptr<Worker>> Worker::start(const WorkerOptions& options, const Clock& clock, Random& random,
                                              observe::Logger* log) {
    TG_TRY(FolderKey key, FolderKey::open(options.folder, options.origin));
    auto impl = std::make_unique<Impl>(options, std::move(key), clock, random, log);
    KafkaConfig config(options.brokers, impl.get());
    const std::uint64_t queue_kib = std::max<std::uint64_t>(options.queue_bytes_max / 1024 / 4, 1024);
    config.set("group.id", options.group).set("partition.assignment.strategy", "cooperative-sticky");
    config.set("enable.auto.commit", "false").set("enable.auto.offset.store", "false");
    config.set("auto.offset.reset", "error").set("allow.auto.create.topics", "false");
    config.set("session.timeout.ms", std::to_string(options.session_max.count() / 1'000'000));
    config.set("heartbeat.interval.ms", std::to_string(options.session_max.count() / 4'000'000));
    config.set("fetch.wait.max.ms", "50").set("max.partition.fetch.bytes", "4194304");
    config.set("queued.max.messages.kbytes", std::to_string(queue_kib));
    rd_kafka_conf_set_rebalance_cb(
        config.get(), [](rd_kafka_t*, rd_kafka_resp_err_t code, rd_kafka_topic_partition_list_t* list, void* opaque) {
            static_cast<Impl*>(opaque)->on_rebalance(code, *list);
        });
    rd_kafka_conf_set_error_cb(config.get(), [](rd_kafka_t*, int code, const char* reason, void* opaque) {
        static_cast<void>(code);
        static_cast<Impl*>(opaque)->note({ErrorCode::kUnavailable, std::string("kafka: ") + reason});
    });
    TG_TRY(impl->kafka, config.make(RD_KAFKA_CONSUMER));
    rd_kafka_poll_set_consumer(impl->kafka.get());
    const KafkaPartitions wanted(rd_kafka_topic_partition_list_new(1));
    rd_kafka_topic_partition_list_add(wanted.get(), options.topic.c_str(), RD_KAFKA_PARTITION_UA);
    if (const auto code = rd_kafka_subscribe(impl->kafka.get(), wanted.get()); code != RD_KAFKA_RESP_ERR_NO_ERROR) {
        return std::unexpected(kafka_error("subscribe", code));
    }
    impl->poller = std::thread([raw = impl.get()] { raw->poll(); });
    return std::unique_ptr<Worker>(new Worker(std::move(impl)));
}

void Worker::stop() {
    impl_->stopping = true;
    if (impl_->poller.joinable()) impl_->poller.join();
}

WorkerHealth Worker::health() const {
    const Lock lock(impl_->mutex);
    WorkerHealth health = impl_->totals;
    for (const auto& [partition, reader] : impl_->readers) health.partitions.push_back(reader->state());
    for (const auto& [partition, reason] : impl_->waiting) {
        PartitionState state;
        state.partition = partition;
        state.reason = reason;
        health.partitions.push_back(std::move(state));
    }
    std::ranges::sort(health.partitions, {}, &PartitionState::partition);
    return health;
}

}  // namespace tidegate::bus
