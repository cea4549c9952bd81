// What is kept of jobs, how many may wait, and where webhooks go.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "settings/table.h"

namespace tidegate::jobs {

struct WebhookOptions {
    std::string name;
    std::string url;
    settings::Secret secret;
    bool allow_private = false;
    std::uint32_t attempts_max = 0;
    Duration timeout{};
};

struct JobSettings {
    std::uint32_t waiting_max = 0;
    std::uint32_t tenant_waiting_max = 0;
    Duration keep{};
    Duration dead_keep{};
    std::uint32_t webhook_threads = 0;
    std::vector<WebhookOptions> webhooks;
};

void declare(settings::Table& table, JobSettings& s);

}  // namespace tidegate::jobs
