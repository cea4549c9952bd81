#include "audit/privacy/policy.h"

#include <algorithm>
#include <utility>

namespace tidegate::audit::privacy {
namespace {

// Tags that the pipeline itself puts: an upstream's address, the id of a repeated decision, the id of a batch.
constexpr std::array<std::string_view, 3> kOwnTags{"target", "original", "batch"};

bool has_pseudonyms(const RedactionPolicy& policy) {
    return std::ranges::find(policy.actions, Action::kPseudonym) != policy.actions.end();
}

// A pseudonym may be longer than what it stands for; a record's texts have bounds (audit/decision.h).
void clip(std::string& text, std::size_t bytes_max) {
    if (text.size() <= bytes_max) return;
    while (bytes_max > 0 && (static_cast<unsigned char>(text[bytes_max]) & 0xC0U) == 0x80U) --bytes_max;
    text.resize(bytes_max);
}
constexpr std::size_t kTagBytesMax = 256;
constexpr std::size_t kErrorBytesMax = 4096;

}  // namespace

PrivacyPolicy::PrivacyPolicy(const PrivacySettings& settings, RedactionPolicy redaction, KeyStore* keys, Vault* vault)
    : off_(settings.input_hash == "sha256" && settings.keep_content == "none" && !redaction.any()),
      keyed_(settings.input_hash == "keyed"),
      keep_input_(settings.keep_content == "input" || settings.keep_content == "both"),
      keep_output_(settings.keep_content == "output" || settings.keep_content == "both"),
      by_subject_(settings.content_key == "subject"),
      services_(settings.keep_services),
      redaction_(redaction),
      keys_(keys),
      vault_(vault) {}

bool PrivacyPolicy::needs_keys(const PrivacySettings& settings) {
    const auto redaction = RedactionPolicy::parse(settings.redact, settings.redact_as);
    return settings.input_hash == "keyed" || needs_vault(settings) || (redaction && has_pseudonyms(*redaction));
}

bool PrivacyPolicy::needs_vault(const PrivacySettings& settings) {
    return settings.keep_content != "none";
}

Result<std::unique_ptr<PrivacyPolicy>> PrivacyPolicy::make(const PrivacySettings& settings, KeyStore* keys,
                                                           Vault* vault) {
    TG_TRY(const RedactionPolicy redaction, RedactionPolicy::parse(settings.redact, settings.redact_as));
    if (keys == nullptr && needs_keys(settings)) {
        return fail(ErrorCode::kInvalidArgument, "the privacy settings need keys and no key store is open");
    }
    if (vault == nullptr && needs_vault(settings)) {
        return fail(ErrorCode::kInvalidArgument, "privacy.keep_content needs the vault and none is open");
    }
    return std::unique_ptr<PrivacyPolicy>(new PrivacyPolicy(settings, redaction, keys, vault));
}

bool PrivacyPolicy::keeps(std::string_view service) const noexcept {
    return services_.empty() || std::ranges::find(services_, service) != services_.end();
}

bool PrivacyPolicy::keeps_input(std::string_view service) const noexcept {
    return keep_input_ && keeps(service);
}

Result<void> PrivacyPolicy::apply(audit::Decision& decision, std::optional<std::string_view> input) {
    if (off_) return {};
    if (decision.kind == RecordKind::kEvent) {
        redacted_.fetch_add(redact_record(decision, nullptr), std::memory_order_relaxed);
        return {};
    }
    records_.fetch_add(1, std::memory_order_relaxed);
    auto made = make_safe(decision, input);
    if (!made) refused_.fetch_add(1, std::memory_order_relaxed);
    return made;
}

Result<void> PrivacyPolicy::make_safe(audit::Decision& decision, std::optional<std::string_view> input) {
    TenantKeysPtr keys;
    if (keys_ != nullptr) {
        TG_TRY(keys, keys_->tenant(decision.tenant));
    }
    const bool kept = keeps(decision.service);
    std::string whole_output = keep_output_ && kept ? decision.output : std::string();
    const std::size_t found = redact_record(decision, keys ? &keys->pseudonyms : nullptr);
    redacted_.fetch_add(found, std::memory_order_relaxed);
    if (kept && (keep_input_ || keep_output_)) TG_CHECK(keep(decision, input, std::move(whole_output)));
    if (keyed_) decision.input_hash = keys->commit(decision.input_hash);
    return {};
}

std::size_t PrivacyPolicy::redact_record(audit::Decision& decision, const Key* pseudonyms) const {
    if (!redaction_.any()) return 0;
    std::size_t found = 0;
    if (!decision.output.empty()) {
        const auto in_output = redact_json(decision.output, redaction_, pseudonyms);
        // Whoever appended vouched for JSON. What is none is redacted as plain text rather than stored as it is.
        found += in_output ? *in_output : redact(decision.output, redaction_, pseudonyms);
    }
    if (const std::size_t in_error = redact(decision.error, redaction_, pseudonyms); in_error > 0) {
        found += in_error;
        clip(decision.error, kErrorBytesMax);
    }
    for (Tag& tag : decision.tags) {
        if (std::ranges::find(kOwnTags, tag.name) != kOwnTags.end()) continue;
        const std::size_t in_tag = redact(tag.value, redaction_, pseudonyms);
        if (in_tag > 0) clip(tag.value, kTagBytesMax);
        found += in_tag;
    }
    return found;
}

Result<void> PrivacyPolicy::keep(const audit::Decision& decision, std::optional<std::string_view> input,
                                 std::string output) {
    Content content;
    if (keep_input_ && input) content.input = std::string(*input);
    if (keep_output_ && !output.empty()) content.output = std::move(output);
    if (!content.input && !content.output) return {};
    Filing filing{decision.id, decision.tenant, by_subject_ ? decision.actor : std::string()};
    return vault_->put(std::move(filing), std::move(content));
}

Result<std::vector<Sha256>> PrivacyPolicy::stored_hashes(std::string_view tenant, const Sha256& hash) {
    if (!keyed_) return std::vector<Sha256>{hash};
    TG_TRY(const TenantKeysPtr keys, keys_->tenant(tenant));
    return std::vector<Sha256>{keys->commit(hash), hash};
}

void PrivacyPolicy::redact_text(std::string& text) const {
    redact(text, redaction_);
}

PrivacyHealth PrivacyPolicy::health() const {
    PrivacyHealth health;
    health.records = records_.load(std::memory_order_relaxed);
    health.redacted = redacted_.load(std::memory_order_relaxed);
    health.refused = refused_.load(std::memory_order_relaxed);
    if (vault_ != nullptr) health.vault = vault_->health();
    return health;
}

}  // namespace tidegate::audit::privacy
