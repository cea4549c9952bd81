// PrivacyPolicy: what happens to a Decision between the answer and the log.
//
// Position    pipeline/context.cpp calls it for every record; whoever appends by another way (ingest, Kafka, files) calls it too.
// Guarantee   After apply() no output, error or tag of the record holds what privacy.redact names, input_hash is what
//             privacy.input_hash says, and the content that privacy.keep_content names is on its way into the vault. An error: the record
//             must not be appended. Of an event (RecordKind::kEvent) the texts alone are redacted: its input_hash is of its own making.
// Cost        Everything off: one branch. HMAC and redaction: docs/privacy.md has the measured figures.
// Threads     Any; no disk but for the first record ever of a tenant.
//
//     // in make_decision(): decision.input_hash = sha256(input); if (privacy->keeps_input(service)) held.push_back({id, input});
//     // in record():        TG_CHECK(privacy->apply(decision, held input or nothing));
//     // in /duplicates/{h}: for (const Sha256& hash : privacy->stored_hashes(tenant, h)) reader.find_input(hash)
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "audit/decision.h"
#include "audit/privacy/key_store.h"
#include "audit/privacy/redaction.h"
#include "audit/privacy/settings.h"
#include "audit/privacy/vault.h"

namespace tidegate::audit::privacy {

struct PrivacyHealth {
    std::uint64_t records = 0;   // That went through.
    std::uint64_t redacted = 0;  // Findings replaced.
    std::uint64_t refused = 0;   // Records that could not be made safe: their callers were told.
    std::optional<VaultHealth> vault;
};

class PrivacyPolicy {
  public:
    /// kInvalidArgument: settings that contradict each other. `keys` and `vault` outlive the policy; `vault` may be null when
    /// privacy.keep_content is none.
    static Result<std::unique_ptr<PrivacyPolicy>> make(const PrivacySettings& settings, KeyStore* keys, Vault* vault);

    /// Whether a KeyStore has to be opened: a keyed hash, a pseudonym or kept content.
    static bool needs_keys(const PrivacySettings& settings);
    static bool needs_vault(const PrivacySettings& settings);

    /// Whoever makes a decision of `service` must keep the input until apply().
    bool keeps_input(std::string_view service) const noexcept;

    /// Once for each record, before it is appended. decision.input_hash is the plain SHA-256 of the input when called. `input`: the
    /// content, where there is one and keeps_input() says so. kUnavailable: no key can be made or the vault is full.
    Result<void> apply(audit::Decision& decision, std::optional<std::string_view> input = std::nullopt);

    /// What the records of inputs with this plain SHA-256 have as input_hash; also `hash` itself, for who has read it off a record.
    Result<std::vector<Sha256>> stored_hashes(std::string_view tenant, const Sha256& hash);

    /// A text of a person that goes into the log by a way of its own. Labels only.
    void redact_text(std::string& text) const;

    PrivacyHealth health() const;

  private:
    PrivacyPolicy(const PrivacySettings& settings, RedactionPolicy redaction, KeyStore* keys, Vault* vault);
    bool keeps(std::string_view service) const noexcept;
    std::size_t redact_record(audit::Decision& decision, const Key* pseudonyms) const;
    Result<void> keep(const audit::Decision& decision, std::optional<std::string_view> input, std::string output);
    Result<void> make_safe(audit::Decision& decision, std::optional<std::string_view> input);

    const bool off_;
    const bool keyed_;
    const bool keep_input_;
    const bool keep_output_;
    const bool by_subject_;
    const std::vector<std::string> services_;  // Empty: all.
    const RedactionPolicy redaction_;
    KeyStore* const keys_;
    Vault* const vault_;
    std::atomic<std::uint64_t> records_{0};
    std::atomic<std::uint64_t> redacted_{0};
    std::atomic<std::uint64_t> refused_{0};
};

}  // namespace tidegate::audit::privacy
