#include "services/content/search/postgres_texts.h"

#include <utility>

#include "services/content/search/postgres_sql.h"
#include "store/postgres_migrations.h"

namespace tidegate::content {
namespace {

// Every question has its index: without enable_seqscan a few rows would be read one by one, each with its tsvector, as often as the question
// has words. jit costs more than the questions.
constexpr PostgresUse kTexts{.application = "tidegate content",
                             .holds = "texts",
                             .again = ": send it again, the same text is not stored twice.",
                             .settings = "SET jit = off; SET enable_seqscan = off"};

}  // namespace

Result<std::unique_ptr<PostgresTexts>> PostgresTexts::open(PostgresPlace place, const Clock& clock) {
    store::PostgresMigrationOptions migration;
    migration.link = PostgresSession::options(place, kTexts);
    migration.schema = place.schema;
    TG_CHECK(store::migrate(migration, "content", sql::migrations(), clock));
    std::unique_ptr<PostgresTexts> texts(new PostgresTexts(std::move(place), clock));
    TG_CHECK(texts->session()->ask("SELECT 1::int8"));
    return texts;
}

std::unique_ptr<PostgresSession> PostgresTexts::session() const {
    return std::make_unique<PostgresSession>(place_, kTexts, clock_);
}

}  // namespace tidegate::content
