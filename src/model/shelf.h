// Shelf: which versions of which models serve, and why the others do not. The repository's memory, without disk or threads.
//
// Guarantee   What find() gives was whole when it was put here; a model is replaced in one step for all its versions.
// Threads     Every member from any thread. Models that are taken away are let go of after the lock.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "base/mutex.h"
#include "model/repository.h"

namespace tidegate::model {

class Shelf {
  public:
    /// One version's part in a load.
    struct Outcome {
        std::int64_t version = 0;
        ModelPtr model;      // Null: it failed.
        std::string reason;  // Why.
    };

    /// From now on, and until put() or failed(), the model is being loaded.
    void loading(const std::string& name) TG_EXCLUDES(mutex_);
    /// The versions of `outcomes` are those that serve. Where some failed and others served before, nothing that served changes;
    /// the failed ones stand in the index. False: that.
    bool put(const std::string& name, std::vector<Outcome> outcomes) TG_EXCLUDES(mutex_);
    /// The model as a whole cannot be loaded; what serves goes on.
    void failed(const std::string& name, const std::string& reason) TG_EXCLUDES(mutex_);
    /// False: nothing of it serves. `forget`: it is no longer in the folder, so it leaves the index when its last request is done.
    bool remove(const std::string& name, bool forget) TG_EXCLUDES(mutex_);
    void clear() TG_EXCLUDES(mutex_);

    Result<ModelPtr> find(std::string_view name, std::string_view version) const TG_EXCLUDES(mutex_);
    std::vector<ModelPtr> ready() const TG_EXCLUDES(mutex_);
    std::vector<ModelStatus> index() const TG_EXCLUDES(mutex_);
    bool all_ready() const TG_EXCLUDES(mutex_);
    /// Of what is in the index and not forgotten. What was forgotten and is done leaves the index here.
    std::vector<std::string> names() TG_EXCLUDES(mutex_);

    /// The folder's state that the last load of the model saw; for mode poll.
    bool has_seen(const std::string& name, const std::string& state) const TG_EXCLUDES(mutex_);
    void saw(const std::string& name, std::string state) TG_EXCLUDES(mutex_);

  private:
    struct Held {
        ModelPtr model;                // Null: it does not serve.
        std::weak_ptr<Model> leaving;  // What served and is still in work.
        std::string reason;
    };
    struct Entry {
        std::map<std::int64_t, Held> versions;
        std::string reason;  // Of the model as a whole, or why a newer state of it does not serve.
        std::string seen;
        bool is_loading = false;
        bool is_wanted = false;  // It should serve: loaded and not unloaded since.
        bool is_forgotten = false;
    };

    static void leave(Held& held, std::vector<ModelPtr>& ended);
    static bool serves(const Entry& entry);
    static void describe(const std::string& name, const Entry& entry, std::vector<ModelStatus>& lines);
    void prune() TG_REQUIRES(mutex_);

    mutable Mutex mutex_;
    std::map<std::string, Entry, std::less<>> entries_ TG_GUARDED_BY(mutex_);
};

}  // namespace tidegate::model
