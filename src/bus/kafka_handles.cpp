#include "bus/kafka_handles.h"

namespace tidegate::bus {

KafkaConfig::KafkaConfig(const Brokers& brokers, void* opaque) : conf_(rd_kafka_conf_new()) {
    rd_kafka_conf_set_opaque(conf_.get(), opaque);
    rd_kafka_conf_set_log_cb(conf_.get(), [](const rd_kafka_t*, int, const char*, const char*) {});
    const bool sasl = !brokers.username.empty();
    set("bootstrap.servers", brokers.list);
    set("client.id", "tidegate");
    // A broker that comes back is found within a second.
    set("reconnect.backoff.ms", "100").set("reconnect.backoff.max.ms", "1000");
    set("topic.metadata.refresh.interval.ms", "10000");
    set("security.protocol", brokers.tls ? (sasl ? "sasl_ssl" : "ssl") : (sasl ? "sasl_plaintext" : "plaintext"));
    if (!brokers.ca_file.empty()) set("ssl.ca.location", brokers.ca_file);
    if (sasl) {
        set("sasl.mechanism", "SCRAM-SHA-256");
        set("sasl.username", brokers.username).set("sasl.password", brokers.password);
    }
}

KafkaConfig& KafkaConfig::set(const char* name, const std::string& value) {
    char reason[512];
    if (rd_kafka_conf_set(conf_.get(), name, value.c_str(), reason, sizeof reason) != RD_KAFKA_CONF_OK && !error_) {
        error_ = Error{ErrorCode::kInvalidArgument, std::string("kafka: ") + reason};
    }
    return *this;
}

Result<KafkaHandle> KafkaConfig::make(rd_kafka_type_t type) {
    if (error_) return std::unexpected(*error_);
    char reason[512];
    KafkaHandle handle(rd_kafka_new(type, conf_.get(), reason, sizeof reason));
    if (!handle) return fail(ErrorCode::kInvalidArgument, std::string("kafka: ") + reason);
    // The handle owns it from here on.
    static_cast<void>(conf_.release());
    return handle;
}

Error kafka_error(std::string_view doing, rd_kafka_resp_err_t code) {
    return {ErrorCode::kUnavailable, std::string("kafka: ") + std::string(doing) + ": " + rd_kafka_err2str(code)};
}

}  // namespace tidegate::bus
