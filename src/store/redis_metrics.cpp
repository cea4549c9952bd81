#include "store/redis_counters.h"

namespace tidegate::store {
namespace {

using observe::MetricType;
using observe::Samples;

double as_double(const RedisCounters::Count& count) {
    return static_cast<double>(count.load(std::memory_order_relaxed));
}

/// Totals of one family, told apart by one label.
struct Part {
    std::string_view value;
    const RedisCounters::Count* count;
};

void declare_parts(observe::Registry& registry, observe::FamilySpec spec, std::vector<Part> parts) {
    registry.callback(std::move(spec), MetricType::kCounter, [parts = std::move(parts)](Samples& out) {
        for (const Part& part : parts) out.add({part.value}, as_double(*part.count));
    });
}

void declare_total(observe::Registry& registry, std::string name, std::string help, std::string rises,
                   const RedisCounters::Count& count) {
    registry.callback({.name = std::move(name), .help = std::move(help), .when_it_rises = std::move(rises)},
                      MetricType::kCounter, [&count](Samples& out) { out.add({}, as_double(count)); });
}

}  // namespace

void declare_metrics(observe::Registry& registry, const RedisCounters& c) {
    registry.callback({.name = "tidegate_redis_connected",
                       .help = "Connections to Redis that can be used now, one an event loop when all is well.",
                       .when_it_rises = "Fewer than loops: Redis is away or slow for some."},
                      MetricType::kGauge, [&c](Samples& out) { out.add({}, as_double(c.connected)); });
    declare_parts(registry,
                  {.name = "tidegate_redis_connections_total",
                   .help = "Connections to Redis: made, lost once made, and attempts that failed.",
                   .labels = {"what"},
                   .when_it_rises = "lost, failed: look at Redis and the network to it."},
                  {{"made", &c.connects}, {"lost", &c.disconnects}, {"failed", &c.connects_failed}});
    declare_parts(
        registry,
        {.name = "tidegate_redis_commands_total",
         .help = "Commands by how they ended: replied (errors among them), refused without a connection or with too "
                 "many under way, timed_out, broken with their connection.",
         .labels = {"outcome"},
         .when_it_rises = "timed_out: Redis is slow. refused, broken: it is away."},
        {{"replied", &c.replies}, {"refused", &c.refused}, {"timed_out", &c.timed_out}, {"broken", &c.broken}});
    declare_total(registry, "tidegate_redis_commands_queued_total",
                  "Commands queued to be sent, probes and repeats too.", "Work is shared through Redis.", c.commands);
    declare_total(registry, "tidegate_redis_error_replies_total", "Replies that were errors.",
                  "Redis is full, read-only or lacks permissions; the log of whoever asked says which.",
                  c.error_replies);
    declare_total(registry, "tidegate_redis_late_replies_total", "Replies that came after their time limit, dropped.",
                  "Redis is slow.", c.late_replies);
    declare_total(registry, "tidegate_redis_scripts_sent_total",
                  "Scripts sent whole because the server did not know them.",
                  "Redis was restarted or its scripts were flushed.", c.scripts_sent);
    declare_total(registry, "tidegate_redis_writes_total", "Write system calls to Redis.",
                  "Against commands: how well a turn is gathered.", c.writes);
    declare_total(registry, "tidegate_redis_sent_bytes_total", "Bytes sent to Redis.", "More or larger commands.",
                  c.bytes_out);
    declare_total(registry, "tidegate_redis_received_bytes_total", "Bytes read from Redis.", "More or larger replies.",
                  c.bytes_in);
    declare_total(registry, "tidegate_redis_messages_total", "Messages of subscribed channels.",
                  "Other servers tell of changes.", c.messages);
    declare_total(registry, "tidegate_redis_subscriptions_lost_total",
                  "Times the connection for messages broke; what relies on them assumed the worst.",
                  "Redis was restarted, or the network to it is bad.", c.subscriptions_lost);
}

}  // namespace tidegate::store
