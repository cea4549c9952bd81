// EvaluationStore: where an evaluation keeps its texts: a file in its scratch folder, or, with content.store `postgres`, a schema of its own in
// the database, dropped when it goes.
#pragma once

#include <optional>

#include "base/clock.h"
#include "base/random.h"
#include "services/content/database/postgres_session.h"
#include "services/content/settings.h"
#include "services/module/module.h"

namespace tidegate::content {

class EvaluationStore {
  public:
    static Result<EvaluationStore> make(const ContentSettings& settings, const service::DatabasePlace& database,
                                        const Clock& clock, Random& random);
    EvaluationStore(EvaluationStore&& other) noexcept;
    EvaluationStore& operator=(EvaluationStore&&) = delete;
    ~EvaluationStore();
    /// Nothing: texts are in a file.
    const std::optional<PostgresPlace>& database() const noexcept { return place_; }

  private:
    EvaluationStore(std::optional<PostgresPlace> place, const Clock& clock)
        : place_(std::move(place)), clock_(&clock) {}
    std::optional<PostgresPlace> place_;
    const Clock* clock_;
};

}  // namespace tidegate::content
