// KeyRecord: what is known of an API key; never its secret.
//
// Form        A key reads `tg_<public id>_<secret>`: 12 characters of base32 (60 random bits) and 43 of base62 (32 random
//             bytes). Stored is the SHA-256 of the secret's text. 256 random bits need no slow hash.
// Rotation    A rotated key has a successor of the same family; both work until the overlap ends. The family's name is the
//             first key's public id and stands in every Decision (`key:<family>`), so that a rotation neither splits a
//             caller's history nor doubles its daily cap.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/json_writer.h"
#include "base/points.h"
#include "base/result.h"
#include "pipeline/identity/caller.h"

namespace tidegate::pipeline {

/// What a new key shall be.
struct KeySpec {
    std::string name;
    std::string tenant;
    std::vector<std::string> scopes;
    std::optional<Rate> rate;
    std::optional<Points> daily_cap;
    std::optional<UnixMillis> expires;
};
/// kFailedValidation with the reason in words. `now`: an expiry must lie after it.
Result<void> check(const KeySpec& spec, UnixMillis now);

struct KeyRecord {
    enum class State : std::uint8_t { kActive, kOverlap, kExpired, kRevoked };
    std::string public_id;
    std::string family;
    std::string name;
    std::string tenant;
    std::vector<std::string> scopes;
    std::optional<Rate> rate;
    std::optional<Points> daily_cap;
    UnixMillis created = 0;
    std::optional<UnixMillis> expires;        // As asked for when it was made.
    std::optional<std::string> rotated_from;  // The key this one takes the place of.
    std::optional<std::string> rotated_to;    // The key that takes the place of this one ...
    std::optional<UnixMillis> overlap_ends;   // ... and until when this one works beside it.
    std::optional<UnixMillis> revoked;
    std::optional<UnixMillis> last_used;  // To the minute, written at most once a minute.

    bool is_admin() const noexcept;
    /// The earlier of `expires` and `overlap_ends`.
    std::optional<UnixMillis> ends() const noexcept;
    State state(UnixMillis now) const noexcept;
};
/// `active`, `overlap`, `expired`, `revoked`.
std::string_view to_string(KeyRecord::State state) noexcept;

/// A key just made: the only moment at which its text exists. The text is wiped with the object.
struct NewKey {
    KeyRecord record;
    std::string text;  // `tg_..._...`; show it once, never log it.
    NewKey() = default;
    NewKey(KeyRecord made, std::string shown) : record(std::move(made)), text(std::move(shown)) {}
    NewKey(NewKey&&) noexcept = default;
    NewKey& operator=(NewKey&&) noexcept = default;
    NewKey(const NewKey&) = delete;
    NewKey& operator=(const NewKey&) = delete;
    ~NewKey();
};

/// The record as the members of an object; holds no secret.
void append_members(JsonWriter& writer, const KeyRecord& record, UnixMillis now);

}  // namespace tidegate::pipeline
