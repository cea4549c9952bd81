#include "audit/privacy/settings.h"

#include "audit/privacy/redaction.h"

namespace tidegate::audit::privacy {

Result<void> check_redact_rule(std::string_view text) {
    TG_CHECK(RedactionPolicy::parse({std::string(text)}, "label"));
    return {};
}

void declare(settings::Table& table, PrivacySettings& s) {
    table.group("privacy", "What the record keeps of people");
    table.add("privacy.input_hash", s.input_hash, "keyed")
        .choices({"keyed", "sha256"})
        .doc(
            "What stands for the input in a record: `keyed` a commitment under the tenant's key, which nobody without "
            "that key can guess inputs from; `sha256` the plain hash.");
    table.add("privacy.redact", s.redact, {"email", "phone", "card", "iban", "national_id", "ip"})
        .check(check_redact_rule, "CLASS or CLASS=label|pseudonym|leave")
        .doc(
            "What is taken out of outputs, errors and tags before a record is hashed and stored; an empty list: "
            "nothing.");
    table.add("privacy.redact_as", s.redact_as, "label")
        .choices({"label", "pseudonym"})
        .doc(
            "What is put in its place where privacy.redact names no action: `[email]`, or `[email:0a1b2c3d4e5f]`, "
            "equal "
            "for equal values within a tenant.");
    table.add("privacy.keep_content", s.keep_content, "none")
        .choices({"none", "input", "output", "both"})
        .doc("Which content is kept beside the record, encrypted under keys that an erasure destroys.");
    table.add("privacy.keep_services", s.keep_services, {})
        .doc("Services whose content is kept, by name as in the record; an empty list: all of them.");
    table.add("privacy.content_key", s.content_key, "subject")
        .choices({"subject", "month"})
        .doc(
            "What shares a content key, and is erased together: all content of one actor, or of one month of a tenant; "
            "content without an actor is always the month's.");
    table.add("privacy.when_full", s.when_full, "refuse")
        .choices({"refuse", "drop"})
        .doc(
            "When content cannot be kept because its queue is full or its disk takes none: refuse the answer (503), or "
            "drop the content and count it.");
    table.add("privacy.queue_bytes_max", s.queue_bytes_max, 64 * 1024 * 1024)
        .range(1024 * 1024, 16ULL * 1024 * 1024 * 1024)
        .bytes()
        .doc("Memory that content may hold while it waits to be encrypted and stored.");
    table.add("privacy.master_key_path", s.master_key_path, "")
        .doc(
            "File of the key that all others are sealed under, mode 0600, made at the first start; empty: master.key "
            "in "
            "the data folder. Without it kept content and commitments are lost: back it up apart from the data.");
}

}  // namespace tidegate::audit::privacy
