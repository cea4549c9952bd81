// Content: what a tenant knows, what it answers from that, and who said it first; what the service holds while it runs.
//
// Position    A service: open() reads what is stored, register_routes() puts its routes into the table.
// Guarantee   What was acknowledged is on the disk. A question asked after a write is answered with it: kept answers name the state of the
//             tenant's texts they were made from.
// Files       content/content.db (texts and index), content/ledger.db (users, cards, tokens) and content/vectors.db (what a model made of
//             the texts: derived) in the data folder; with content.store `postgres` the first two are in the database instead.
// Threads     register_routes() and stop() on the main thread; the rest any.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/mutex.h"
#include "model/text_models.h"
#include "observe/metrics.h"
#include "pipeline/context.h"
#include "pipeline/route.h"
#include "runtime/worker_pool.h"
#include "services/content/ledger/ledger.h"
#include "services/content/search/library.h"
#include "services/content/settings.h"
#include "services/module/module.h"

namespace tidegate::content {

inline constexpr std::string_view kService = "content";
inline constexpr std::string_view kTag = "service:content";

struct ContentNeeds {
    const ContentSettings& settings;
    const Clock& clock;
    Random& random;
    Disk& disk;
    std::string data_dir;
    service::DatabasePlace database{};
    bool trains_itself = true;
    runtime::WorkerPool& blocking;
    model::TextModels* text_models = nullptr;  // Null: content.vectors_model finds none.
    observe::Logger* log = nullptr;
};

class ContentService final : public service::Service {
  public:
    static Result<std::unique_ptr<service::Service>> open(ContentNeeds needs);
    ~ContentService() override;

    void register_routes(std::vector<pipeline::Route>& routes) override;
    void declare_metrics(observe::Registry& registry) const override;
    bool is_degraded() const override;
    void append_status(JsonWriter& writer) const override;
    void stop() override;

    const ContentSettings& settings() const noexcept { return needs_.settings; }
    Library& library() noexcept { return *library_; }
    Ledger& ledger() noexcept { return *ledger_; }

    runtime::WorkerPool& blocking() const noexcept { return needs_.blocking; }
    observe::Logger* log() const noexcept { return needs_.log; }
    /// For one of content.imports_max imports, as long as it is held. kUnavailable: all are taken; kResourceExhausted: the tenant has its half.
    /// Callers of no tenant have no share: they are many.
    Result<std::shared_ptr<void>> take_import_place(const std::string& tenant);

    struct Counts {
        observe::Counter stored, unchanged, refused, cut, searches, answered, not_in_sources;
    };
    Counts& counts() noexcept { return counts_; }

  private:
    explicit ContentService(ContentNeeds needs) : needs_(std::move(needs)) {}
    const ContentNeeds needs_;
    std::unique_ptr<Embedder> embedder_;       // Null: content.vectors_model is empty.
    std::shared_ptr<const StoreWatch> watch_;  // Of the database; null: there is none.
    std::unique_ptr<Library> library_;
    std::unique_ptr<Ledger> ledger_;
    Counts counts_;
    struct Imports {
        Mutex mutex;
        std::uint32_t taken TG_GUARDED_BY(mutex) = 0;
        std::map<std::string, std::uint32_t> by_tenant TG_GUARDED_BY(mutex);  // Of those that have one.
    };
    /// Outlives the service where an import does.
    const std::shared_ptr<Imports> imports_ = std::make_shared<Imports>();
};

/// Where the service keeps its files.
std::string content_path(std::string_view data_dir);
std::string vectors_path(std::string_view data_dir);
std::string ledger_path(std::string_view data_dir);

/// With content.store `postgres`: the database. kInvalidArgument: there is none in the settings.
Result<std::optional<PostgresPlace>> database_place(const ContentSettings& settings,
                                                    const service::DatabasePlace& database);

/// Where the books are. `database`: of database_place(). kInvalidArgument: they are to be there, and ledger.db has some that would not be seen.
Result<std::unique_ptr<BookHome>> open_books(const std::optional<PostgresPlace>& database, const std::string& data_dir,
                                             const Disk& disk, const Clock& clock);

/// Who asks, as the books know them.
Actor actor_of(const pipeline::Context& context);

// The parts of the table, a file each.
void register_contents_routes(std::vector<pipeline::Route>& routes, ContentService& service);
void register_query_routes(std::vector<pipeline::Route>& routes, ContentService& service);
void register_card_routes(std::vector<pipeline::Route>& routes, ContentService& service);
void register_attribution_routes(std::vector<pipeline::Route>& routes, ContentService& service);
void register_token_routes(std::vector<pipeline::Route>& routes, ContentService& service);

}  // namespace tidegate::content
