// What /metrics shows of the models: each counts for itself and is read at each scrape.
#include <array>
#include <bit>

#include "app/model_assembly.h"
#include "base/as_double.h"

namespace tidegate::app {
namespace {

using model::ModelPtr;
using model::ModelStatistics;
using observe::MetricType;
using observe::Samples;

double as_seconds(std::uint64_t ns) {
    return static_cast<double>(ns) / 1e9;
}

/// A file put in the place of another counts anew, under a name of its own.
std::string version_label(const model::Model& model) {
    return model.version() + "@" + model.sha256().substr(0, 12);
}

using Visit = void (*)(Samples&, const model::Model&, const std::string& version);

void declare_each(observe::Registry& registry, const model::ModelRepository& repository, observe::FamilySpec spec,
                  MetricType type, Visit visit) {
    spec.labels.insert(spec.labels.begin(), {"model", "version"});
    registry.callback(std::move(spec), type, [&repository, visit](Samples& out) {
        for (const ModelPtr& model : repository.ready()) visit(out, *model, version_label(*model));
    });
}

void declare_requests(observe::Registry& registry, const model::ModelRepository& repository) {
    declare_each(
        registry, repository,
        {.name = "tidegate_model_requests_total",
         .help = "Requests by how they ended: answered; failed; refused at once (queue_full, too_late, too_large, "
                 "malformed, closed); waited too long (expired); left by their client (gone).",
         .labels = {"outcome"},
         .when_it_rises = "`queue_full`, `too_late`, `expired`: more is asked than the model computes. `failed`: "
                          "the model's own words stand in the record."},
        MetricType::kCounter, [](Samples& out, const model::Model& model, const std::string& version) {
            for (std::size_t i = 0; i < model::kEnds; ++i) {
                const auto ended = static_cast<model::Ended>(i);
                out.add({model.name(), version, to_string(ended)}, as_double(model.batcher_stats().ended(ended)));
            }
        });
    declare_each(
        registry, repository,
        {.name = "tidegate_model_rows_total", .help = "Rows computed.", .when_it_rises = "The model is asked."},
        MetricType::kCounter, [](Samples& out, const model::Model& model, const std::string& version) {
            out.add({model.name(), version}, as_double(model.statistics().inference_count));
        });
    declare_each(registry, repository,
                 {.name = "tidegate_model_queue_seconds_total",
                  .help = "Time that requests waited for the model, added up.",
                  .when_it_rises = "Faster than the requests: the model is the bottleneck."},
                 MetricType::kCounter, [](Samples& out, const model::Model& model, const std::string& version) {
                     out.add({model.name(), version}, as_seconds(model.statistics().queue.ns));
                 });
    declare_each(registry, repository,
                 {.name = "tidegate_model_compute_seconds_total",
                  .help = "Time that passes of the model took, added up.",
                  .when_it_rises = "The model works; a second a second is one instance always busy."},
                 MetricType::kCounter, [](Samples& out, const model::Model& model, const std::string& version) {
                     std::uint64_t ns = 0;
                     for (const auto& batch : model.statistics().batches) ns += batch.compute_infer.ns;
                     out.add({model.name(), version}, as_seconds(ns));
                 });
}

void declare_batches(observe::Registry& registry, const model::ModelRepository& repository) {
    declare_each(registry, repository,
                 {.name = "tidegate_model_passes_total",
                  .help = "Passes of the model by how many rows they had: up to 1, 2, 4, 8 and so on.",
                  .labels = {"rows"},
                  .when_it_rises = "Small ones alone under load: the model's config has no dynamic_batching."},
                 MetricType::kCounter, [](Samples& out, const model::Model& model, const std::string& version) {
                     std::array<std::uint64_t, 33> passes{};
                     for (const auto& batch : model.statistics().batches) {
                         passes[static_cast<std::size_t>(std::bit_width(batch.batch_size - 1))] +=
                             batch.compute_infer.count;
                     }
                     for (std::size_t i = 0; i < passes.size(); ++i) {
                         if (passes[i] == 0) continue;
                         out.add({model.name(), version, std::to_string(std::uint64_t{1} << i)}, as_double(passes[i]));
                     }
                 });
    declare_each(registry, repository,
                 {.name = "tidegate_model_cuts_total",
                  .help = "Why batches were cut: they were full, their time was over, or nothing else waited (idle).",
                  .labels = {"cut"},
                  .when_it_rises = "`full`: more requests than passes can hold; more instances or larger batches."},
                 MetricType::kCounter, [](Samples& out, const model::Model& model, const std::string& version) {
                     const ModelStatistics stats = model.statistics();
                     out.add({model.name(), version, "full"}, as_double(stats.cut_full));
                     out.add({model.name(), version, "time"}, as_double(stats.cut_time));
                     out.add({model.name(), version, "idle"}, as_double(stats.cut_idle));
                 });
    declare_each(registry, repository,
                 {.name = "tidegate_model_waiting_rows",
                  .help = "Rows waiting for a pass now.",
                  .when_it_rises = "Requests come faster than the model computes."},
                 MetricType::kGauge, [](Samples& out, const model::Model& model, const std::string& version) {
                     out.add({model.name(), version}, model.statistics().waiting_rows);
                 });
    declare_each(registry, repository,
                 {.name = "tidegate_model_memory_bytes",
                  .help = "Memory that the model's sessions hold: weights, passes, answers.",
                  .when_it_rises = "Compare with models.arena_bytes_max."},
                 MetricType::kGauge, [](Samples& out, const model::Model& model, const std::string& version) {
                     out.add({model.name(), version}, as_double(model.memory_bytes()));
                 });
}

}  // namespace

void ModelAssembly::declare_metrics(observe::Registry& registry) const {
    declare_requests(registry, *repository_);
    declare_batches(registry, *repository_);
    registry.callback({.name = "tidegate_models",
                       .help = "Versions of models in the folder, by state.",
                       .labels = {"state"},
                       .when_it_rises = "`unavailable`: POST /v2/repository/index says why."},
                      MetricType::kGauge, [repository = repository_.get()](Samples& out) {
                          std::array<std::uint64_t, 4> counts{};
                          for (const auto& one : repository->index()) ++counts[static_cast<std::size_t>(one.state)];
                          out.add({"loading"}, as_double(counts[0]));
                          out.add({"ready"}, as_double(counts[1]));
                          out.add({"unloading"}, as_double(counts[2]));
                          out.add({"unavailable"}, as_double(counts[3]));
                      });
    registry.callback({.name = "tidegate_model_runtime_info",
                       .help = "1 when what runs models was found; the labels say which.",
                       .labels = {"name", "version"},
                       .when_it_rises = "It does not."},
                      MetricType::kGauge, [this](Samples& out) {
                          if (backend_) return out.add({backend_->name(), backend_->version()}, 1);
                          out.add({"none", ""}, 0);
                      });
}

}  // namespace tidegate::app
