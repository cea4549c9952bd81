#include "services/compliance/ingest/decision_json.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <utility>

#include "base/canonical_json.h"
#include "base/json_writer.h"
#include "base/strings.h"
#include "pipeline/identity/caller.h"
#include "services/compliance/ingest/decision_fields.h"

namespace tidegate::compliance::ingest {
namespace {

using json::Kind;
using json::Value;

constexpr std::size_t kNameBytesMax = 200;
constexpr std::size_t kTagBytesMax = 256;
constexpr std::size_t kTagsMax = 62;  // Of 64; two are ours.
constexpr std::size_t kErrorBytesMax = 4 * 1024;
constexpr std::size_t kClassesMax = 1000;
constexpr std::int64_t kSumMax = std::int64_t{1} << 40;  // audit::check() says why.
constexpr std::size_t kFaultsMax = 50;
// Nobody looks for personal data in the last three: what they hold is the server's (audit/privacy/policy.cpp).
constexpr std::array<std::string_view, 5> kOwnTags{kIngestTag, kParametersTag, "target", "original", "batch"};

bool has_control(std::string_view text) {
    return std::ranges::any_of(text, [](char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7f; });
}

/// What is read member by member.
class Reader {
  public:
    explicit Reader(const Rules& rules) : rules_(rules) {}
    std::expected<Incoming, Faults> read(Value document);

  private:
    using Take = void (Reader::*)(Value);
    struct Field {
        std::string_view name;
        Take take;
    };
    static const std::array<Field, 20> kFields;

    void fault(std::string_view field, std::string message, std::string_view type) {
        if (faults_.size() < kFaultsMax) faults_.push_back({std::string(field), std::move(message), std::string(type)});
    }
    void member(std::string_view name, Value value);
    std::optional<std::string_view> text(Value value);
    std::optional<std::int64_t> whole(Value value, std::int64_t most);
    std::string name(Value value);

    void take_request_id(Value value);
    void take_timestamp(Value value);
    void take_input_hash(Value value);
    void take_input(Value value);
    void take_input_size(Value value);
    void take_model(Value value) { made_.decision.model = name(value); }
    void take_model_version(Value value) { made_.decision.model_version = name(value); }
    void take_parameters(Value value);
    void take_output(Value value) { output_ = value; }
    void take_scores(Value value);
    void take_explanation(Value value) { explanation_ = value; }
    void take_processing_time(Value value);
    void take_tokens(Value value);
    void take_tenant(Value value);
    void take_user(Value value) { made_.decision.actor = name(value); }
    void take_source(Value value) { made_.decision.service = name(value); }
    void take_operation(Value value) { made_.decision.operation = name(value); }
    void take_status(Value value);
    void take_error(Value value);
    void take_tags(Value value);

    std::optional<double> score(Value value);
    void finish();
    void finish_input();
    void finish_output();
    Sha256 content() const;

    const Rules& rules_;
    Incoming made_;
    Faults faults_;
    std::string_view at_;  // The member that is read.
    std::uint32_t seen_ = 0;
    std::optional<UnixMillis> stated_;
    std::optional<Sha256> hash_;
    std::optional<Value> input_, output_, scores_, explanation_, parameters_;
    std::optional<std::int64_t> input_size_;
    std::string said_;  // The envelope's members, canonical.
};

constexpr std::array<Reader::Field, 20> Reader::kFields{{
    {"request_id", &Reader::take_request_id},
    {"timestamp", &Reader::take_timestamp},
    {"input_hash", &Reader::take_input_hash},
    {"input", &Reader::take_input},
    {"input_size", &Reader::take_input_size},
    {"model", &Reader::take_model},
    {"model_version", &Reader::take_model_version},
    {"model_parameters", &Reader::take_parameters},
    {"output", &Reader::take_output},
    {"confidence_scores", &Reader::take_scores},
    {"explanation", &Reader::take_explanation},
    {"processing_time_ms", &Reader::take_processing_time},
    {"tokens_used", &Reader::take_tokens},
    {"tenant_id", &Reader::take_tenant},
    {"user_id", &Reader::take_user},
    {"source", &Reader::take_source},
    {"operation", &Reader::take_operation},
    {"status", &Reader::take_status},
    {"error_message", &Reader::take_error},
    {"tags", &Reader::take_tags},
}};

std::expected<Incoming, Faults> Reader::read(Value document) {
    if (document.kind() != Kind::kObject) {
        fault("", "must be an object", "wrong_type");
        return std::unexpected(std::move(faults_));
    }
    made_.decision.tenant = rules_.tenant;
    made_.decision.service = kSourceDefault;
    made_.decision.operation = kOperationDefault;
    // Until the sender says so.
    made_.decision.latency_stated = made_.decision.tokens_stated = false;
    document.each_member([this](std::string_view name, Value value) { member(name, value); });
    finish();
    if (!faults_.empty()) return std::unexpected(std::move(faults_));
    return std::move(made_);
}

void Reader::member(std::string_view name, Value value) {
    const auto found = std::ranges::find(kFields, name, &Field::name);
    if (found == kFields.end()) {
        return fault(name.substr(0, 64), "is not a field of a decision", "not_allowed");
    }
    at_ = found->name;
    const auto bit = std::uint32_t{1} << static_cast<unsigned>(found - kFields.begin());
    if ((seen_ & bit) != 0) return fault(at_, "stands there twice", "not_allowed");
    seen_ |= bit;
    // What is null was not said.
    if (value.kind() != Kind::kNull) (this->*found->take)(value);
}

std::optional<std::string_view> Reader::text(Value value) {
    if (value.kind() == Kind::kString) return value.as_string();
    fault(at_, "must be a string", "wrong_type");
    return std::nullopt;
}

std::optional<std::int64_t> Reader::whole(Value value, std::int64_t most) {
    if (value.kind() != Kind::kInteger && value.kind() != Kind::kUnsigned) {
        fault(at_, "must be an integer", "wrong_type");
    } else if (!value.is_integer() || value.as_double() > static_cast<double>(most)) {
        fault(at_, fmt::format("must be at most {}", most), "too_large");
    } else if (value.as_int() < 0) {
        fault(at_, "must be 0 or more", "too_small");
    } else {
        return value.as_int();
    }
    return std::nullopt;
}

std::string Reader::name(Value value) {
    const auto said = text(value);
    if (!said) return {};
    if (said->empty()) {
        fault(at_, "must not be empty", "too_short");
    } else if (said->size() > kNameBytesMax) {
        fault(at_, "must be at most 200 bytes", "too_long");
    } else if (has_control(*said)) {
        fault(at_, "must not hold control characters", "bad_format");
    }
    return std::string(*said);
}

void Reader::take_request_id(Value value) {
    const auto said = text(value);
    if (!said) return;
    if (!is_valid_request_id(*said)) return fault(at_, "must be 1 to 128 visible ASCII characters", "bad_format");
    made_.decision.request_id = *said;
}

void Reader::take_timestamp(Value value) {
    const auto said = text(value);
    if (!said) return;
    const auto time = parse_rfc3339(*said);
    if (!time) return fault(at_, "must be a time as RFC 3339 has it", "bad_format");
    if (*time < 0) return fault(at_, "must be 1970 or later", "too_small");
    if (*time > rules_.now + kAheadMax) {
        return fault(at_, "is more than 5 minutes ahead of this server's clock", "too_large");
    }
    stated_ = *time;
}

void Reader::take_input_hash(Value value) {
    const auto said = text(value);
    if (!said) return;
    hash_ = parse_sha256_hex(*said);
    if (!hash_) fault(at_, "must be a SHA-256 in 64 hex digits", "bad_format");
}

void Reader::take_input(Value value) {
    input_ = value;
}

void Reader::take_input_size(Value value) {
    input_size_ = whole(value, std::int64_t{1} << 62U);
}

void Reader::take_parameters(Value value) {
    if (value.kind() != Kind::kObject) return fault(at_, "must be an object", "wrong_type");
    parameters_ = value;
}

std::optional<double> Reader::score(Value value) {
    if (!value.is_number()) {
        fault(at_, "must hold numbers only", "wrong_type");
    } else if (const double number = value.as_double(); !(number >= 0)) {
        fault(at_, "must be 0 or more", "too_small");
    } else if (number > 1) {
        fault(at_, "must be at most 1", "too_large");
    } else {
        return number;
    }
    return std::nullopt;
}

void Reader::take_scores(Value value) {
    if (value.is_number()) {
        made_.decision.confidence = score(value);
    } else if (value.kind() != Kind::kObject) {
        return fault(at_, "must be a number or an object of numbers", "wrong_type");
    } else if (value.size() == 0 || value.size() > kClassesMax) {
        return fault(at_, "must have 1 to 1000 classes", value.size() == 0 ? "too_short" : "too_long");
    } else {
        std::string_view top;
        bool sound = true;
        value.each_member([&](std::string_view of_class, Value of_score) {
            // One fault tells enough.
            const auto number = sound ? score(of_score) : std::nullopt;
            sound = sound && number.has_value();
            if (!number || (made_.decision.confidence && *number <= *made_.decision.confidence)) return;
            made_.decision.confidence = number;
            top = of_class;
        });
        if (sound && (top.empty() || top.size() > kNameBytesMax || has_control(top))) {
            fault(at_, "must name its classes in 1 to 200 bytes without control characters", "bad_format");
        }
        made_.decision.band = top;
    }
    scores_ = value;
}

void Reader::take_processing_time(Value value) {
    if (!value.is_number()) return fault(at_, "must be a number", "wrong_type");
    const double us = value.as_double() * 1000;
    if (!(us >= 0)) return fault(at_, "must be 0 or more", "too_small");
    if (us > static_cast<double>(kSumMax)) return fault(at_, "must be at most 1099511627", "too_large");
    made_.decision.latency_us = std::llround(us);
    made_.decision.latency_stated = true;
}

void Reader::take_tokens(Value value) {
    const auto said = whole(value, kSumMax);
    made_.decision.tokens = said.value_or(0);
    made_.decision.tokens_stated = said.has_value();
}

void Reader::take_tenant(Value value) {
    const auto said = text(value);
    if (!said) return;
    if (!pipeline::is_name(*said)) {
        return fault(at_, "must be 1 to 128 bytes without control characters", "bad_format");
    }
    if (!rules_.tenant.empty() && *said != rules_.tenant) {
        return fault(at_, "is not the tenant of the key", "not_allowed");
    }
    made_.decision.tenant = *said;
}

void Reader::take_status(Value value) {
    const auto said = text(value);
    if (!said) return;
    const auto status = audit::parse_status(*said);
    if (!status) return fault(at_, "must be one of success, error, refused, timeout, cancelled", "not_allowed");
    made_.decision.status = *status;
}

void Reader::take_error(Value value) {
    const auto said = text(value);
    if (!said) return;
    if (said->size() > kErrorBytesMax) return fault(at_, "must be at most 4096 bytes", "too_long");
    made_.decision.error = *said;
}

void Reader::take_tags(Value value) {
    if (value.kind() != Kind::kObject) return fault(at_, "must be an object of strings", "wrong_type");
    if (value.size() > kTagsMax) return fault(at_, "must be at most 62", "too_long");
    auto& tags = made_.decision.tags;
    value.each_member([&](std::string_view of_name, Value of_value) {
        const std::string where = fmt::format("tags.{}", of_name.substr(0, 64));
        if (std::ranges::find(kOwnTags, of_name) != kOwnTags.end()) {
            fault(where, "is a name that the server uses", "not_allowed");
        } else if (of_name.empty() || of_name.size() > kNameBytesMax || has_control(of_name)) {
            fault(where, "must have a name of 1 to 200 bytes without control characters", "bad_format");
        } else if (of_value.kind() != Kind::kString) {
            fault(where, "must be a string", "wrong_type");
        } else if (of_value.as_string().size() > kTagBytesMax) {
            fault(where, "must be at most 256 bytes", "too_long");
        } else {
            tags.push_back({std::string(of_name), std::string(of_value.as_string())});
        }
    });
    std::ranges::sort(tags, {}, &audit::Tag::name);
    const auto twin = std::ranges::adjacent_find(tags, {}, &audit::Tag::name);
    if (twin != tags.end())
        fault(fmt::format("tags.{}", twin->name.substr(0, 64)), "stands there twice", "not_allowed");
}

void Reader::finish() {
    audit::Decision& decision = made_.decision;
    const auto missing = [&](std::string_view field) {
        return std::ranges::none_of(faults_, [&](const auto& known) { return known.field == field; });
    };
    if (decision.request_id.empty() && missing("request_id")) fault("request_id", "is required", "missing");
    finish_input();
    if (decision.status == audit::Status::kSuccess && !decision.error.empty() && missing("status")) {
        fault("error_message", "stands there although `status` is success", "not_allowed");
    }
    if (decision.status != audit::Status::kSuccess && decision.error.empty() && missing("error_message")) {
        fault("error_message", "is required where `status` is not success", "missing");
    }
    if (!faults_.empty()) return;
    finish_output();
    made_.time = stated_.value_or(std::max<UnixMillis>(0, rules_.now));
    made_.content = content();
}

void Reader::finish_input() {
    audit::Decision& decision = made_.decision;
    if (!input_ && !hash_) {
        // A broken hash has its own word.
        const bool broken = std::ranges::any_of(faults_, [](const auto& known) { return known.field == "input_hash"; });
        if (!broken) fault("input_hash", "is required, or `input`", "missing");
        return;
    }
    if (!input_) {
        decision.input_hash = *hash_;
        decision.input_size = static_cast<std::uint64_t>(input_size_.value_or(0));
        decision.input_size_stated = input_size_.has_value();
        return;
    }
    std::string bytes;
    if (input_->kind() == Kind::kString) {
        bytes = input_->as_string();
    } else {
        json::append_canonical(bytes, *input_);
    }
    decision.input_hash = sha256(bytes);
    decision.input_size = bytes.size();
    if (hash_ && *hash_ != decision.input_hash) fault("input_hash", "is not that of `input`", "not_allowed");
    if (input_size_ && static_cast<std::uint64_t>(*input_size_) != bytes.size()) {
        fault("input_size", "is not that of `input`", "not_allowed");
    }
    if (rules_.privacy != nullptr && rules_.privacy->keeps_input(decision.service)) made_.input = std::move(bytes);
}

void Reader::finish_output() {
    audit::Decision& decision = made_.decision;
    std::string& kept = decision.output;
    const auto part = [&](std::string_view name, const std::optional<Value>& value) {
        if (!value) return;
        kept += kept.empty() ? "{\"" : ",\"";
        kept.append(name).append("\":");
        json::append(kept, *value);
        said_.append(name).push_back(':');
        json::append_canonical(said_, *value);
        said_.push_back('\n');
    };
    part("output", output_);
    part("confidence_scores", scores_);
    part("explanation", explanation_);
    part("model_parameters", parameters_);
    if (!kept.empty()) kept.push_back('}');
    if (kept.size() > kOutputBytesMax) {
        fault("output", "with explanation, scores and parameters is over 4 MiB", "too_long");
    }
    if (!parameters_) return;
    std::string text;
    json::append_canonical(text, *parameters_);
    decision.tags.push_back({std::string(kParametersTag), to_hex(sha256(text)).substr(0, 32)});
}

Sha256 Reader::content() const {
    const audit::Decision& decision = made_.decision;
    std::string all;
    all.reserve(256 + said_.size() + decision.error.size());
    const auto add = [&all](std::string_view text) {
        fmt::format_to(std::back_inserter(all), "{}:", text.size());
        all.append(text);
    };
    // -1: not said, which is another decision than one with 0.
    const auto said = [](bool is_stated, std::int64_t number) { return is_stated ? number : -1; };
    fmt::format_to(std::back_inserter(all), "1 {} {} {} {} {} ", stated_.value_or(-1),
                   said(decision.input_size_stated, static_cast<std::int64_t>(decision.input_size)),
                   said(decision.latency_stated, decision.latency_us), said(decision.tokens_stated, decision.tokens),
                   audit::to_string(decision.status));
    all.append(decision.input_hash.begin(), decision.input_hash.end());
    for (const std::string* text : {&decision.actor, &decision.service, &decision.operation, &decision.model,
                                    &decision.model_version, &decision.error, &said_}) {
        add(*text);
    }
    for (const audit::Tag& tag : decision.tags) {
        add(tag.name);
        add(tag.value);
    }
    return sha256(all);
}

}  // namespace

std::expected<Incoming, Faults> read_decision(Value document, const Rules& rules) {
    return Reader(rules).read(document);
}

std::expected<Incoming, Faults> read_decision(std::string_view text, const Rules& rules) {
    const auto document = json::parse(text, {.depth_max = kDepthMax});
    if (!document) return std::unexpected(Faults{{"", document.error().message, "bad_format"}});
    return read_decision(document->root(), rules);
}

}  // namespace tidegate::compliance::ingest
