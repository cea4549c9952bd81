// What a worker shows: the members of /health and the metrics.
#include <algorithm>

#include "base/as_double.h"
#include "bus/worker.h"

namespace tidegate::bus {
namespace {

using observe::MetricType;
using observe::Samples;

}  // namespace

bool WorkerHealth::is_degraded() const {
    return !super_reason.empty() || std::ranges::any_of(partitions, [](const PartitionState& one) {
        return !one.open || !one.reason.empty() || !one.log.failure.empty();
    });
}

void append_status(JsonWriter& writer, const WorkerHealth& health) {
    writer.field("rebalances", health.rebalances).field("reopened", health.reopened).field("errors", health.errors);
    if (!health.last_error.empty()) writer.field("last_error", health.last_error);
    writer.field("super_checkpoints", health.super_checkpoints);
    if (!health.super_reason.empty()) writer.field("super_checkpoint_reason", health.super_reason);
    writer.key("partitions").begin_array();
    for (const PartitionState& one : health.partitions) {
        writer.begin_object().field("partition", one.partition).field("open", one.open).field("size", one.log.size);
        writer.field("records", one.log.records).field("blocks", one.log.blocks);
        writer.field("next_offset", one.log.next_offset);
        writer.field("lag_messages", one.lag_messages).field("lag_seconds", one.lag_seconds);
        writer.field("duplicate_blocks", one.log.duplicate_blocks).field("dead_letters", one.log.dead_letters);
        writer.field("lost_messages", one.log.lost_messages);
        if (!one.reason.empty()) writer.field("reason", one.reason);
        writer.end_object();
    }
    writer.end_array();
}

void declare_metrics(observe::Registry& registry, const Worker& worker) {
    const auto of_partitions = [&](std::string name, std::string help, std::string rises, MetricType type,
                                   double (*read)(const PartitionState&)) {
        registry.callback({.name = std::move(name),
                           .help = std::move(help),
                           .labels = {"partition"},
                           .when_it_rises = std::move(rises)},
                          type, [&worker, read](Samples& out) {
                              for (const PartitionState& one : worker.health().partitions) {
                                  out.add({std::to_string(one.partition)}, read(one));
                              }
                          });
    };
    of_partitions("tidegate_kafka_lag_messages", "Messages of the partition that are not durable here yet.",
                  "More is sent than this worker writes: more workers, or a faster disk.", MetricType::kGauge,
                  [](const PartitionState& one) { return as_double(one.lag_messages); });
    of_partitions("tidegate_kafka_lag_seconds", "Since the newest message taken was sent, while others wait.",
                  "As tidegate_kafka_lag_messages.", MetricType::kGauge,
                  [](const PartitionState& one) { return one.lag_seconds; });
    of_partitions("tidegate_kafka_partition_open", "1 while this worker reads the partition, 0 while it cannot.",
                  "See `reason` in /health.", MetricType::kGauge,
                  [](const PartitionState& one) { return one.open ? 1.0 : 0.0; });
    of_partitions("tidegate_kafka_partition_size", "Records of the partition's log.", "Decisions come in.",
                  MetricType::kGauge, [](const PartitionState& one) { return as_double(one.log.size); });
    of_partitions("tidegate_kafka_partition_dead_letters", "Messages set aside since the partition was opened.",
                  "Somebody sends what is no block: see `dead/` in the partition's folder.", MetricType::kGauge,
                  [](const PartitionState& one) { return as_double(one.log.dead_letters); });
    of_partitions("tidegate_kafka_partition_lost_messages",
                  "Messages that the broker let go before they were read, since the partition was opened.",
                  "The topic keeps its messages for too short a time.", MetricType::kGauge,
                  [](const PartitionState& one) { return as_double(one.log.lost_messages); });
    const auto total = [&](std::string name, std::string help, std::string rises,
                           std::uint64_t (*read)(const WorkerHealth&)) {
        registry.callback({.name = std::move(name), .help = std::move(help), .when_it_rises = std::move(rises)},
                          MetricType::kCounter,
                          [&worker, read](Samples& out) { out.add({}, as_double(read(worker.health()))); });
    };
    total("tidegate_kafka_rebalances_total", "Changes of the group's assignment that reached this worker.",
          "Workers come and go.", [](const WorkerHealth& health) { return health.rebalances; });
    total("tidegate_kafka_reopened_total", "Partitions that failed and were opened again.",
          "See `reason` in /health; look at the disk.", [](const WorkerHealth& health) { return health.reopened; });
    total("tidegate_kafka_errors_total", "Errors of connections and of the group.", "See `last_error` in /health.",
          [](const WorkerHealth& health) { return health.errors; });
}

}  // namespace tidegate::bus
