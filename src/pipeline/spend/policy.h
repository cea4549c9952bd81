// What the settings of spend mean for a request: its payer, what it is charged in the end, and what its answer says.
//
// Position    Between the spend stage, the settlement and the ledger: no state, no clock.
#pragma once

#include <optional>
#include <string>

#include "audit/decision.h"
#include "base/json_writer.h"
#include "http/message.h"
#include "pipeline/identity/caller.h"
#include "pipeline/spend/ledger.h"
#include "pipeline/spend/settings.h"
#include "pipeline/spend/zone.h"

namespace tidegate::pipeline::spend {

class SpendPolicy {
  public:
    /// The texts of the settings were checked when they were read; one that is none counts as no cap.
    explicit SpendPolicy(const SpendSettings& settings);

    /// A key's own cap comes before that of the settings.
    Payer payer(const Caller& caller) const noexcept;
    /// The cost, or nothing for a failure or an answer from the cache that is not charged.
    Points charge(Points cost, audit::Status status, audit::CacheState cache) const noexcept;

  private:
    Points key_cap_, address_cap_, tenant_cap_;
    bool charge_failures_, charge_cache_hits_;
};

/// `X-Spend-Cost`, and `X-Spend-Remaining` where there is a cap. `charged`: what was, or, before the settlement, the cost.
void add_spend_headers(http::Headers& headers, Points charged, const std::optional<Points>& remaining);
/// `X-Spend-Cost`, `X-Spend-Remaining`, `Retry-After` (whole seconds, at least 1) and, when asking again before the reset is in
/// vain, `x-should-retry: false`.
void add_refusal_headers(http::Headers& headers, const Refusal& refusal, Points cost, UnixMillis now);
/// kResourceExhausted (429): names the cap, what is spent and when it resets; kUnavailable (503) when there is no place.
Error error_of(const Refusal& refusal, Points cost, const Zone& zone);

/// `{"day":{"began":...,"resets_at":...,"time_zone":...},"own":{"spent":...,"reserved":...,"cap":...,"remaining":...},
/// "tenant":{...} or null,"degraded":...}`: points are decimal numbers, no cap is null.
void append_json(JsonWriter& writer, const Usage& usage, const Zone& zone, bool degraded);

}  // namespace tidegate::pipeline::spend
