// What the record keeps of what was asked and answered.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/result.h"
#include "settings/table.h"

namespace tidegate::audit::privacy {

struct PrivacySettings {
    std::string input_hash;
    std::vector<std::string> redact;
    std::string redact_as;
    std::string keep_content;
    std::vector<std::string> keep_services;
    std::string content_key;
    std::string when_full;
    std::uint64_t queue_bytes_max = 0;
    std::string master_key_path;
};

/// `email`, or `email=pseudonym`: a class of redaction.h and what is done with it.
Result<void> check_redact_rule(std::string_view text);

void declare(settings::Table& table, PrivacySettings& s);

}  // namespace tidegate::audit::privacy
