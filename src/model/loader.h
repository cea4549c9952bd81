// Loader: makes a Model of what lies in the folder.
//
// Position    Below ModelRepository, which decides what is loaded and when; this knows no other model.
// Guarantee   Everything is read through Folder, once; a Model is warm when it is returned.
// Memory      The bytes of one model file, until its session is made.
// Threads     One load at a time (the repository's).
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "model/folder.h"
#include "model/repository.h"

namespace tidegate::model {

/// A model's name in folders, URLs and metrics: 1 to 128 letters, digits, `_`, `-`, `.`, not beginning with `.`.
bool is_model_name(std::string_view name) noexcept;
/// `1`, `42`: digits without a leading zero, up to 2^63 - 1; nullopt otherwise.
std::optional<std::int64_t> version_of(std::string_view name) noexcept;

/// What a model's folder says, before any model file is read.
struct LoadPlan {
    ModelConfig config;                  // Not completed.
    std::vector<std::int64_t> versions;  // To be served, ascending.
    std::string config_text;             // As read; empty: there is none.
    std::string tokenizer_file;
};

class Loader {
  public:
    /// `backend` may be null: every load is then kUnavailable with `backend_missing`. All outlive the loader.
    Loader(const Folder& folder, const RepositoryOptions& options, Backend* backend, std::string backend_missing,
           const Clock& clock, observe::Logger* log);

    /// kInvalidArgument: no name of a model; kNotFound: the folder has none of it.
    Result<void> exists(const std::string& name) const;

    /// kNotFound: no such folder, or no version in it that the policy takes; kInvalidArgument: the config.
    Result<LoadPlan> plan(const std::string& name, const std::string& config_json) const;

    /// Null where `old` (may be null) is of the same bytes already.
    Result<std::unique_ptr<Model>> load(const std::string& name, const LoadPlan& plan, std::int64_t version,
                                        const Model* old) const;

  private:
    Result<void> read_config(const std::string& name, const std::string& config_json, LoadPlan& plan) const;
    Result<void> choose_versions(const std::string& name, LoadPlan& plan) const;
    Result<SessionOptions> session_options(const ModelConfig& config) const;
    Result<void> finish(Model::State& state) const;

    const Folder& folder_;
    const RepositoryOptions& options_;
    Backend* backend_;
    std::string backend_missing_;
    const Clock& clock_;
    observe::Logger* log_;
};

}  // namespace tidegate::model
