#include "services/content/content.h"

#include <algorithm>

#include "base/assert.h"
#include "services/content/ledger/postgres_books.h"
#include "services/content/ledger/sqlite_books.h"
#include "services/content/model_embedder.h"

namespace tidegate::content {

std::string content_path(std::string_view data_dir) {
    return std::string(data_dir) + "/content/content.db";
}

std::string vectors_path(std::string_view data_dir) {
    return std::string(data_dir) + "/content/vectors.db";
}

std::string ledger_path(std::string_view data_dir) {
    return std::string(data_dir) + "/content/ledger.db";
}

Result<std::optional<PostgresPlace>> database_place(const ContentSettings& settings,
                                                    const service::DatabasePlace& database) {
    if (settings.store != "postgres") return std::optional<PostgresPlace>();
    if (database.url.empty()) {
        return fail(ErrorCode::kInvalidArgument,
                    "content.store is postgres and database.url is not set: postgresql://USER@HOST/DATABASE");
    }
    return std::optional(PostgresPlace{.url = database.url, .schema = database.schema});
}

Result<std::unique_ptr<BookHome>> open_books(const std::optional<PostgresPlace>& database, const std::string& data_dir,
                                             const Disk& disk, const Clock& clock) {
    const std::string path = ledger_path(data_dir);
    if (!database) return SqliteBooks::open(path, clock);
    if (disk.exists(path)) {
        TG_TRY(const auto file, SqliteBooks::open(path, clock));
        TG_TRY(const auto books, file->connect());
        TG_TRY(const std::int64_t accounts, books->number("SELECT count(*) FROM accounts"));
        if (accounts > 0) {
            return fail(ErrorCode::kInvalidArgument,
                        path +
                            " holds users and tokens, and content.store is postgres: they would not be seen. Take "
                            "the file out of the folder, or go back to content.store: sqlite");
        }
    }
    auto home = PostgresBooks::open(*database, clock);
    if (!home) {
        return fail(home.error().code,
                    "the database of users, cards and tokens (database.url): " + home.error().message);
    }
    return home;
}

Actor actor_of(const pipeline::Context& context) {
    const pipeline::CallerPtr& caller = context.caller();
    if (!caller) return {.tenant = {}, .name = "anonymous", .admin = false};
    return {.tenant = caller->tenant, .name = caller->actor, .admin = caller->admin};
}

Result<std::unique_ptr<service::Service>> ContentService::open(ContentNeeds needs) {
    std::unique_ptr<ContentService> content(new ContentService(std::move(needs)));
    const ContentNeeds& given = content->needs_;
    TG_CHECK(given.disk.make_directories(given.data_dir + "/content"));
    if (!given.settings.vectors_model.empty()) {
        TG_ASSERT(given.text_models != nullptr);
        content->embedder_ =
            std::make_unique<ModelEmbedder>(*given.text_models, given.settings.vectors_model, given.clock);
    }
    TG_TRY(std::optional<PostgresPlace> database, database_place(given.settings, given.database));
    LibraryOptions options{.path = content_path(given.data_dir),
                           .postgres = std::move(database),
                           .chunk_bytes = given.settings.chunk_bytes,
                           .dimensions = given.settings.dimensions,
                           .chunks_max = given.settings.chunks_max,
                           .trains_itself = given.trains_itself,
                           .log = given.log,
                           .embedder = content->embedder_.get(),
                           .vectors_path = vectors_path(given.data_dir)};
    const std::optional<PostgresPlace> place = options.postgres;
    if (place) content->watch_ = place->watch;
    auto library = Library::open(std::move(options), given.clock, given.random);
    if (!library) {
        return fail(library.error().code,
                    (place ? "the database of the texts (database.url): " : "") + library.error().message);
    }
    content->library_ = *std::move(library);
    TG_TRY(auto books, open_books(place, given.data_dir, given.disk, given.clock));
    TG_TRY(content->ledger_, Ledger::open(std::move(books), given.clock, given.random));
    return content;
}

ContentService::~ContentService() {
    stop();
}

void ContentService::stop() {
    if (library_) library_->stop();
    if (ledger_) ledger_->stop();
}

bool ContentService::is_degraded() const {
    return (watch_ && watch_->trouble()) || (library_->vectors() != nullptr && !library_->vectors()->trouble().empty());
}

void ContentService::append_status(JsonWriter& writer) const {
    // Texts and books have one home, and one watch.
    const auto trouble = watch_ ? watch_->trouble() : std::nullopt;
    for (const std::string_view name : {"texts", "ledger"}) {
        writer.key(name).begin_object().field("store", needs_.settings.store).field("answers", !trouble);
        if (trouble) writer.field("reason", trouble->reason).field("since", format_rfc3339(trouble->since_ms));
        writer.end_object();
    }
    if (library_->vectors() == nullptr) return;
    const std::string of_vectors = library_->vectors()->trouble();
    writer.key("vectors").begin_object().field("model", library_->vectors()->model());
    writer.field("serves", of_vectors.empty()).field("reason", of_vectors);
    writer.field("made", library_->vectors()->made()).end_object();
}

Result<std::shared_ptr<void>> ContentService::take_import_place(const std::string& tenant) {
    const std::uint32_t most = needs_.settings.imports_max;
    const Lock lock(imports_->mutex);
    if (imports_->taken >= most) {
        return fail(ErrorCode::kUnavailable, "As many imports as content.imports_max allows are under way; ask again.");
    }
    if (!tenant.empty()) {
        const auto mine = imports_->by_tenant.find(tenant);
        if (mine != imports_->by_tenant.end() && mine->second >= std::max<std::uint32_t>(1, most / 2)) {
            return fail(ErrorCode::kResourceExhausted,
                        "Your tenant has as many imports under way as one may (half of content.imports_max); end one "
                        "first.");
        }
        ++imports_->by_tenant[tenant];
    }
    ++imports_->taken;
    return std::shared_ptr<void>(imports_.get(), [imports = imports_, tenant](void*) {
        const Lock freed(imports->mutex);
        --imports->taken;
        if (tenant.empty()) return;
        const auto mine = imports->by_tenant.find(tenant);
        if (--mine->second == 0) imports->by_tenant.erase(mine);
    });
}

void ContentService::register_routes(std::vector<pipeline::Route>& routes) {
    register_contents_routes(routes, *this);
    register_query_routes(routes, *this);
    register_card_routes(routes, *this);
    register_attribution_routes(routes, *this);
    register_token_routes(routes, *this);
}

}  // namespace tidegate::content
