#include "services/content/evaluation_store.h"

#include <fmt/format.h>

#include <cstdio>
#include <utility>

#include "services/content/content.h"

namespace tidegate::content {

Result<EvaluationStore> EvaluationStore::make(const ContentSettings& settings, const service::DatabasePlace& database,
                                              const Clock& clock, Random& random) {
    TG_TRY(std::optional<PostgresPlace> place, database_place(settings, database));
    // Not the one with the tenants' texts.
    if (place) place->schema = fmt::format("tidegate_eval_{:016x}", random.next_u64());
    return EvaluationStore(std::move(place), clock);
}

EvaluationStore::EvaluationStore(EvaluationStore&& other) noexcept
    : place_(std::exchange(other.place_, std::nullopt)), clock_(other.clock_) {}

EvaluationStore::~EvaluationStore() {
    if (!place_) return;
    store::PostgresOptions options;
    options.url = place_->url;
    options.application_name = "tidegate eval";
    options.patience = std::chrono::minutes(1);
    const auto link = store::PostgresLink::connect(options, *clock_);
    Result<void> dropped;
    if (!link) dropped = std::unexpected(link.error());
    if (link) {
        if (auto done = (*link)->run("DROP SCHEMA IF EXISTS " + place_->schema + " CASCADE"); !done) {
            dropped = std::unexpected(std::move(done).error());
        }
    }
    if (!dropped) fmt::print(stderr, "schema {} stays in the database: {}\n", place_->schema, dropped.error().message);
}

}  // namespace tidegate::content
