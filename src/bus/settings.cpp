#include "bus/settings.h"

#include <algorithm>

#include "audit/proof/note.h"

namespace tidegate::bus {
namespace {

// A topic as brokers take it; also a safe part of a folder's name.
Result<void> check_topic(std::string_view text) {
    const auto good = [](char c) {
        return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' || c == '_' ||
               c == '-';
    };
    if (!text.empty() && text.size() <= 249 && text != "." && text != ".." && std::ranges::all_of(text, good))
        return {};
    return fail(ErrorCode::kInvalidArgument, "is 1 to 249 of the characters a-z A-Z 0-9 . _ -");
}

Result<void> check_origin(std::string_view text) {
    if (text.empty() || audit::proof::is_key_name(text)) return {};
    return fail(ErrorCode::kInvalidArgument, "is a name without space and `+`, of 200 bytes at most");
}

}  // namespace

void declare(settings::Table& table, BusSettings& s) {
    using std::chrono::milliseconds;
    table.group("kafka", "Decisions over Kafka, from many servers to many workers");
    table.add("kafka.mode", s.mode, "off")
        .choices({"off", "produce", "consume"})
        .doc(
            "`produce`: this server's record is sent to the topic, from where it was left; `consume`: this server is "
            "one of the workers "
            "that keep what others send.");
    table.add("kafka.brokers", s.brokers, "")
        .env_aliases({"KAFKA_BROKERS"})
        .doc("`host:port`, several with commas. Needed by both modes.");
    table.add("kafka.topic", s.topic, "tidegate.decisions").check(check_topic, "TOPIC").doc("The topic of the blocks.");
    table.add("kafka.group", s.group, "tidegate")
        .check(check_topic, "NAME")
        .doc("The workers that share the topic's partitions.");
    table.add("kafka.folder", s.folder, "").doc("Workers keep a log a partition in it; empty: `kafka` in data.dir.");
    table.add("kafka.block_bytes", s.block_bytes, 256U * 1024)
        .range(16U * 1024, 1024U * 1024)
        .unit("bytes")
        .doc("Records of one tenant are sent as blocks of at most so many bytes before compression.");
    table.add("kafka.linger_ms", s.linger, milliseconds(50))
        .range(milliseconds(0), milliseconds(10'000))
        .doc("A new record waits at most so long for company before it is sent.");
    table.add("kafka.queue_bytes_max", s.queue_bytes_max, 64ULL * 1024 * 1024)
        .range(8ULL * 1024 * 1024, 4ULL * 1024 * 1024 * 1024)
        .bytes()
        .doc("Blocks that wait for the broker, and what a worker has fetched and not written, hold at most so much.");
    table.add("kafka.segment_bytes", s.segment_bytes, 64ULL * 1024 * 1024)
        .range(1024ULL * 1024, 1024ULL * 1024 * 1024)
        .bytes()
        .doc("Size of a segment file of a partition's log. A multiple of 4,096.");
    table.add("kafka.checkpoint_interval_s", s.checkpoint_interval, std::chrono::seconds(1))
        .range(milliseconds(100), std::chrono::hours(1))
        .doc("Workers sign the head of each partition's log, and of all together, so long after the last time.");
    table.add("kafka.session_s", s.session_max, std::chrono::seconds(10))
        .range(std::chrono::seconds(1), std::chrono::minutes(5))
        .doc("A worker that the group has not heard of for so long is dead, and others get its partitions.");
    table.add("kafka.origin", s.origin, "")
        .check(check_origin, "NAME")
        .doc("The name of the logs in their checkpoints; empty: `tidegate/` and the topic.");
    table.add("kafka.tls", s.tls, false).doc("Speak TLS with the brokers.");
    table.add("kafka.ca_file", s.ca_file, "")
        .doc("PEM file of the authorities that sign the brokers' certificates; empty: the system's.");
    table.add("kafka.username", s.username, "").doc("SASL/SCRAM-SHA-256 user; empty: no SASL.");
    table.add("kafka.password", s.password).doc("Of that user.");
}

Result<Brokers> brokers_of(const BusSettings& s) {
    if (s.brokers.empty()) return fail(ErrorCode::kInvalidArgument, "kafka.brokers is not set");
    return Brokers{.list = s.brokers,
                   .tls = s.tls,
                   .ca_file = s.ca_file,
                   .username = s.username,
                   .password = std::string(s.password.reveal())};
}

}  // namespace tidegate::bus
