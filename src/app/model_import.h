// Checking models without a server, and bringing a file into the folder's layout.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/result.h"
#include "model/repository.h"
#include "model/settings.h"

namespace tidegate::app {

/// Loads the models of a folder one after the other, each alone in memory.
class CheckBench {
  public:
    /// kUnavailable: no runtime, and why; kNotFound: no folder.
    Result<void> open(const model::ModelSettings& settings, const std::string& folder);
    /// Every folder in it, by name.
    Result<std::vector<std::string>> names() const;

    struct Report {
        std::vector<model::ModelPtr> models;  // Those that are good; let go of them before the bench ends.
        std::string fault;                    // Empty: all are.
    };
    Report check(const std::string& name);

  private:
    SystemClock clock_;
    std::string folder_;
    std::unique_ptr<model::Backend> backend_;
    std::unique_ptr<model::ModelRepository> repository_;
};

struct ImportRequest {
    std::string file;
    std::string name;
    std::optional<std::int64_t> version;  // Unset: one above the highest that is there.
    std::string folder;
    std::string python;  // Of the user's own environment; for files that are no .onnx.
};

struct Imported {
    std::unique_ptr<CheckBench> bench;  // Outlives the model.
    model::ModelPtr model;
    std::string path;
};

/// Converts (where the file is no .onnx), checks with what lies in the target already, then writes FOLDER/NAME/VERSION/model.onnx at once.
/// kConflict: that version is there; kInvalidArgument: a file that needs --python, with the command to run.
Result<Imported> import_model(const model::ModelSettings& settings, const ImportRequest& request);

}  // namespace tidegate::app
