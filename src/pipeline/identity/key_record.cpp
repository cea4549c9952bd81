#include "pipeline/identity/key_record.h"

#include <fmt/format.h>

#include <algorithm>

#include "pipeline/identity/rate.h"
#include "settings/secret.h"

namespace tidegate::pipeline {
namespace {

constexpr std::size_t kKeyScopesMax = 32;

std::unexpected<Error> unfit(std::string message) {
    return fail(ErrorCode::kFailedValidation, std::move(message));
}

template <class T>
void time_field(JsonWriter& writer, std::string_view name, const T& time) {
    writer.key(name);
    time ? writer.value(format_rfc3339(*time)) : writer.null();
}

}  // namespace

Result<void> check(const KeySpec& spec, UnixMillis now) {
    if (!is_name(spec.name)) return unfit("the name must be 1 to 128 bytes of text without control characters");
    if (!spec.tenant.empty() && !is_name(spec.tenant)) {
        return unfit("the tenant must be at most 128 bytes of text without control characters");
    }
    if (spec.scopes.empty())
        return unfit("a key without scopes could be used for nothing; `*` is for everything but admin");
    if (spec.scopes.size() > kKeyScopesMax) return unfit(fmt::format("at most {} scopes", kKeyScopesMax));
    for (const std::string& scope : spec.scopes) {
        if (!is_scope(scope)) return unfit("a scope is `*` or 1 to 64 of a-z, 0-9, `_`, `-`, `.`, `:`");
    }
    if (spec.rate && (spec.rate->count == 0 || spec.rate->burst == 0 || spec.rate->period <= Duration::zero())) {
        return unfit("a rate needs at least one request, a burst of one and a period");
    }
    if (spec.daily_cap && spec.daily_cap->milli < 0) return unfit("the daily cap is less than nothing");
    if (spec.expires && *spec.expires <= now) return unfit("the key would have expired already");
    return {};
}

bool KeyRecord::is_admin() const noexcept {
    return std::ranges::find(scopes, "admin") != scopes.end();
}

std::optional<UnixMillis> KeyRecord::ends() const noexcept {
    if (!expires) return overlap_ends;
    return overlap_ends ? std::min(*expires, *overlap_ends) : *expires;
}

KeyRecord::State KeyRecord::state(UnixMillis now) const noexcept {
    if (revoked) return State::kRevoked;
    if (const auto end = ends(); end && *end <= now) return State::kExpired;
    return overlap_ends ? State::kOverlap : State::kActive;
}

std::string_view to_string(KeyRecord::State state) noexcept {
    switch (state) {
        case KeyRecord::State::kActive:
            return "active";
        case KeyRecord::State::kOverlap:
            return "overlap";
        case KeyRecord::State::kExpired:
            return "expired";
        case KeyRecord::State::kRevoked:
            return "revoked";
    }
    return "revoked";
}

NewKey::~NewKey() {
    settings::wipe(text);
}

void append_members(JsonWriter& writer, const KeyRecord& record, UnixMillis now) {
    writer.field("id", record.public_id).field("family", record.family).field("name", record.name);
    writer.field("state", to_string(record.state(now)));
    writer.key("tenant");
    record.tenant.empty() ? writer.null() : writer.value(record.tenant);
    writer.key("scopes").begin_array();
    for (const std::string& scope : record.scopes) writer.value(scope);
    writer.end_array();
    writer.key("rate");
    record.rate ? writer.value(to_string(*record.rate)) : writer.null();
    writer.key("daily_cap");
    record.daily_cap ? writer.raw(to_string(*record.daily_cap)) : writer.null();
    writer.field("created_at", format_rfc3339(record.created));
    time_field(writer, "expires_at", record.expires);
    writer.field("rotated_from", record.rotated_from).field("rotated_to", record.rotated_to);
    time_field(writer, "overlap_ends_at", record.overlap_ends);
    time_field(writer, "revoked_at", record.revoked);
    time_field(writer, "last_used_at", record.last_used);
}

}  // namespace tidegate::pipeline
