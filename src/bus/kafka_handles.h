// KafkaHandles: owners and values around librdkafka's C interface; included by .cpp files of this room only.
#pragma once

#include <librdkafka/rdkafka.h>

#include <memory>
#include <optional>
#include <string>

#include "bus/producer.h"

namespace tidegate::bus {

struct DestroyKafka {
    void operator()(rd_kafka_t* handle) const noexcept { rd_kafka_destroy(handle); }
    void operator()(rd_kafka_topic_t* topic) const noexcept { rd_kafka_topic_destroy(topic); }
    void operator()(rd_kafka_queue_t* queue) const noexcept { rd_kafka_queue_destroy(queue); }
    void operator()(rd_kafka_conf_t* conf) const noexcept { rd_kafka_conf_destroy(conf); }
    void operator()(rd_kafka_error_t* error) const noexcept { rd_kafka_error_destroy(error); }
    void operator()(rd_kafka_topic_partition_list_t* list) const noexcept {
        rd_kafka_topic_partition_list_destroy(list);
    }
};
using KafkaHandle = std::unique_ptr<rd_kafka_t, DestroyKafka>;
using KafkaQueue = std::unique_ptr<rd_kafka_queue_t, DestroyKafka>;
using KafkaError = std::unique_ptr<rd_kafka_error_t, DestroyKafka>;
using KafkaPartitions = std::unique_ptr<rd_kafka_topic_partition_list_t, DestroyKafka>;

/// Options by librdkafka's names. The first one that it does not take is the error of make().
class KafkaConfig {
  public:
    /// Connection options of `brokers`; librdkafka's own log lines go nowhere, its errors to the callbacks.
    KafkaConfig(const Brokers& brokers, void* opaque);
    KafkaConfig& set(const char* name, const std::string& value);
    rd_kafka_conf_t* get() noexcept { return conf_.get(); }
    Result<KafkaHandle> make(rd_kafka_type_t type);

  private:
    std::unique_ptr<rd_kafka_conf_t, DestroyKafka> conf_;
    std::optional<Error> error_;
};

Error kafka_error(std::string_view doing, rd_kafka_resp_err_t code);

}  // namespace tidegate::bus
