#include <fmt/format.h>

#include <algorithm>

#include "audit/privacy/crypto.h"
#include "audit/privacy/redaction.h"
#include "base/json.h"
#include "base/json_writer.h"

namespace tidegate::audit::privacy {
namespace {

constexpr std::size_t kPseudonymBytes = 6;

std::optional<Action> parse_action(std::string_view name) noexcept {
    if (name == "label") return Action::kLabel;
    if (name == "pseudonym") return Action::kPseudonym;
    if (name == "leave") return Action::kLeave;
    return std::nullopt;
}

// The value as it is however it was written: letters and digits in lower case, of an e-mail address every byte.
std::string plain_form(std::string_view value, PiiClass which) {
    std::string out;
    for (const char c : value) {
        const bool upper = c >= 'A' && c <= 'Z';
        const bool kept = upper || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || which == PiiClass::kEmail ||
                          (which == PiiClass::kIpAddress && (c == '.' || c == ':'));
        if (kept) out.push_back(upper ? static_cast<char>(c + 32) : c);
    }
    return out;
}

void append_replacement(std::string& out, std::string_view value, PiiClass which, Action action, const Key* key) {
    out.push_back('[');
    out += to_string(which);
    if (action == Action::kPseudonym && key != nullptr) {
        const Sha256 code = hmac_sha256(key->chars(), fmt::format("{}:{}", to_string(which), plain_form(value, which)));
        out.push_back(':');
        out += to_hex(code.data(), kPseudonymBytes);
    }
    out.push_back(']');
}

// False: a text without any of these holds nothing that could be found.
bool may_hold(std::string_view text) noexcept {
    return std::ranges::any_of(text, [](char c) { return (c >= '0' && c <= '9') || c == '@' || c == ':'; });
}

// Appends `text` redacted to `out`.
std::size_t append_redacted(std::string& out, std::string_view text, const RedactionPolicy& policy, const Key* key) {
    std::size_t at = 0;
    std::size_t replaced = 0;
    for (const Finding& finding : find_personal(text)) {
        const Action action = policy.actions[static_cast<std::size_t>(finding.which)];
        if (action == Action::kLeave) continue;
        out += text.substr(at, finding.begin - at);
        append_replacement(out, text.substr(finding.begin, finding.end - finding.begin), finding.which, action, key);
        at = finding.end;
        ++replaced;
    }
    out += text.substr(at);
    return replaced;
}

std::size_t skip_blanks(std::string_view json, std::size_t at) noexcept {
    while (at < json.size() && std::string_view(" \t\r\n").find(json[at]) != std::string_view::npos) ++at;
    return at;
}

// The place of the closing quote of a string that opens before `at`; npos: it is not closed.
std::size_t closing_quote(std::string_view json, std::size_t at, bool& escaped) noexcept {
    for (; at < json.size(); ++at) {
        if (json[at] == '"') return at;
        if (json[at] != '\\') continue;
        escaped = true;
        ++at;
    }
    return std::string_view::npos;
}

}  // namespace

bool RedactionPolicy::any() const noexcept {
    return std::ranges::any_of(actions, [](Action action) { return action != Action::kLeave; });
}

Result<RedactionPolicy> RedactionPolicy::parse(const std::vector<std::string>& rules, std::string_view otherwise) {
    RedactionPolicy policy;
    for (const std::string_view rule : rules) {
        const std::size_t equals = rule.find('=');
        const auto which = parse_pii_class(rule.substr(0, equals));
        const auto action = parse_action(equals == std::string_view::npos ? otherwise : rule.substr(equals + 1));
        if (!which || !action) {
            return fail(
                ErrorCode::kInvalidArgument,
                "takes email, phone, card, iban, national_id, ip, each alone or with =label, =pseudonym, =leave");
        }
        policy.actions[static_cast<std::size_t>(*which)] = *action;
    }
    return policy;
}

std::size_t redact(std::string& text, const RedactionPolicy& policy, const Key* pseudonyms) {
    if (!policy.any() || !may_hold(text)) return 0;
    std::string out;
    const std::size_t replaced = append_redacted(out, text, policy, pseudonyms);
    if (replaced > 0) text = std::move(out);
    return replaced;
}

Result<std::size_t> redact_json(std::string& json, const RedactionPolicy& policy, const Key* pseudonyms) {
    if (!policy.any() || !may_hold(json)) return 0;
    std::string out;
    std::string clean;
    std::size_t copied = 0;
    std::size_t replaced = 0;
    std::size_t at = 0;
    while ((at = json.find('"', at)) != std::string::npos) {
        bool escaped = false;
        const std::size_t begin = at + 1;
        const std::size_t end = closing_quote(json, begin, escaped);
        if (end == std::string_view::npos)
            return fail(ErrorCode::kInvalidArgument, "a string of the JSON is not closed");
        at = end + 1;
        const std::size_t next = skip_blanks(json, at);
        if (next < json.size() && json[next] == ':') continue;  // The name of a member.
        const std::string_view raw(json.data() + begin, end - begin);
        std::optional<json::Document> document;
        std::string_view value = raw;
        if (escaped) {
            auto parsed = json::parse(std::string_view(json).substr(begin - 1, end - begin + 2));
            if (!parsed) return fail(ErrorCode::kInvalidArgument, "a string of the JSON has a bad escape");
            document = *std::move(parsed);
            value = document->root().as_string();
        }
        if (!may_hold(value)) continue;
        clean.clear();
        const std::size_t found = append_redacted(clean, value, policy, pseudonyms);
        if (found == 0) continue;
        out.append(json, copied, begin - 1 - copied);
        append_json_string(out, clean);
        copied = end + 1;
        replaced += found;
    }
    if (replaced == 0) return 0;
    out.append(json, copied);
    json = std::move(out);
    return replaced;
}

}  // namespace tidegate::audit::privacy
