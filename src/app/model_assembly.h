// The models wired: settings, what runs them, the folder, the service that asks them, health and metrics.
//
// Order       open() before the routes are made; stop() after the pools have ended: what waits for a model is answered before, and
//             nothing asks one any more.
// When it fails  Without ONNX Runtime the server runs and says so (/health, the index, the models' routes). A setting that cannot be
//             kept (a library that was named and is not there, `cuda` without a GPU) stops the start.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "app/settings.h"
#include "base/clock.h"
#include "base/json_writer.h"
#include "base/result.h"
#include "model/repository.h"
#include "model/text_models.h"
#include "observe/log.h"
#include "observe/metrics.h"
#include "pipeline/route.h"
#include "runtime/worker_pool.h"
#include "services/inference/inference.h"

namespace tidegate::app {

struct ModelNeeds {
    const AppSettings& settings;
    const Clock& clock;
    observe::Logger& log;
};

class ModelAssembly {
  public:
    static Result<std::unique_ptr<ModelAssembly>> open(const ModelNeeds& needs);
    ~ModelAssembly();

    /// Routes of the settings that lead elsewhere come first: of ours, those whose path one of `taken` answers are left out, and the
    /// log says which.
    void register_routes(std::vector<pipeline::Route>& routes, const std::vector<pipeline::Route>& taken,
                         runtime::WorkerPool& cpu, std::function<bool()> ready, std::string_view version);
    pipeline::LoopListener& listener() noexcept { return loops_; }
    void prepare_loops(unsigned loops) { loops_.prepare_loops(loops); }

    /// Those that read texts; lives until stop().
    model::TextModels& texts() noexcept { return *texts_; }

    void declare_metrics(observe::Registry& registry) const;
    /// Members of `models` in /health. In mode explicit the folder is read for them: not on a loop.
    void append_status(JsonWriter& writer) const;
    bool status_reads_folder() const;
    /// A model that should serve does not.
    bool is_degraded() const;

    /// The pools have ended: lets go of the models.
    void stop();

  private:
    explicit ModelAssembly(const ModelNeeds& needs) : needs_(needs) {}
    Result<void> open_backend(model::RepositoryOptions& options);

    const ModelNeeds needs_;
    std::unique_ptr<model::Backend> backend_;
    std::string backend_missing_;  // Why there is none; empty when there is.
    std::unique_ptr<model::ModelRepository> repository_;
    std::unique_ptr<model::TextModels> texts_;
    inference::Loops loops_;
};

}  // namespace tidegate::app
