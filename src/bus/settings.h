// Settings of the bus.
#pragma once

#include <cstdint>
#include <string>

#include "base/clock.h"
#include "bus/producer.h"
#include "settings/secret.h"
#include "settings/table.h"

namespace tidegate::bus {

struct BusSettings {
    std::string mode;
    std::string brokers;
    std::string topic;
    std::string group;
    std::string folder;
    std::uint32_t block_bytes = 0;
    Duration linger{};
    std::uint64_t queue_bytes_max = 0;
    std::uint64_t segment_bytes = 0;
    Duration checkpoint_interval{};
    Duration session_max{};
    std::string origin;
    bool tls = false;
    std::string ca_file;
    std::string username;
    settings::Secret password;
};

void declare(settings::Table& table, BusSettings& s);
/// kInvalidArgument: `kafka.brokers` is not set.
Result<Brokers> brokers_of(const BusSettings& s);

}  // namespace tidegate::bus
