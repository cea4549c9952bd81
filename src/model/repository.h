// ModelRepository: a folder of models, loaded, replaced and taken away without dropping a request.
//
// Layout      FOLDER/NAME/VERSION/model.onnx with an optional FOLDER/NAME/config.yaml or config.pbtxt (Triton's words).
// Guarantee   find() gives a model that can be asked until its last holder lets go; a reload that fails keeps the old one and
//             says why in index(). What lies outside the folder (`..`, a link that leads out) is never opened.
// Memory      One file at a time beside what the sessions hold; a file over file_bytes_max is refused.
// Threads     Every member from any thread; loading happens on the caller's thread (mode poll: on one of its own), one load at a
//             time. A model that nobody holds any more ends on the repository's own thread, never on an instance's.
// When it fails  One model's failure is its own: it stands in index() with its reason, the others serve.
//
//     RepositoryOptions options;
//     options.folder = "models";
//     TG_TRY(auto repository, ModelRepository::open(std::move(options), backend, clock));
//     TG_TRY(const ModelPtr model, repository->find("mnist"));      // kNotFound, kUnavailable with the reason
//     model->infer({.inputs = {{"x", view}}, .owner = body, .done = [](Result<InferAnswer> answer) { ... }});
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/result.h"
#include "model/backend.h"
#include "model/model.h"
#include "model/tensor.h"

namespace tidegate::observe {
class Logger;
}

namespace tidegate::model {

enum class ModelState : std::uint8_t { kLoading, kReady, kUnloading, kUnavailable };
/// As Triton writes them: `LOADING`, `READY`, `UNLOADING`, `UNAVAILABLE`.
std::string_view to_string(ModelState state) noexcept;

/// A line of the repository's index: every version that lies there or did.
struct ModelStatus {
    std::string name;
    std::string
        version;  // Empty: the model as a whole (its folder or config cannot be used, or nothing of it is loaded).
    ModelState state = ModelState::kUnavailable;
    std::string reason;  // Why it is not ready, or (ready) why a newer state of the folder does not serve; else empty.
    std::string sha256;  // Hex, of the file that serves.
};

enum class RepositoryMode : std::uint8_t {
    kNone,      // All at the start, then nothing changes.
    kExplicit,  // load() and unload(); at the start those of load_at_start (`*`: all).
    kPoll       // The folder is looked at each poll_interval.
};
/// `none`, `explicit`, `poll`.
std::optional<RepositoryMode> repository_mode_of(std::string_view word) noexcept;

struct RepositoryOptions {
    std::string folder;
    RepositoryMode mode = RepositoryMode::kNone;
    std::vector<std::string> load_at_start;
    Duration poll_interval = std::chrono::seconds(15);  // Triton's own default.
    std::uint64_t file_bytes_max = 2ULL << 30U;         // Protobuf, and with it a .onnx file, ends at 2 GiB.
    std::size_t models_max = 1000;  // Folders; those beyond, by name, are left out, and the log says so.
    SessionOptions session;         // Where a model's config says nothing else (session_options()).
    ConfigDefaults defaults;
};

/// How a load on request differs from what lies in the folder.
struct LoadOverride {
    std::string config_json;  // Triton's inline config, instead of the file; empty: the file.
};

class ModelRepository {
  public:
    /// Loads what the mode loads at the start. `backend` null: the runtime is absent; every model is unavailable, with
    /// `backend_missing` as the reason. Fails only where the folder cannot be used at all (kNotFound, kUnavailable). `backend`, `clock` and
    /// `log` (may be null) outlive the repository.
    static Result<std::unique_ptr<ModelRepository>> open(RepositoryOptions options, Backend* backend,
                                                         const Clock& clock, observe::Logger* log = nullptr,
                                                         std::string backend_missing = {});
    /// Waits until every ModelPtr that was handed out is let go of.
    ~ModelRepository();
    ModelRepository(const ModelRepository&) = delete;
    ModelRepository& operator=(const ModelRepository&) = delete;

    /// `version` empty: the highest that serves. kNotFound: no such model or version; kUnavailable: it is there and does not serve,
    /// with the reason.
    Result<ModelPtr> find(std::string_view name, std::string_view version = {}) const;
    /// Every version that serves, by name, then version.
    std::vector<ModelPtr> ready() const;
    /// By name, then version.
    std::vector<ModelStatus> index() const;
    /// False: a model that should serve does not (`/v2/health/ready`).
    bool all_ready() const;

    /// Reads the folder's model anew and swaps it in once it is warm; an unchanged version is kept as it is. kConflict in modes
    /// that take no requests, kNotFound, kInvalidArgument (the config), else why it cannot be loaded; the old one serves on.
    Result<void> load(const std::string& name, const LoadOverride& changes = {});
    /// At once for those who ask from now on; what is in work is finished. kConflict, kNotFound.
    Result<void> unload(const std::string& name);
    /// Looks at the folder once, as mode poll does each interval.
    void poll();

    const RepositoryOptions& options() const noexcept;

  private:
    struct Impl;
    explicit ModelRepository(std::unique_ptr<Impl> impl);
    std::unique_ptr<Impl> impl_;
};

}  // namespace tidegate::model
