// `tidegate model list|show|check|import`: models of a folder, without a server.
//
// Safety      A pickle runs whatever code its writer put into it. This program never opens one: `import` hands it to a Python that the user
//             names, with the script that is built in (tools/models/to_onnx.py), and reads the .onnx that comes of it.
// Exit status 0: done and good. 1: a model cannot be loaded, or something failed. 2: wrong use.
#include <fmt/core.h>

#include <algorithm>
#include <map>
#include <optional>

#include "app/commands.h"
#include "app/failed.h"
#include "app/model_import.h"
#include "model/folder.h"
#include "model/loader.h"
#include "model/repository.h"

namespace tidegate::app {
namespace {

using model::ModelPtr;
using model::TensorInfo;

constexpr std::string_view kModelUsage =
    "model takes one of:\n"
    "  list [--models FOLDER]\n"
    "  show NAME [--models FOLDER]\n"
    "  check [FOLDER]\n"
    "  import FILE --name NAME [--version N] [--models FOLDER] [--python PATH]";

struct ModelWords {
    std::map<std::string, std::string> options;
    std::vector<std::string> rest;
};

std::optional<ModelWords> read_model_words(const std::vector<std::string>& words,
                                           const std::vector<std::string_view>& known) {
    ModelWords read;
    for (std::size_t i = 1; i < words.size(); ++i) {
        if (!words[i].starts_with("--")) {
            read.rest.push_back(words[i]);
        } else if (i + 1 < words.size() && std::ranges::find(known, words[i]) != known.end() &&
                   !read.options.contains(words[i])) {
            read.options.emplace(words[i], words[i + 1]);
            ++i;
        } else {
            return std::nullopt;
        }
    }
    return read;
}

std::string folder_of(const Invocation& invocation, const ModelWords& words) {
    if (const auto given = words.options.find("--models"); given != words.options.end()) return given->second;
    const std::string& set = invocation.settings.models.folder;
    return set.empty() ? invocation.settings.process.data_dir + "/models" : set;
}

void print_tensors(std::string_view what, const std::vector<TensorInfo>& infos) {
    for (const TensorInfo& info : infos) {
        fmt::print("    {:<6} {}  {} {}\n", what, info.name, to_string(info.type), info.shape.text());
    }
}

void print_model(const model::Model& one) {
    fmt::print("{} version {}: good\n    sha256 {}\n", one.name(), one.version(), one.sha256());
    print_tensors("input", one.inputs());
    print_tensors("output", one.outputs());
    const model::ModelConfig& config = one.config();
    const double warmup_ms = std::chrono::duration<double, std::milli>(one.warmup_time()).count();
    const std::string batch = config.max_batch_size == 0 ? "no batch dimension"
                              : config.merges
                                  ? fmt::format("up to {} rows of several requests a pass", config.max_batch_size)
                                  : fmt::format("up to {} rows of one request a pass", config.max_batch_size);
    // Of small models the runtime tells no number.
    const std::string memory = one.memory_bytes() == 0 ? "" : fmt::format(", {} bytes of memory", one.memory_bytes());
    fmt::print("    {}, on {}, warm-up {:.3f} ms{}\n", batch, to_string(one.device()), warmup_ms, memory);
}

int run_list(const std::string& path) {
    const auto folder = model::Folder::open(path);
    if (!folder) return failed(folder.error());
    const auto entries = folder->list("", 100'000);
    if (!entries) return failed(entries.error());
    const SystemClock clock;
    const model::RepositoryOptions options;
    const model::Loader loader(*folder, options, nullptr, "", clock, nullptr);
    bool all_good = true;
    for (const model::FolderEntry& entry : *entries) {
        if (!entry.is_directory) continue;
        const auto plan = loader.plan(entry.name, "");
        if (!plan) {
            fmt::print("{}  UNAVAILABLE: {}\n", entry.name, plan.error().message);
            all_good = false;
            continue;
        }
        std::string versions;
        for (const std::int64_t version : plan->versions)
            versions += fmt::format("{}{}", versions.empty() ? "" : ", ", version);
        fmt::print("{}  version{} {}\n", entry.name, plan->versions.size() == 1 ? "" : "s", versions);
    }
    return all_good ? 0 : 1;
}

int run_check(const Invocation& invocation, const std::string& path, const std::string& only) {
    CheckBench bench;
    if (const auto ready = bench.open(invocation.settings.models, path); !ready) return failed(ready.error());
    std::vector<std::string> names{only};
    if (only.empty()) {
        const auto found = bench.names();
        if (!found) return failed(found.error());
        names = *found;
    }
    bool all_good = true;
    for (const std::string& name : names) {
        const auto report = bench.check(name);
        for (const ModelPtr& one : report.models) print_model(*one);
        if (only == name && !report.models.empty()) fmt::print("{}\n", to_triton_json(report.models.back()->config()));
        if (!report.fault.empty()) fmt::print("{}: BAD: {}\n", name, report.fault);
        all_good = all_good && report.fault.empty();
    }
    if (names.empty()) fmt::print("there is no model in the folder\n");
    return all_good ? 0 : 1;
}

int run_import(const Invocation& invocation, const ModelWords& words) {
    ImportRequest request;
    request.file = words.rest.front();
    request.folder = folder_of(invocation, words);
    const auto option = [&](const char* name) {
        const auto found = words.options.find(name);
        return found == words.options.end() ? std::string() : found->second;
    };
    request.name = option("--name");
    request.python = option("--python");
    if (const std::string version = option("--version"); !version.empty()) {
        request.version = model::version_of(version);
        if (!request.version) return wrong_use("--version takes a whole number from 1");
    }
    if (!model::is_model_name(request.name)) {
        return wrong_use("--name takes letters, digits, `_`, `-`, `.`, at most 128\n" + std::string(kModelUsage));
    }
    const auto imported = import_model(invocation.settings.models, request);
    if (!imported) return failed(imported.error());
    print_model(*imported->model);
    fmt::print("imported as {}\n", imported->path);
    return 0;
}

}  // namespace

int run_model(const Invocation& invocation) {
    const std::string verb = invocation.words.empty() ? std::string() : invocation.words.front();
    const std::vector<std::string_view> known =
        verb == "import"  ? std::vector<std::string_view>{"--name", "--version", "--models", "--python"}
        : verb == "check" ? std::vector<std::string_view>{}
                          : std::vector<std::string_view>{"--models"};
    const auto words = read_model_words(invocation.words, known);
    if (!words) return wrong_use(std::string(kModelUsage));
    if (verb == "list" && words->rest.empty()) return run_list(folder_of(invocation, *words));
    if (verb == "show" && words->rest.size() == 1) {
        return run_check(invocation, folder_of(invocation, *words), words->rest.front());
    }
    if (verb == "check" && words->rest.size() <= 1) {
        return run_check(invocation, words->rest.empty() ? folder_of(invocation, *words) : words->rest.front(), "");
    }
    if (verb == "import" && words->rest.size() == 1) return run_import(invocation, *words);
    return wrong_use(std::string(kModelUsage));
}

}  // namespace tidegate::app
