// PostgresTexts: where the sessions of the library come from: the tables of texts are there and of our version.
//
// Threads     Any.
#pragma once

#include <memory>
#include <optional>

#include "services/content/database/postgres_session.h"

namespace tidegate::content {

class PostgresTexts {
  public:
    /// Makes or changes the tables. Errors of store::migrate(), and those of a server that cannot hold texts.
    static Result<std::unique_ptr<PostgresTexts>> open(PostgresPlace place, const Clock& clock);
    std::unique_ptr<PostgresSession> session() const;
    std::optional<StoreWatch::Trouble> trouble() const { return place_.watch->trouble(); }

  private:
    PostgresTexts(PostgresPlace place, const Clock& clock) : place_(std::move(place)), clock_(clock) {}
    const PostgresPlace place_;
    const Clock& clock_;
};

}  // namespace tidegate::content
