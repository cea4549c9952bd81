#include "model/loader.h"

#include <fmt/core.h>

#include <algorithm>

#include "base/hash.h"
#include "base/strings.h"
#include "model/affinity.h"
#include "model/device.h"
#include "model/model_state.h"
#include "model/text/tokenizer.h"
#include "model/warmup.h"
#include "observe/log.h"

namespace tidegate::model {
namespace {

// A tokenizer.json of the largest vocabularies of the field (250,000 tokens) has 33 MB.
constexpr std::uint64_t kTokenizerBytesMax = 64ULL << 20U;
// Versions that lie side by side; more is a mistake of whatever writes them.
constexpr std::size_t kEntriesMax = 10'000;

std::span<const std::byte> as_bytes(std::string_view text) {
    return std::as_bytes(std::span(text.data(), text.size()));
}

std::string known_versions(const std::vector<std::int64_t>& versions) {
    std::string text;
    for (const std::int64_t version : versions) text += fmt::format("{}{}", text.empty() ? "" : ", ", version);
    return text;
}

/// Padding of inputs, and outputs that come with the padded length.
void set_padding(const Model::State& state, BatcherOptions& options) {
    const ModelConfig& config = state.config;
    if (config.text.padding.empty() || config.max_batch_size == 0) return;
    for (const TensorConfig& input : config.inputs) {
        const auto found = config.text.padding.find(input.name);
        const bool pads = found != config.text.padding.end();
        options.pad_inputs.push_back({.pads = pads, .value = pads ? found->second : 0});
    }
    for (const TensorInfo& output : state.sessions.front()->outputs()) {
        options.cut_outputs.push_back(output.shape.size() > 1 && output.shape[1] == -1);
    }
}

/// A tokenizer that this program cannot read refuses the load; one that it can says what short texts are filled up with.
Result<void> use_tokenizer(Model::State& state, bool padding_given) {
    if (state.tokenizer_file.empty()) return {};
    const auto tokenizer = Tokenizer::parse(state.tokenizer_file);
    if (!tokenizer) {
        return fail(tokenizer.error().code,
                    fmt::format("{}/{}: {}", state.name, state.config.text.tokenizer, tokenizer.error().message));
    }
    const auto found = state.config.text.padding.find("input_ids");
    if (padding_given || found == state.config.text.padding.end()) return {};
    // Behind the mask the value is not read, but models such as RoBERTa count their positions by it.
    std::optional<std::uint32_t> id = tokenizer->id("[PAD]");
    if (!id) id = tokenizer->id("<pad>");
    if (tokenizer->padding()) id = tokenizer->padding()->id;
    found->second = id.value_or(0);
    return {};
}

}  // namespace

bool is_model_name(std::string_view name) noexcept {
    if (name.empty() || name.size() > 128 || name.front() == '.') return false;
    return std::ranges::all_of(name, [](char c) {
        return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' || c == '-' ||
               c == '.';
    });
}

std::optional<std::int64_t> version_of(std::string_view name) noexcept {
    if (name.empty() || name.front() < '1' || name.front() > '9') return std::nullopt;
    return parse_i64(name);
}

Loader::Loader(const Folder& folder, const RepositoryOptions& options, Backend* backend, std::string backend_missing,
               const Clock& clock, observe::Logger* log)
    : folder_(folder),
      options_(options),
      backend_(backend),
      backend_missing_(std::move(backend_missing)),
      clock_(clock),
      log_(log) {}

Result<void> Loader::read_config(const std::string& name, const std::string& config_json, LoadPlan& plan) const {
    if (!config_json.empty()) {
        plan.config_text = config_json;
        TG_TRY(plan.config, parse_config(config_json, ConfigFormat::kJson, "the request's config"));
        return {};
    }
    const auto yaml = folder_.read(name + "/config.yaml", kConfigBytesMax);
    const auto pbtxt = folder_.read(name + "/config.pbtxt", kConfigBytesMax);
    for (const auto* file : {&yaml, &pbtxt}) {
        if (!*file && file->error().code != ErrorCode::kNotFound) return std::unexpected(file->error());
    }
    if (yaml && pbtxt) {
        return fail(ErrorCode::kInvalidArgument,
                    fmt::format("`{}` has a config.yaml and a config.pbtxt; one of them must go", name));
    }
    if (yaml) {
        plan.config_text = *yaml;
        TG_TRY(plan.config, parse_config(*yaml, ConfigFormat::kYaml, name + "/config.yaml"));
    } else if (pbtxt) {
        plan.config_text = *pbtxt;
        TG_TRY(plan.config, parse_config(*pbtxt, ConfigFormat::kPbtxt, name + "/config.pbtxt"));
    }
    return {};
}

Result<void> Loader::choose_versions(const std::string& name, LoadPlan& plan) const {
    TG_TRY(const auto entries, folder_.list(name, kEntriesMax));
    std::vector<std::int64_t> there;
    for (const FolderEntry& entry : entries) {
        const auto version = version_of(entry.name);
        if (version && entry.is_directory) there.push_back(*version);
    }
    std::ranges::sort(there);
    if (there.empty()) {
        return fail(ErrorCode::kNotFound,
                    fmt::format("`{}` has no version: a folder such as `{}/1` with the model file", name, name));
    }
    const VersionPolicy& policy = plan.config.version_policy;
    switch (policy.kind) {
        case VersionPolicy::Kind::kAll:
            plan.versions = there;
            break;
        case VersionPolicy::Kind::kLatest:
            plan.versions.assign(there.end() - std::min<std::ptrdiff_t>(policy.latest, std::ssize(there)), there.end());
            break;
        case VersionPolicy::Kind::kSpecific:
            for (const std::int64_t version : policy.versions) {
                if (std::ranges::find(there, version) == there.end()) {
                    return fail(ErrorCode::kNotFound,
                                fmt::format("`{}` has no version {}, which its version_policy names; it has {}", name,
                                            version, known_versions(there)));
                }
                plan.versions.push_back(version);
            }
            std::ranges::sort(plan.versions);
            plan.versions.erase(std::ranges::unique(plan.versions).begin(), plan.versions.end());
            break;
    }
    return {};
}

Result<void> Loader::exists(const std::string& name) const {
    if (!is_model_name(name)) {
        return fail(ErrorCode::kInvalidArgument,
                    "a model's name is made of letters, digits, `_`, `-`, `.`, and has at most 128");
    }
    TG_CHECK(folder_.list(name, kEntriesMax));
    return {};
}

Result<LoadPlan> Loader::plan(const std::string& name, const std::string& config_json) const {
    TG_CHECK(exists(name));
    LoadPlan plan;
    TG_CHECK(read_config(name, config_json, plan));
    if (!plan.config.name.empty() && plan.config.name != name) {
        return fail(ErrorCode::kInvalidArgument,
                    fmt::format("the config's name is `{}`, and the folder is `{}`", plan.config.name, name));
    }
    plan.config.name = name;
    TG_CHECK(choose_versions(name, plan));
    if (!plan.config.text.tokenizer.empty()) {
        TG_TRY(plan.tokenizer_file,
               folder_.read(fmt::format("{}/{}", name, plan.config.text.tokenizer), kTokenizerBytesMax));
    }
    return plan;
}

Result<SessionOptions> Loader::session_options(const ModelConfig& config) const {
    SessionOptions options = options_.session;
    if (config.device != DeviceChoice::kDefault) {
        const std::string_view asked = config.device == DeviceChoice::kCpu    ? "cpu"
                                       : config.device == DeviceChoice::kCuda ? "cuda"
                                                                              : "auto";
        TG_TRY(const DeviceDecision decision, decide_device(*backend_, asked, config.device_index));
        options.device = decision.device;
        options.device_index = config.device_index;
        if (log_ != nullptr && !decision.note.empty()) {
            log_->line(observe::Level::kWarn, "model_device").field("model", config.name).field("note", decision.note);
        }
    }
    options.intra_op_threads = config.intra_op_threads.value_or(options.intra_op_threads);
    options.inter_op_threads = config.inter_op_threads.value_or(options.inter_op_threads);
    if (config.arena_bytes_max > 0) options.arena_bytes_max = config.arena_bytes_max;
    for (const auto& [name, value] : config.backend_options) options.more[name] = value;
    return options;
}

Result<std::unique_ptr<Model>> Loader::load(const std::string& name, const LoadPlan& plan, std::int64_t version,
                                            const Model* old) const {
    if (backend_ == nullptr) return fail(ErrorCode::kUnavailable, backend_missing_);
    const std::string path = fmt::format("{}/{}/{}", name, version, plan.config.default_model_filename);
    auto state = std::make_unique<Model::State>();
    {
        TG_TRY(const std::string bytes, folder_.read(path, options_.file_bytes_max));
        state->sha256 = to_hex(tidegate::sha256(bytes));
        state->fingerprint = state->sha256;
        if (!plan.config_text.empty() || !plan.tokenizer_file.empty()) {
            const std::string shaping = plan.config_text + '\0' + to_hex(tidegate::sha256(plan.tokenizer_file));
            state->fingerprint += "+" + to_hex(tidegate::sha256(shaping)).substr(0, 8);
        }
        // A sample file of a warm-up may change without that anything is loaded: it is no part of an answer.
        if (old != nullptr && old->fingerprint() == state->fingerprint) return nullptr;
        TG_TRY(const SessionOptions session, session_options(plan.config));
        auto loaded = backend_->load(as_bytes(bytes), session);
        if (!loaded) return fail(loaded.error().code, fmt::format("{}: {}", path, loaded.error().message));
        state->sessions.emplace_back(std::move(*loaded));
    }
    state->name = name;
    state->version = std::to_string(version);
    state->full_version = state->version + "@" + state->fingerprint;
    state->config = plan.config;
    state->tokenizer_file = plan.tokenizer_file;
    TG_CHECK(finish(*state));
    return std::make_unique<Model>(std::move(state));
}

Result<void> Loader::finish(Model::State& state) const {
    Session& session = *state.sessions.front();
    const bool padding_given = !state.config.text.padding.empty();
    TG_CHECK(complete(state.config, session.inputs(), session.outputs(), options_.defaults));
    TG_CHECK(use_tokenizer(state, padding_given));
    for (const TensorConfig& tensor : state.config.inputs) state.inputs.push_back(client_info(state.config, tensor));
    for (const TensorConfig& tensor : state.config.outputs) state.outputs.push_back(client_info(state.config, tensor));
    state.clock = &clock_;
    const SteadyTime began = clock_.now();
    TG_TRY(const std::string note, warm_up(session, state.config, folder_));
    state.warmup = clock_.now() - began;
    if (log_ != nullptr && !note.empty()) {
        log_->line(observe::Level::kWarn, "model_warmup").field("model", state.name).field("note", note);
    }
    BatcherOptions options = batcher_options(state.config);
    options.inline_below = options_.defaults.inline_below;
    if (!options_.session.cpus.empty()) {
        // What was given could be used when the program started; a processor that went away since leaves the thread where it is.
        options.thread_began = [cpus = options_.session.cpus](unsigned) { static_cast<void>(pin_thread(cpus)); };
    }
    set_padding(state, options);
    TG_TRY(state.batcher, Batcher::create(state.name, std::move(options), state.sessions, clock_));
    state.loaded_at = clock_.unix_ms();
    return {};
}

}  // namespace tidegate::model
