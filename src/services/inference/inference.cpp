#include "services/inference/inference.h"

namespace tidegate::inference {

void register_inference_routes(std::vector<pipeline::Route>& routes, const InferenceParts& parts) {
    register_model_routes(routes, parts);
    register_infer_routes(routes, parts);
    register_repository_routes(routes, parts);
    register_predict_route(routes, parts);
    register_openai_routes(routes, parts);
    register_text_routes(routes, parts);
}

}  // namespace tidegate::inference
