#include "app/model_import.h"

#include <fmt/core.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdlib>
#include <filesystem>

#include "base/embedded.h"
#include "base/file.h"
#include "model/folder.h"
#include "model/loader.h"
#include "model/onnx/onnx.h"

TG_EMBEDDED(to_onnx_py)

namespace tidegate::app {
namespace {

namespace fs = std::filesystem;

/// A folder for the time of one import.
class WorkFolder {
  public:
    WorkFolder() {
        std::error_code none;
        std::string made = (fs::temp_directory_path(none) / "tidegate-import-XXXXXX").string();
        if (::mkdtemp(made.data()) != nullptr) path_ = made;
    }
    ~WorkFolder() {
        std::error_code none;
        if (!path_.empty()) fs::remove_all(path_, none);
    }
    WorkFolder(const WorkFolder&) = delete;
    WorkFolder& operator=(const WorkFolder&) = delete;
    const std::string& path() const noexcept { return path_; }

  private:
    std::string path_;
};

/// Runs the built-in script with the user's Python; its output is the user's too.
Result<void> convert(const std::string& python, const std::string& script, const std::string& from,
                     const std::string& to) {
    std::array<std::string, 4> words{python, script, from, to};
    std::array<char*, 5> arguments{words[0].data(), words[1].data(), words[2].data(), words[3].data(), nullptr};
    pid_t child = 0;
    if (const int number = ::posix_spawnp(&child, python.c_str(), nullptr, nullptr, arguments.data(), environ);
        number != 0) {
        return fail(ErrorCode::kUnavailable,
                    fmt::format("`{}` cannot be run: {}", python, std::generic_category().message(number)));
    }
    int status = 0;
    while (::waitpid(child, &status, 0) < 0 && errno == EINTR) {
    }
    if (WIFEXITED(status) && WEXITSTATUS(status) == 0) return {};
    return fail(ErrorCode::kFailedValidation, "the conversion failed; what Python said stands above");
}

Result<std::string> onnx_of(const ImportRequest& request, const SystemDisk& disk, const std::string& work,
                            std::uint64_t bytes_max) {
    if (request.file.ends_with(".onnx")) return disk.read(request.file, bytes_max);
    if (!disk.exists(request.file))
        return fail(ErrorCode::kNotFound, fmt::format("there is no file `{}`", request.file));
    if (request.python.empty()) {
        return fail(ErrorCode::kInvalidArgument,
                    "only a .onnx file is read here: a pickle runs code when it is opened. Name a Python that has "
                    "tools/models/requirements.txt "
                    "installed, and that may open this file: --python PATH. It runs tools/models/to_onnx.py, which is "
                    "built in.");
    }
    const std::string script = work + "/to_onnx.py";
    const std::string converted = work + "/converted.onnx";
    TG_CHECK(SystemDisk().write_atomic(script, to_onnx_py()));
    TG_CHECK(convert(request.python, script, request.file, converted));
    return disk.read(converted, bytes_max);
}

/// What lies in the model's folder; nothing where there is none yet.
std::vector<std::string> entries_of(const ImportRequest& request) {
    std::vector<std::string> names;
    const auto folder = model::Folder::open(request.folder);
    if (!folder) return names;
    const auto entries = folder->list(request.name, 100'000);
    if (!entries) return names;
    for (const model::FolderEntry& entry : *entries) names.push_back(entry.name);
    return names;
}

Result<std::int64_t> free_version(const ImportRequest& request, const SystemDisk& disk) {
    const std::string home = request.folder + "/" + request.name;
    if (request.version) {
        if (!disk.exists(fmt::format("{}/{}", home, *request.version))) return *request.version;
        return fail(ErrorCode::kConflict,
                    fmt::format("version {} of `{}` is there already", *request.version, request.name));
    }
    std::int64_t highest = 0;
    for (const std::string& entry : entries_of(request))
        highest = std::max(highest, model::version_of(entry).value_or(0));
    return highest + 1;
}

/// The model alone, with the config and the other files that lie beside its versions in the target.
Result<void> lay_out(const ImportRequest& request, std::int64_t version, const std::string& bytes,
                     const std::string& work) {
    SystemDisk disk;
    const std::string home = fmt::format("{}/models/{}", work, request.name);
    TG_CHECK(disk.make_directories(fmt::format("{}/{}", home, version)));
    TG_CHECK(disk.write_atomic(fmt::format("{}/{}/model.onnx", home, version), bytes));
    std::error_code error;
    for (const std::string& entry : entries_of(request)) {
        if (model::version_of(entry)) continue;
        fs::copy(fs::path(request.folder) / request.name / entry, fs::path(home) / entry, fs::copy_options::recursive,
                 error);
        if (error) return fail(ErrorCode::kUnavailable, fmt::format("`{}` cannot be read: {}", entry, error.message()));
    }
    return {};
}

}  // namespace

Result<void> CheckBench::open(const model::ModelSettings& settings, const std::string& folder) {
    TG_TRY(backend_, model::open_onnx(settings.runtime_library));
    folder_ = folder;
    model::RepositoryOptions options;
    options.folder = folder;
    options.mode = model::RepositoryMode::kExplicit;
    options.file_bytes_max = settings.file_bytes_max;
    std::string note;
    TG_TRY(options.session, model::session_options(settings, *backend_, note));
    TG_TRY(repository_, model::ModelRepository::open(std::move(options), backend_.get(), clock_));
    return {};
}

Result<std::vector<std::string>> CheckBench::names() const {
    TG_TRY(const model::Folder folder, model::Folder::open(folder_));
    TG_TRY(const auto entries, folder.list("", 100'000));
    std::vector<std::string> names;
    for (const model::FolderEntry& entry : entries) {
        if (entry.is_directory) names.push_back(entry.name);
    }
    return names;
}

CheckBench::Report CheckBench::check(const std::string& name) {
    Report report;
    if (const auto loaded = repository_->load(name); !loaded) report.fault = loaded.error().message;
    report.models = repository_->ready();
    // The next one gets its memory; these live as long as the report.
    static_cast<void>(repository_->unload(name));
    return report;
}

Result<Imported> import_model(const model::ModelSettings& settings, const ImportRequest& request) {
    SystemDisk disk;
    const WorkFolder work;
    if (work.path().empty()) return fail(ErrorCode::kUnavailable, "no folder can be made for the time of the import");
    TG_TRY(const std::int64_t version, free_version(request, disk));
    TG_TRY(const std::string bytes, onnx_of(request, disk, work.path(), settings.file_bytes_max));
    TG_CHECK(lay_out(request, version, bytes, work.path()));
    Imported imported;
    imported.bench = std::make_unique<CheckBench>();
    TG_CHECK(imported.bench->open(settings, work.path() + "/models"));
    auto report = imported.bench->check(request.name);
    if (!report.fault.empty()) return fail(ErrorCode::kFailedValidation, report.fault);
    if (report.models.empty()) {
        return fail(ErrorCode::kFailedValidation,
                    fmt::format("the config of `{}` does not let version {} serve", request.name, version));
    }
    imported.model = report.models.front();
    const std::string home = fmt::format("{}/{}/{}", request.folder, request.name, version);
    imported.path = home + "/" + imported.model->config().default_model_filename;
    TG_CHECK(disk.make_directories(home));
    TG_CHECK(disk.write_atomic(imported.path, bytes));
    return imported;
}

}  // namespace tidegate::app
