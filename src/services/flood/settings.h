// Settings of the flood service.
#pragma once

#include <cstdint>

#include "services/flood/sensor/evaluate.h"
#include "settings/table.h"

namespace tidegate::flood {

struct FloodSettings {
    std::uint32_t batch_items_max = 100;
    Duration risk_ttl{}, anomaly_ttl{}, batch_ttl{};
    double anomaly_threshold = kTrendThreshold;
    double pattern_threshold = kPatternThreshold;
    std::uint32_t devices_max = 10'000;
    std::uint32_t pattern_fields_max = 10'000;
    std::uint32_t tenant_share_percent = 50;
    Duration save_every{};
};

inline void declare(settings::Table& table, FloodSettings& s) {
    constexpr auto kDay = std::chrono::hours(24);
    table.group("flood", "What is about to happen here?");
    table.add("flood.batch_items_max", s.batch_items_max, 100)
        .range(1, 100'000)
        .unit("locations")
        .env_aliases({"MAX_BATCH_SIZE"})
        .doc("Most locations in one batch request.");
    table.add("flood.cache_ttl_risk_s", s.risk_ttl, std::chrono::seconds(300))
        .range(std::chrono::seconds(0), kDay)
        .env_aliases({"CACHE_TTL_FLOOD_RISK"})
        .doc("How long at most the risk of a location is given again to the same tenant; 0: never.");
    table.add("flood.cache_ttl_anomaly_s", s.anomaly_ttl, std::chrono::seconds(60))
        .range(std::chrono::seconds(0), kDay)
        .env_aliases({"CACHE_TTL_ANOMALY"})
        .doc("How long at most the same reading, sent again, gets the same answer instead of 409; 0: never.");
    table.add("flood.cache_ttl_batch_s", s.batch_ttl, std::chrono::seconds(180))
        .range(std::chrono::seconds(0), kDay)
        .env_aliases({"CACHE_TTL_BATCH"})
        .doc("How long at most the answer to the same batch is given again to the same tenant; 0: never.");
    table.add("flood.anomaly_threshold", s.anomaly_threshold, kTrendThreshold)
        .range(2, 12)
        .doc("A reading is an anomaly when one so far off comes once in 10^this readings of its own device.");
    table.add("flood.pattern_threshold", s.pattern_threshold, kPatternThreshold)
        .range(1, 12)
        .doc(
            "For fields of no known kind: an anomaly where values like the last three came once in 10^this times "
            "after those before them.");
    table.add("flood.devices_max", s.devices_max, 10'000)
        .range(1, 1'000'000)
        .unit("devices")
        .doc("Most devices whose state is kept, about 1 KiB each; the reading of one more gets 503.");
    table.add("flood.pattern_fields_max", s.pattern_fields_max, 10'000)
        .range(1, 1'000'000)
        .unit("fields")
        .doc(
            "Most fields of no known kind of all devices: the past of each takes up to 22 KiB; a reading with one more "
            "gets "
            "503.");
    table.add("flood.tenant_share_percent", s.tenant_share_percent, 50)
        .range(1, 100)
        .unit("%")
        .doc(
            "Of flood.devices_max and flood.pattern_fields_max, what one tenant may have (at least one); its next gets "
            "429. Readings without a tenant are bound by those two alone.");
    table.add("flood.save_every_ms", s.save_every, std::chrono::seconds(1))
        .range(std::chrono::milliseconds(10), std::chrono::minutes(10))
        .doc("How often the state of devices is stored: what a kill may lose. A stop in order loses nothing.");
}

}  // namespace tidegate::flood
