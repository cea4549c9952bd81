#include "app/model_assembly.h"

#include <algorithm>

#include "base/file.h"
#include "http/router.h"
#include "model/onnx/onnx.h"
#include "services/inference/embedding.h"

namespace tidegate::app {

using model::ModelPtr;

Result<std::unique_ptr<ModelAssembly>> ModelAssembly::open(const ModelNeeds& needs) {
    std::unique_ptr<ModelAssembly> made(new ModelAssembly(needs));
    const model::ModelSettings& settings = needs.settings.models;
    model::RepositoryOptions options;
    options.folder = settings.folder;
    if (options.folder.empty()) {
        // Somebody will look for a place to put a model.
        options.folder = needs.settings.process.data_dir + "/models";
        SystemDisk disk;
        TG_CHECK(disk.make_directories(options.folder));
    }
    options.mode = *model::repository_mode_of(settings.mode);
    options.load_at_start = settings.load;
    options.poll_interval = settings.poll_interval;
    options.defaults.inline_below = std::chrono::microseconds(settings.inline_below_us);
    options.file_bytes_max = settings.file_bytes_max;
    TG_CHECK(made->open_backend(options));
    TG_TRY(made->repository_, model::ModelRepository::open(std::move(options), made->backend_.get(), needs.clock,
                                                           &needs.log, made->backend_missing_));
    made->texts_ = std::make_unique<model::TextModels>(made->repository_.get());
    return made;
}

Result<void> ModelAssembly::open_backend(model::RepositoryOptions& options) {
    const model::ModelSettings& settings = needs_.settings.models;
    auto opened = model::open_onnx(settings.runtime_library);
    if (!opened) {
        const std::string& why = opened.error().message;
        if (!settings.runtime_library.empty()) {
            return fail(opened.error().code, "models.runtime_library: " + why);
        }
        if (settings.device == "cuda") return fail(opened.error().code, "models.device is cuda: " + why);
        backend_missing_ = why;
        needs_.log.line(observe::Level::kInfo, "models_without_runtime").field("reason", why);
        return {};
    }
    backend_ = *std::move(opened);
    std::string note;
    TG_TRY(options.session, model::session_options(settings, *backend_, note));
    auto line = needs_.log.line(observe::Level::kInfo, "model_runtime");
    line.field("name", backend_->name()).field("version", backend_->version());
    line.field("device", to_string(options.session.device));
    if (!note.empty()) line.field("note", note);
    return {};
}

ModelAssembly::~ModelAssembly() {
    stop();
}

void ModelAssembly::stop() {
    texts_.reset();
    repository_.reset();
}

namespace {

/// A path as a request would have it.
std::string sample_path(std::string_view pattern) {
    std::string path;
    for (std::size_t at = 0; at < pattern.size();) {
        const std::size_t open = pattern.find('{', at);
        path += pattern.substr(at, open == pattern.npos ? pattern.npos : open - at);
        if (open == pattern.npos) break;
        path += "x";
        at = pattern.find('}', open) + 1;
    }
    return path;
}

}  // namespace

void ModelAssembly::register_routes(std::vector<pipeline::Route>& routes, const std::vector<pipeline::Route>& taken,
                                    runtime::WorkerPool& cpu, std::function<bool()> ready, std::string_view version) {
    http::Router router;
    for (const pipeline::Route& route : taken) {
        // Two of them that meet are found out, and told, where all routes are put together.
        (void)(route.any_method ? router.add_any(route.path, 0) : router.add(route.method, route.path, 0));
    }
    std::vector<pipeline::Route> ours;
    inference::register_inference_routes(ours, {.clock = needs_.clock,
                                                .repository = repository_.get(),
                                                .texts = *texts_,
                                                .cpu = cpu,
                                                .loops = loops_,
                                                .settings = needs_.settings.inference,
                                                .version = version,
                                                .ready = std::move(ready)});
    for (pipeline::Route& route : ours) {
        if (router.find(route.method, sample_path(route.path)).outcome != http::Router::Outcome::kFound) {
            routes.push_back(std::move(route));
            continue;
        }
        needs_.log.line(observe::Level::kInfo, "route_left_to_settings")
            .field("path", route.path)
            .field("operation", route.operation);
    }
}

bool ModelAssembly::is_degraded() const {
    // Without a runtime every model in the folder is one that does not serve.
    return repository_ != nullptr && !repository_->all_ready();
}

bool ModelAssembly::status_reads_folder() const {
    return repository_->options().mode == model::RepositoryMode::kExplicit;
}

void ModelAssembly::append_status(JsonWriter& writer) const {
    writer.key("runtime").begin_object().field("available", backend_ != nullptr);
    if (backend_ != nullptr) {
        writer.field("name", backend_->name()).field("version", backend_->version());
    } else {
        writer.field("reason", backend_missing_);
    }
    writer.end_object();
    writer.field("built_in_embedding", inference::built_in_name());
    writer.key("serving").begin_array();
    for (const ModelPtr& model : repository_->ready()) {
        writer.begin_object().field("name", model->name()).field("version", model->version());
        writer.field("sha256", model->sha256()).field("device", to_string(model->device()));
        writer.field("memory_bytes", model->memory_bytes()).field("waiting_rows", model->statistics().waiting_rows);
        writer.end_object();
    }
    writer.end_array().key("failing").begin_array();
    for (const model::ModelStatus& one : repository_->index()) {
        // Ready with a reason: what serves is not the newest of the folder. What nobody asked for does not fail.
        if (one.reason.empty() || one.reason == "not loaded" || one.reason == "unloaded") continue;
        writer.begin_object().field("name", one.name).field("version", one.version);
        writer.field("state", to_string(one.state)).field("reason", one.reason).end_object();
    }
    writer.end_array();
}

}  // namespace tidegate::app
