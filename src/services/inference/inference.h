// Inference: the models of the repository, asked in the protocols that clients speak.
//
// Position    A service: register_inference_routes() puts its routes into the table; nothing else knows of them.
// Guarantee   Every answer of a model is a Decision with the version and SHA-256 of the file that gave it, durable before it is sent.
// Threads     A handler never waits: it reads the request on the loop (large ones on the cpu pool), hands it to the batcher and goes;
//             the answer comes back to the loop by its mailbox.
// Ownership   What InferenceParts refers to outlives the routes.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "model/repository.h"
#include "model/text_models.h"
#include "pipeline/route.h"
#include "runtime/worker_pool.h"
#include "services/inference/loops.h"
#include "services/inference/settings.h"

namespace tidegate::inference {

inline constexpr std::string_view kService = "inference";

struct InferenceParts {
    const Clock& clock;
    model::ModelRepository* repository;  // Null: there is no folder of models.
    model::TextModels& texts;
    runtime::WorkerPool& cpu;
    Loops& loops;
    const InferenceSettings& settings;
    std::string_view version;     // Of the program.
    std::function<bool()> ready;  // Would a request sent now be answered and recorded?
};

void register_inference_routes(std::vector<pipeline::Route>& routes, const InferenceParts& parts);

// The parts of the table, a file each.
void register_infer_routes(std::vector<pipeline::Route>& routes, const InferenceParts& parts);
void register_model_routes(std::vector<pipeline::Route>& routes, const InferenceParts& parts);
void register_repository_routes(std::vector<pipeline::Route>& routes, const InferenceParts& parts);
void register_predict_route(std::vector<pipeline::Route>& routes, const InferenceParts& parts);
void register_openai_routes(std::vector<pipeline::Route>& routes, const InferenceParts& parts);
void register_text_routes(std::vector<pipeline::Route>& routes, const InferenceParts& parts);

}  // namespace tidegate::inference
