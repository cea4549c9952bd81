// All settings of the program: every room's table in one, and those that belong to no room below app/.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "alerts/settings.h"
#include "audit/keep/settings.h"
#include "audit/privacy/settings.h"
#include "audit/settings.h"
#include "bus/settings.h"
#include "http/settings.h"
#include "jobs/settings.h"
#include "model/settings.h"
#include "performance/settings.h"
#include "pipeline/cache/settings.h"
#include "pipeline/identity/settings.h"
#include "pipeline/limits/settings.h"
#include "pipeline/settings.h"
#include "pipeline/spend/settings.h"
#include "pipeline/upstream/settings.h"
#include "services/compliance/drift/settings.h"
#include "services/compliance/ingest/settings.h"
#include "services/compliance/query_settings.h"
#include "services/compliance/reports/settings.h"
#include "services/inference/settings.h"
#include "services/module/module.h"
#include "services/provenance/settings.h"
#include "services/proxy/settings.h"
#include "settings/load.h"
#include "settings/table.h"
#include "telemetry/settings.h"

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

struct DatabaseSettings {
    settings::Secret url;
    std::string schema;
    std::uint32_t recent_days = 0;
};

struct RedisSettings {
    bool enabled = true;
    settings::Secret url;
    Duration command_max{};
    Duration connect_max{};
};

struct AppSettings {
    ProcessSettings process;
    http::ServerSettings server;
    pipeline::PipelineSettings pipeline;
    audit::AuditSettings audit;
    audit::keep::KeepSettings keep;
    bus::BusSettings bus;
    audit::privacy::PrivacySettings privacy;
    compliance::QuerySettings compliance;
    compliance::DriftSettings drift;
    compliance::ReportSettings reports;
    compliance::ingest::IngestSettings ingest;
    pipeline::IdentitySettings identity;
    limits::LimitsSettings limits;
    pipeline::spend::SpendSettings spend;
    upstream::AdmissionSettings admission;
    DatabaseSettings database;
    RedisSettings redis;
    cache::CacheSettings cache;
    std::vector<upstream::UpstreamOptions> upstreams;
    std::vector<proxy::RouteOptions> routes;
    telemetry::TracingSettings tracing;
    provenance::ProvenanceSettings provenance;
    /// Those of app/services.cpp, each with its settings; copies of this share them.
    std::vector<std::shared_ptr<service::Module>> services;
    performance::PerformanceSettings performance;
    model::ModelSettings models;
    inference::InferenceSettings inference;
    jobs::JobSettings jobs;
    alerts::AlertSettings alerts;
};

void declare(settings::Table& table, AppSettings& s);

}  // namespace tidegate::app
