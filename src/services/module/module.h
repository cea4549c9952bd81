// Module: all that one service is to the house: its settings, its opening, its routes, its load, its words on the command line.
//
// Position    The one seam between a service's folder and app/. A service is a folder that implements Module and Service, and a line in
//             app/services.cpp; what it needs of the server it is given as a House.
// Ownership   A Module lives as long as the settings that it declared; a Service ends before everything in its House.
// Threads     Module: the main thread. Service: each method says for itself.
// When it fails  open() says why, and the server does not start.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/file.h"
#include "base/ids.h"
#include "base/json_writer.h"
#include "base/random.h"
#include "base/result.h"
#include "jobs/jobs.h"
#include "load/generator.h"
#include "model/text_models.h"
#include "observe/log.h"
#include "observe/metrics.h"
#include "pipeline/route.h"
#include "runtime/worker_pool.h"
#include "settings/table.h"

namespace tidegate::service {

/// The PostgreSQL database that the settings name; an empty url: none.
struct DatabasePlace {
    std::string url, schema;
};

/// What a server gives its services. All of it outlives them.
struct House {
    const Clock& clock;
    Random& random;
    Disk& disk;
    observe::Logger& log;
    /// Kinds of jobs are added while the service opens; they begin when the server does.
    jobs::Jobs& jobs;
    /// For work that waits or takes long; never on an event loop.
    runtime::WorkerPool& blocking;
    /// The models that read texts, as far as there are any; they come and go while the server runs.
    model::TextModels& text_models;
    /// Exists. A service keeps files of its own in a folder with its name.
    std::string data_dir;
    /// The server's SQLite database.
    std::string database_path;
    /// For a service whose settings ask for it.
    DatabasePlace database;
    /// Drops the kept answers that carry this tag: how many. Any thread.
    std::function<std::uint64_t(std::string_view tag)> drop_answers;
    /// Whether the log holds a durable record with this id. Waits for the disk.
    std::function<Result<bool>(const Uuid& id)> is_recorded;
};

/// A service at work.
class Service {
  public:
    virtual ~Service() = default;
    /// Main thread, once.
    virtual void register_routes(std::vector<pipeline::Route>& routes) = 0;
    /// Main thread, once.
    virtual void declare_metrics(observe::Registry& registry) const = 0;
    /// It cannot do a part of its work: /health says `degraded`. Any thread.
    virtual bool is_degraded() const { return false; }
    /// Its fields in /health, within an object with its name. Any thread.
    virtual void append_status([[maybe_unused]] JsonWriter& writer) const {}
    /// When no request and no job is in work any more: stores what waits, ends its threads. Main thread, once; the destructor of a
    /// service whose server never started does it too.
    virtual void stop() = 0;
};

/// A command on the program's command line, as in `tidegate NAME ...`.
struct CommandHelp {
    std::string_view name, usage, summary;
};

/// What a command is given: its words, without its name, and where the data lies.
struct CommandInput {
    const std::vector<std::string>& words;
    std::string data_dir;
    std::string database_path;
    DatabasePlace database;
};

/// What a service is before there is a server.
class Module {
  public:
    virtual ~Module() = default;
    /// As in its settings and paths: `flood`.
    virtual std::string_view name() const noexcept = 0;
    /// Adds its settings, bound to members of the module.
    virtual void declare(settings::Table& table) = 0;
    virtual Result<std::unique_ptr<Service>> open(const House& house) const = 0;
    /// Its settings ask for the PostgreSQL database.
    virtual bool uses_database() const noexcept { return false; }

    /// What load on it looks like.
    virtual void offer_load(const load::Scout& scout, load::Offers& offers) const = 0;

    /// The commands it brings; none by default.
    virtual std::vector<CommandHelp> commands() const { return {}; }
    /// Runs the command of this name. The exit status: 0 done, 1 failed, 2 wrong use, each said on standard error.
    virtual int run([[maybe_unused]] std::string_view command, [[maybe_unused]] const CommandInput& input) const {
        return 2;
    }

    /// Words of `tidegate eval NAME ...`, such as `--data FOLDER [--out FILE]`; empty: there is nothing to measure it on.
    virtual std::string_view evaluation_usage() const noexcept { return {}; }
    /// As run(); the words are those after NAME.
    virtual int evaluate([[maybe_unused]] const CommandInput& input) const { return 2; }
};

/// Prints `tidegate: MESSAGE` to standard error and returns 2: the way to say wrong use.
int wrong_use(std::string_view message);
/// Prints `tidegate: MESSAGE` to standard error and returns 1.
int failed(const Error& error);

}  // namespace tidegate::service
