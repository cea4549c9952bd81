#include "services/content/content.h"

namespace tidegate::content {

std::string content_path(std::string_view data_dir) {
    return std::string(data_dir) + "/content/content.db";
}

std::string ledger_path(std::string_view data_dir) {
    return std::string(data_dir) + "/content/ledger.db";
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
    LibraryOptions options{.path = content_path(given.data_dir),
                           .chunk_bytes = given.settings.chunk_bytes,
                           .dimensions = given.settings.dimensions,
                           .chunks_max = given.settings.chunks_max,
                           .trains_itself = given.trains_itself,
                           .log = given.log};
    TG_TRY(content->library_, Library::open(std::move(options), given.clock, given.random));
    TG_TRY(content->ledger_, Ledger::open(ledger_path(given.data_dir), given.clock, given.random));
    return content;
}

ContentService::~ContentService() {
    stop();
}

void ContentService::stop() {
    if (library_) library_->stop();
    if (ledger_) ledger_->stop();
}

void ContentService::register_routes(std::vector<pipeline::Route>& routes) {
    register_contents_routes(routes, *this);
    register_query_routes(routes, *this);
    register_card_routes(routes, *this);
    register_attribution_routes(routes, *this);
    register_token_routes(routes, *this);
}

}  // namespace tidegate::content
