#include "services/compliance/ingest/decision_fields.h"

#include "base/hex_value.h"

namespace tidegate::compliance::ingest {

std::optional<Sha256> parse_sha256_hex(std::string_view text) noexcept {
    Sha256 hash{};
    if (text.size() != 2 * hash.size()) return std::nullopt;
    for (std::size_t i = 0; i < hash.size(); ++i) {
        const int high = hex_value(text[2 * i]);
        const int low = hex_value(text[2 * i + 1]);
        if (high < 0 || low < 0) return std::nullopt;
        hash[i] = static_cast<std::uint8_t>(high * 16 + low);
    }
    return hash;
}

pipeline::Schema decision_schema() {
    using pipeline::optional;
    using pipeline::required;
    using pipeline::Schema;
    const auto name = [](std::string_view doc) { return Schema::string().nullable().doc(std::string(doc)); };
    const auto any = [](std::string_view doc) { return Schema::any().doc(std::string(doc)); };
    return Schema::object({
        required("request_id",
                 Schema::string().doc("1 to 128 visible ASCII characters; names the decision for its tenant.")),
        optional("timestamp", Schema::string().format("date-time").nullable().doc("Default: now.")),
        optional("input_hash", name("SHA-256 in hex; required without `input`.")),
        optional("input", any("Text or JSON: hashed, and kept only where privacy.keep_content says so.")),
        optional("input_size", Schema::integer().nullable().doc("Bytes.")),
        optional("model", name("At most 200 bytes, as every name.")),
        optional("model_version", name("")),
        optional("model_parameters",
                 any("An object: kept beside the output, and its hash as the tag `model_parameters`.")),
        optional("output", any("Any JSON.")),
        optional("confidence_scores",
                 any("A number from 0 to 1, or an object of them: the top one is the confidence, its name the band.")),
        optional("explanation", any("Text or JSON: kept beside the output.")),
        optional("processing_time_ms", Schema::number().nullable()),
        optional("tokens_used", Schema::integer().nullable()),
        optional("tenant_id", name("The key's own; who has a key without one may name any.")),
        optional("user_id", name("The record's `actor`.")),
        optional("source", name("The record's `service`. Default `external`.")),
        optional("operation", name("Default `decision`.")),
        optional("status", name("`success` (default), `error`, `refused`, `timeout` or `cancelled`.")),
        optional("error_message", name("Required where the status is not success.")),
        optional("tags", any("An object of up to 62 strings of at most 256 bytes.")),
    });
}

}  // namespace tidegate::compliance::ingest
