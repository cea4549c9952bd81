// All settings of the program: every room's table in one, and those that belong to no room below app/.
#pragma once

#include <cstdint>
#include <string>

#include "audit/settings.h"
#include "http/settings.h"
#include "pipeline/settings.h"
#include "services/provenance/settings.h"
#include "settings/load.h"
#include "settings/table.h"

namespace tidegate::app {

struct ProcessSettings {
    std::string data_dir;
    std::string log_level;
    std::string log_path;
    bool metrics_enabled = true;
    std::uint32_t cpu_threads = 0;
    std::uint32_t cpu_queue_max = 0;
    std::uint32_t blocking_threads = 0;
    std::uint32_t blocking_queue_max = 0;
};

struct AppSettings {
    ProcessSettings process;
    http::ServerSettings server;
    pipeline::PipelineSettings pipeline;
    audit::AuditSettings audit;
    provenance::ProvenanceSettings provenance;
};

void declare(settings::Table& table, AppSettings& s);

}  // namespace tidegate::app
