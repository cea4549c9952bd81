#include "model/repository.h"

#include <fmt/core.h>

#include <algorithm>
#include <thread>

#include "base/mutex.h"
#include "model/loader.h"
#include "model/reaper.h"
#include "model/shelf.h"
#include "observe/log.h"

namespace tidegate::model {
namespace {

// A file that was written less than this ago may be written still; the next look finds it done or younger again.
constexpr UnixMillis kSettledMs = 1000;

}  // namespace

std::string_view to_string(ModelState state) noexcept {
    constexpr std::array<std::string_view, 4> kWords{"LOADING", "READY", "UNLOADING", "UNAVAILABLE"};
    return kWords[static_cast<std::size_t>(state)];
}

std::optional<RepositoryMode> repository_mode_of(std::string_view word) noexcept {
    if (word == "none") return RepositoryMode::kNone;
    if (word == "explicit") return RepositoryMode::kExplicit;
    if (word == "poll") return RepositoryMode::kPoll;
    return std::nullopt;
}

struct ModelRepository::Impl {
    Impl(RepositoryOptions given, Folder opened, Backend* backend, std::string backend_missing, const Clock& used_clock,
         observe::Logger* logger)
        : options(std::move(given)),
          folder(std::move(opened)),
          loader(folder, options, backend, std::move(backend_missing), used_clock, logger),
          clock(used_clock),
          log(logger) {}

    /// One load, unload or look at a time; who waits holds no lock.
    class Turn {
      public:
        explicit Turn(Impl& impl) : impl_(impl) {
            const Lock lock(impl_.mutex);
            while (impl_.busy) impl_.turn.wait(impl_.mutex);
            impl_.busy = true;
        }
        ~Turn() {
            const Lock lock(impl_.mutex);
            impl_.busy = false;
            impl_.turn.notify_one();
        }
        Turn(const Turn&) = delete;
        Turn& operator=(const Turn&) = delete;

      private:
        Impl& impl_;
    };

    Result<void> load(const std::string& name, const std::string& config_json);
    Result<Shelf::Outcome> load_version(const std::string& name, const LoadPlan& plan, std::int64_t version) const;
    void remove(const std::string& name, bool forget);
    Result<std::vector<std::string>> names_in_folder() const;
    void look(bool at_start);
    void watch();
    void tell_failure(const std::string& name, const Error& error) const;

    const RepositoryOptions options;
    const Folder folder;
    const Loader loader;
    const Clock& clock;
    observe::Logger* const log;
    const std::shared_ptr<Reaper> reaper = Reaper::start();
    Shelf shelf;

    Mutex mutex;
    Condition turn;
    Condition wake;
    bool busy TG_GUARDED_BY(mutex) = false;
    bool stopping TG_GUARDED_BY(mutex) = false;
    std::thread watcher;
};

void ModelRepository::Impl::tell_failure(const std::string& name, const Error& error) const {
    if (log == nullptr) return;
    log->line(observe::Level::kError, "model_load_failed").field("model", name).field("reason", error.message);
}

/// The caller has its turn. An error is that of the first version that failed, or the plan's.
Result<void> ModelRepository::Impl::load(const std::string& name, const std::string& config_json) {
    shelf.loading(name);
    const auto plan = loader.plan(name, config_json);
    if (!plan) {
        shelf.failed(name, plan.error().message);
        tell_failure(name, plan.error());
        return std::unexpected(plan.error());
    }
    std::vector<Shelf::Outcome> outcomes;
    Result<void> first;
    for (const std::int64_t version : plan->versions) {
        auto outcome = load_version(name, *plan, version);
        if (!outcome) {
            tell_failure(name, outcome.error());
            if (first) first = std::unexpected(outcome.error());
            outcomes.push_back({.version = version, .model = nullptr, .reason = outcome.error().message});
        } else {
            outcomes.push_back(*std::move(outcome));
        }
    }
    shelf.put(name, std::move(outcomes));
    return first;
}

Result<Shelf::Outcome> ModelRepository::Impl::load_version(const std::string& name, const LoadPlan& plan,
                                                           std::int64_t version) const {
    const auto old = shelf.find(name, std::to_string(version));
    const SteadyTime began = clock.now();
    TG_TRY(auto model, loader.load(name, plan, version, old ? old->get() : nullptr));
    if (!model) return Shelf::Outcome{.version = version, .model = *old, .reason = {}};
    if (log != nullptr) {
        log->line(observe::Level::kInfo, "model_loaded")
            .field("model", name)
            .field("version", model->version())
            .field("sha256", model->sha256())
            .field("device", to_string(model->device()))
            .field("max_batch_size", model->config().max_batch_size)
            .field("load_ms", std::chrono::duration_cast<std::chrono::milliseconds>(clock.now() - began).count());
    }
    return Shelf::Outcome{.version = version, .model = reaper->adopt(std::move(model)), .reason = {}};
}

void ModelRepository::Impl::remove(const std::string& name, bool forget) {
    if (shelf.remove(name, forget) && log != nullptr) {
        log->line(observe::Level::kInfo, "model_unloaded").field("model", name);
    }
}

/// An error when the folder cannot be read, which the log has then: it is not the same as an empty folder.
Result<std::vector<std::string>> ModelRepository::Impl::names_in_folder() const {
    // Files beside the folders (a README) count little.
    const auto entries = folder.list("", options.models_max * 2);
    if (!entries) {
        tell_failure("", entries.error());
        return std::unexpected(entries.error());
    }
    std::vector<std::string> names;
    for (const FolderEntry& entry : *entries) {
        // The second is what a file system of its own has at its top.
        if (!entry.is_directory || entry.name == "lost+found") continue;
        if (names.size() >= options.models_max) {
            if (log != nullptr) {
                log->line(observe::Level::kWarn, "models_beyond_max").field("models_max", options.models_max);
            }
            break;
        }
        names.push_back(entry.name);
    }
    return names;
}

/// Mode poll: loads what is new or changed, takes away what is gone. The caller has its turn.
void ModelRepository::Impl::look(bool at_start) {
    const auto listed = names_in_folder();
    if (!listed) return;  // What serves, serves on.
    const std::vector<std::string>& names = *listed;
    for (const std::string& known : shelf.names()) {
        if (!std::ranges::binary_search(names, known)) remove(known, true);
    }
    for (const std::string& name : names) {
        const auto state = folder.state(name);
        const std::string text = state ? state->text : state.error().message;
        if (shelf.has_seen(name, text)) continue;
        if (state && !at_start && std::abs(clock.unix_ms() - state->newest_ms) < kSettledMs) continue;
        // A failure stands in the index and the log; it is tried again when the folder changes.
        static_cast<void>(load(name, ""));
        shelf.saw(name, text);
    }
}

void ModelRepository::Impl::watch() {
    while (true) {
        {
            const Lock lock(mutex);
            if (!stopping) wake.wait_for(mutex, options.poll_interval);
            if (stopping) return;
        }
        const Turn own(*this);
        look(false);
    }
}

ModelRepository::ModelRepository(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}

Result<std::unique_ptr<ModelRepository>> ModelRepository::open(RepositoryOptions options, Backend* backend,
                                                               const Clock& clock, observe::Logger* log,
                                                               std::string backend_missing) {
    TG_TRY(Folder folder, Folder::open(options.folder));
    auto impl =
        std::make_unique<Impl>(std::move(options), std::move(folder), backend, std::move(backend_missing), clock, log);
    Impl& made = *impl;
    std::unique_ptr<ModelRepository> repository(new ModelRepository(std::move(impl)));
    const Impl::Turn own(made);
    if (made.options.mode == RepositoryMode::kPoll) {
        made.look(true);
        made.watcher = std::thread([&made] { made.watch(); });
        return repository;
    }
    const auto& wanted = made.options.load_at_start;
    const bool all = made.options.mode == RepositoryMode::kNone || std::ranges::find(wanted, "*") != wanted.end();
    const std::vector<std::string> names =
        all ? made.names_in_folder().value_or(std::vector<std::string>{}) : std::vector<std::string>(wanted);
    for (const std::string& name : names) {
        // A model that cannot be loaded stands in the index with its reason; the others serve.
        static_cast<void>(made.load(name, ""));
    }
    return repository;
}

ModelRepository::~ModelRepository() {
    {
        const Lock lock(impl_->mutex);
        impl_->stopping = true;
        impl_->wake.notify_all();
    }
    if (impl_->watcher.joinable()) impl_->watcher.join();
    impl_->shelf.clear();
    impl_->reaper->finish();
}

Result<ModelPtr> ModelRepository::find(std::string_view name, std::string_view version) const {
    return impl_->shelf.find(name, version);
}

std::vector<ModelPtr> ModelRepository::ready() const {
    return impl_->shelf.ready();
}
bool ModelRepository::all_ready() const {
    return impl_->shelf.all_ready();
}
const RepositoryOptions& ModelRepository::options() const noexcept {
    return impl_->options;
}

std::vector<ModelStatus> ModelRepository::index() const {
    std::vector<ModelStatus> lines = impl_->shelf.index();
    if (impl_->options.mode != RepositoryMode::kExplicit) return lines;
    const auto names = impl_->names_in_folder().value_or(std::vector<std::string>{});
    for (const std::string& name : names) {
        if (std::ranges::find(lines, name, &ModelStatus::name) != lines.end()) continue;
        ModelStatus line;
        line.name = name;
        line.reason = "not loaded";
        lines.insert(std::ranges::upper_bound(lines, name, {}, &ModelStatus::name), std::move(line));
    }
    return lines;
}

Result<void> ModelRepository::load(const std::string& name, const LoadOverride& changes) {
    if (impl_->options.mode != RepositoryMode::kExplicit) {
        return fail(ErrorCode::kConflict, "models are loaded on request in mode explicit only");
    }
    // Before it gets a line in the index, which a stranger could fill with names.
    TG_CHECK(impl_->loader.exists(name));
    const Impl::Turn own(*impl_);
    return impl_->load(name, changes.config_json);
}

Result<void> ModelRepository::unload(const std::string& name) {
    if (impl_->options.mode != RepositoryMode::kExplicit) {
        return fail(ErrorCode::kConflict, "models are unloaded on request in mode explicit only");
    }
    const Impl::Turn own(*impl_);
    const auto names = impl_->shelf.names();
    if (!std::ranges::binary_search(names, name)) {
        return fail(ErrorCode::kNotFound, fmt::format("there is no model `{}`", name.substr(0, 128)));
    }
    impl_->remove(name, false);
    return {};
}

void ModelRepository::poll() {
    if (impl_->options.mode != RepositoryMode::kPoll) return;
    const Impl::Turn own(*impl_);
    impl_->look(false);
}

}  // namespace tidegate::model
