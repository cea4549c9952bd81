// Decision: the record of one AI answer, whoever made it. The audit log is the sequence of them.
//
// Guarantee   The id carries the time: a Decision was made at time(), to the millisecond, and ids sort by it. There is
//             no second clock in the record that could disagree.
// Privacy     The input itself is not here, only its hash and size. `output` is what the service chose to keep.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/hash.h"
#include "base/ids.h"
#include "base/json_writer.h"
#include "base/points.h"
#include "base/random.h"
#include "observe/trace.h"

namespace tidegate::audit {

enum class Status : std::uint8_t {
    kSuccess,  // An answer was given.
    kError,    // None was given: our fault, a model's or an upstream's.
    kRefused,  // None was given: the request was not acceptable.
    kTimeout,
    kCancelled,  // The client left.
};
std::string_view to_string(Status status) noexcept;
std::optional<Status> parse_status(std::string_view text) noexcept;

/// What a record of the log is.
enum class RecordKind : std::uint8_t {
    kDecision = 1,  // An AI answer.
    kEvent = 2,     // Something that happened to the log: a gap, an erasure, an access. Not counted as a decision.
};

enum class CacheState : std::uint8_t { kBypass, kMiss, kHit, kStale };
std::string_view to_string(CacheState state) noexcept;

/// A stage of the way and how long it took. Owns its name: records from elsewhere have names of their own.
struct StageLatency {
    std::string name;
    std::int64_t us = 0;
    friend bool operator==(const StageLatency&, const StageLatency&) = default;
};
std::vector<StageLatency> stage_latencies(const observe::StageTimes& times);

struct Tag {
    std::string name;
    std::string value;
    friend bool operator==(const Tag&, const Tag&) = default;
};

struct Decision {
    Uuid id;                 // UUIDv7 from make_uuid7(); also the analysis_id that clients see.
    std::string request_id;  // 1 to 128 visible ASCII characters.
    std::string tenant;      // Empty: none.
    std::string actor;       // Who asked (key id, never the key); empty: unknown.
    std::string service;     // `provenance`.
    std::string operation;   // `detect/text`: the part after the last `/` is the content type.
    Sha256 input_hash{};
    std::uint64_t input_size = 0;  // Bytes.
    // Who sends a decision need not know its size, its duration or its tokens. Then the figure is 0 and counts nowhere.
    bool input_size_stated = true;
    bool latency_stated = true;
    bool tokens_stated = true;
    std::string model;
    std::string model_version;
    std::string output;                // JSON text (whoever appends vouches for it), or empty: no answer was given.
    std::string band;                  // The answer's class: `human`, `uncertain`, `ai`; empty: none.
    std::optional<double> confidence;  // 0..1, as the answer states it.
    Status status = Status::kSuccess;
    std::string error;            // `code: message`; empty on success.
    std::int64_t latency_us = 0;  // From the first byte of the request to the answer being ready.
    std::vector<StageLatency> stages;
    CacheState cache = CacheState::kBypass;
    Points spend_points;  // Charged, not asked: nothing for a refund.
    std::int64_t tokens = 0;
    observe::TraceId trace_id{};  // All zero: none.
    std::vector<Tag> tags;        // What drift is told apart by.
    RecordKind kind = RecordKind::kDecision;

    UnixMillis time() const noexcept { return unix_ms_of(id); }
    /// What is shown: nothing where nobody stated it.
    std::optional<std::uint64_t> stated_input_size() const noexcept {
        return input_size_stated ? std::optional(input_size) : std::nullopt;
    }
    std::optional<double> stated_latency_ms() const noexcept {
        return latency_stated ? std::optional(static_cast<double>(latency_us) / 1000) : std::nullopt;
    }
    std::optional<std::int64_t> stated_tokens() const noexcept {
        return tokens_stated ? std::optional(tokens) : std::nullopt;
    }
    friend bool operator==(const Decision&, const Decision&) = default;
};

/// An event that the program itself notes in its log: named after its id, asked by nobody, so that it has no latency, input or tokens.
Decision own_event(std::string_view service, std::string_view operation, const Clock& clock, Random& random);

/// `text` of `detect/text`; the whole when there is no slash.
std::string_view content_type_of(std::string_view operation) noexcept;

/// One JSON object, members in the order of the struct; `output` and `stages` nested as JSON, hashes in hex,
/// an absent value as null.
void append_json(JsonWriter& writer, const Decision& decision);
std::string to_json(const Decision& decision);

/// Limits and shape, not meaning: a UUIDv7, a request_id as base/ids.h wants it, bounded texts (names 200
/// bytes, tag values 256, error 4 KiB, output 4 MiB), confidence in 0..1, an error exactly when the status is not success,
/// 0 for a figure that is not stated.
/// kInvalidArgument names the field. Cheap: it does not parse `output`.
Result<void> check(const Decision& decision);

}  // namespace tidegate::audit
