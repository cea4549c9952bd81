// The routes of the performance layer: metrics, health, report, trends, optimize, and the names that other systems have for them.
#pragma once

#include <string>
#include <vector>

#include "app/cache_assembly.h"
#include "performance/actions.h"
#include "performance/recorder.h"
#include "performance/sample_store.h"
#include "performance/settings.h"
#include "pipeline/route.h"

namespace tidegate::app {

/// All of it outlives the routes.
struct PerformanceParts {
    const Clock& clock;
    const performance::PerformanceSettings& settings;
    performance::Recorder& recorder;
    performance::SampleStore& store;
    performance::Actions& actions;
    CacheAssembly& cache;
    std::string database_path;
};

void register_performance(std::vector<pipeline::Route>& routes, const PerformanceParts& parts);

// Their answers' schemas (performance_schemas.cpp).
pipeline::Schema performance_metrics_schema();
pipeline::Schema performance_health_schema();
pipeline::Schema performance_report_schema();
pipeline::Schema performance_trends_schema();
pipeline::Schema performance_optimize_schema();

}  // namespace tidegate::app
