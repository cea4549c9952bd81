// A decision made elsewhere: from the JSON of whoever made it to the Decision of the log.
//
// Guarantee   What is taken passes audit::check(). What is not is refused with every field that is at fault, unknown ones among them:
//             a field that is not read would be a statement that is lost.
// Mapping     docs/ingest.md has the table. `input` is hashed and let go. `output`, `explanation`, `confidence_scores` and
//             `model_parameters` stand together, as they came, in the record's `output`.
// Digest      Of the content, whoever spelled it: the order of members, white space, `input` or its hash, a status left out make no
//             difference. The time counts where it was stated. Tenant and request id do not: they say which decision it is.
// Threads     Any; no state.
#pragma once

#include <expected>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "audit/decision.h"
#include "audit/privacy/policy.h"
#include "base/clock.h"
#include "base/json.h"
#include "pipeline/schema.h"
#include "services/compliance/ingest/request_key.h"

namespace tidegate::compliance::ingest {

/// The tag that says: came in from elsewhere; its value is the keyed digest of its content. Senders may not use it.
inline constexpr std::string_view kIngestTag = "ingest";
/// Of model_parameters: the first 32 hex digits of the SHA-256 of their canonical JSON. Senders may not use it either.
inline constexpr std::string_view kParametersTag = "model_parameters";
/// A clock of a sender that runs ahead by more is wrong.
inline constexpr UnixMillis kAheadMax = 5 * 60 * 1000;
/// Deepest nesting of one decision; the same as pipeline.json_depth_max by default.
inline constexpr std::size_t kDepthMax = 64;

/// A decision that may go into the log. Its id and its ingest tag are made by Intake.
struct Incoming {
    audit::Decision decision;
    UnixMillis time = 0;               // Stated, or now.
    Sha256 content{};                  // Unkeyed: never stored.
    std::optional<std::string> input;  // Only where the privacy policy keeps it.
};

struct Rules {
    /// Empty: the sender has none and may state any.
    std::string_view tenant;
    UnixMillis now = 0;
    /// Says whether the input itself is kept until the record is made safe. May be null.
    const audit::privacy::PrivacyPolicy* privacy = nullptr;
};

using Faults = std::vector<pipeline::FieldError>;
/// An object. `document` may go afterwards.
std::expected<Incoming, Faults> read_decision(json::Value document, const Rules& rules);
/// The text of one.
std::expected<Incoming, Faults> read_decision(std::string_view text, const Rules& rules);

}  // namespace tidegate::compliance::ingest
