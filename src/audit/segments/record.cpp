#include "audit/segments/record.h"

#include <fmt/format.h>

#include <array>
#include <bit>

#include "base/assert.h"

namespace tidegate::audit::segments {
namespace {

// Offsets of the fixed part, as docs/audit-format.md lists them.
constexpr std::size_t kStatusAt = 2;
constexpr std::size_t kCacheAt = 3;
constexpr std::size_t kFlagsAt = 4;
constexpr std::size_t kStagesAt = 5;
constexpr std::size_t kTagsAt = 6;
constexpr std::size_t kRecordedAt = 8;
constexpr std::size_t kIdAt = 16;
constexpr std::size_t kTraceAt = 32;
constexpr std::size_t kInputHashAt = 48;
constexpr std::size_t kInputSizeAt = 80;
constexpr std::size_t kConfidenceAt = 88;
constexpr std::size_t kLatencyAt = 96;
constexpr std::size_t kSpendAt = 104;
constexpr std::size_t kTokensAt = 112;
constexpr std::size_t kOutputSizeAt = 120;
constexpr std::size_t kErrorSizeAt = 124;
constexpr std::size_t kNameSizesAt = 126;  // Eight of one byte each.
constexpr std::size_t kFixedBytes = 136;

constexpr std::uint8_t kRecordVersion = 1;
constexpr std::uint8_t kHasConfidence = 1;
// Set where a figure is not known, so that a record that knows all of them has the flags it always had.
constexpr std::uint8_t kNoLatency = 2;
constexpr std::uint8_t kNoInputSize = 4;
constexpr std::uint8_t kNoTokens = 8;
constexpr std::uint8_t kFlags = kHasConfidence | kNoLatency | kNoInputSize | kNoTokens;

// The limits of check() in audit/decision.cpp: a record that breaks them was never written by us.
constexpr std::size_t kOutputBytesMax = 4 * 1024 * 1024;
constexpr std::size_t kErrorBytesMax = 4 * 1024;
constexpr std::size_t kNameBytesMax = 200;
constexpr std::size_t kTagValueBytesMax = 256;
constexpr std::size_t kListMax = 64;
constexpr std::int64_t kNumberMax = std::int64_t{1} << 40;
constexpr std::uint64_t kInputSizeMax = std::uint64_t{1} << 62U;

std::unexpected<Error> bad(std::string_view what) {
    return fail(ErrorCode::kDataLoss, fmt::format("record: {}", what));
}

std::array<std::string_view, 8> names_of(const Decision& d) noexcept {
    return {d.request_id, d.tenant, d.actor, d.service, d.operation, d.model, d.model_version, d.band};
}

std::uint8_t flags_of(const Decision& d) noexcept {
    unsigned flags = d.confidence ? kHasConfidence : 0U;
    if (!d.latency_stated) flags |= kNoLatency;
    if (!d.input_size_stated) flags |= kNoInputSize;
    if (!d.tokens_stated) flags |= kNoTokens;
    return static_cast<std::uint8_t>(flags);
}

std::uint8_t* put_text(std::uint8_t* at, std::string_view text) noexcept {
    // An empty string may have no address, which memcpy must not be given.
    if (!text.empty()) std::memcpy(at, text.data(), text.size());
    return at + text.size();
}

template <std::size_t N>
void put_array(std::uint8_t* at, const std::array<std::uint8_t, N>& bytes) noexcept {
    std::memcpy(at, bytes.data(), N);
}

// What is left of a record to be read.
class Rest {
  public:
    explicit Rest(Bytes bytes) : bytes_(bytes) {}
    bool take(std::size_t size, Bytes& out) noexcept {
        if (bytes_.size() < size) return false;
        out = bytes_.first(size);
        bytes_ = bytes_.subspan(size);
        return true;
    }
    bool take_text(std::size_t size, std::string_view& out) noexcept {
        Bytes bytes;
        if (!take(size, bytes)) return false;
        out = text_of(bytes);
        return true;
    }
    Bytes bytes() const noexcept { return bytes_; }

  private:
    Bytes bytes_;
};

struct ListItem {
    std::string_view name;
    std::int64_t us = 0;     // Of a stage.
    std::string_view value;  // Of a tag.
};

bool take_stage(Rest& rest, ListItem& item) noexcept {
    Bytes size;
    Bytes us;
    if (!rest.take(1, size) || !rest.take_text(size[0], item.name) || !rest.take(8, us)) return false;
    item.us = get<std::int64_t>(us.data());
    return !item.name.empty() && item.name.size() <= kNameBytesMax && item.us >= 0;
}

bool take_tag(Rest& rest, ListItem& item) noexcept {
    Bytes sizes;
    if (!rest.take(3, sizes) || !rest.take_text(sizes[0], item.name)) return false;
    if (!rest.take_text(get<std::uint16_t>(sizes.data() + 1), item.value)) return false;
    return !item.name.empty() && item.name.size() <= kNameBytesMax && item.value.size() <= kTagValueBytesMax;
}

Result<void> read_numbers(const std::uint8_t* at, RecordView& view) {
    view.recorded = get<std::int64_t>(at + kRecordedAt);
    view.input_size = get<std::uint64_t>(at + kInputSizeAt);
    view.latency_us = get<std::int64_t>(at + kLatencyAt);
    view.spend_milli = get<std::int64_t>(at + kSpendAt);
    view.tokens = get<std::int64_t>(at + kTokensAt);
    if (view.recorded < 0) return bad("recorded before 1970");
    if (view.input_size > kInputSizeMax) return bad("input size is over 2^62");
    for (const std::int64_t number : {view.latency_us, view.spend_milli, view.tokens}) {
        if (number < 0 || number > kNumberMax) return bad("latency, spend or tokens out of range");
    }
    view.input_size_stated = (at[kFlagsAt] & kNoInputSize) == 0;
    view.latency_stated = (at[kFlagsAt] & kNoLatency) == 0;
    view.tokens_stated = (at[kFlagsAt] & kNoTokens) == 0;
    if ((!view.input_size_stated && view.input_size != 0) || (!view.latency_stated && view.latency_us != 0) ||
        (!view.tokens_stated && view.tokens != 0)) {
        return bad("a figure that is not stated and yet not 0");
    }
    const auto bits = get<std::uint64_t>(at + kConfidenceAt);
    if ((at[kFlagsAt] & kHasConfidence) == 0) {
        if (bits != 0) return bad("a confidence that is not there");
        return {};
    }
    const auto confidence = std::bit_cast<double>(bits);
    // -0 equals 0: only one of them may be written, or one Decision had two forms.
    if (!(confidence >= 0 && confidence <= 1) || bits >> 63U != 0) return bad("confidence is not within 0 and 1");
    view.confidence = confidence;
    return {};
}

Result<void> read_fixed(const std::uint8_t* at, RecordView& view) {
    if (at[0] != kRecordVersion) return bad("unknown version");
    if (at[1] != static_cast<std::uint8_t>(RecordKind::kDecision) &&
        at[1] != static_cast<std::uint8_t>(RecordKind::kEvent)) {
        return bad("unknown kind");
    }
    view.kind = static_cast<RecordKind>(at[1]);
    if (at[kStatusAt] > static_cast<std::uint8_t>(Status::kCancelled)) return bad("unknown status");
    if (at[kCacheAt] > static_cast<std::uint8_t>(CacheState::kStale)) return bad("unknown cache state");
    if ((at[kFlagsAt] & ~kFlags) != 0) return bad("unknown flags");
    if (at[7] != 0 || get<std::uint16_t>(at + 134) != 0) return bad("a zero that is none");
    if (at[kStagesAt] > kListMax || at[kTagsAt] > kListMax) return bad("too many stages or tags");
    view.status = static_cast<Status>(at[kStatusAt]);
    view.cache = static_cast<CacheState>(at[kCacheAt]);
    view.stage_count = at[kStagesAt];
    view.tag_count = at[kTagsAt];
    std::memcpy(view.id.bytes.data(), at + kIdAt, 16);
    std::memcpy(view.trace_id.data(), at + kTraceAt, 16);
    std::memcpy(view.input_hash.data(), at + kInputHashAt, 32);
    if (view.id.bytes[6] >> 4U != 7 || view.id.bytes[8] >> 6U != 2) return bad("the id is no UUIDv7");
    return read_numbers(at, view);
}

Result<void> read_texts(Bytes record, RecordView& view) {
    const std::uint8_t* at = record.data();
    Rest rest(record.subspan(kFixedBytes));
    std::string_view* const names[] = {&view.request_id, &view.tenant, &view.actor,         &view.service,
                                       &view.operation,  &view.model,  &view.model_version, &view.band};
    for (std::size_t i = 0; i < std::size(names); ++i) {
        if (!rest.take_text(at[kNameSizesAt + i], *names[i])) return bad("cut short in a name");
        if (i > 0 && names[i]->size() > kNameBytesMax) return bad("a name is longer than 200 bytes");
    }
    if (!is_valid_request_id(view.request_id)) return bad("the request id is not 1 to 128 visible ASCII characters");
    if (view.service.empty() || view.operation.empty()) return bad("no service or no operation");
    const std::size_t error_size = get<std::uint16_t>(at + kErrorSizeAt);
    const std::size_t output_size = get<std::uint32_t>(at + kOutputSizeAt);
    if (error_size > kErrorBytesMax || output_size > kOutputBytesMax) return bad("error or output too long");
    if ((error_size == 0) != (view.status == Status::kSuccess)) return bad("status and error disagree");
    if (!rest.take_text(error_size, view.error)) return bad("cut short in the error");
    if (!rest.take_text(output_size, view.output)) return bad("cut short in the output");
    view.lists = rest.bytes();
    ListItem item;
    for (unsigned i = 0; i < view.stage_count; ++i) {
        if (!take_stage(rest, item)) return bad("a stage is not one");
    }
    for (unsigned i = 0; i < view.tag_count; ++i) {
        if (!take_tag(rest, item)) return bad("a tag is not one");
    }
    if (!rest.bytes().empty()) return bad("bytes after the end");
    return {};
}

}  // namespace

std::size_t encoded_size(const Decision& decision) noexcept {
    std::size_t size = kFixedBytes + decision.error.size() + decision.output.size();
    for (const std::string_view name : names_of(decision)) size += name.size();
    for (const StageLatency& stage : decision.stages) size += 9 + stage.name.size();
    for (const Tag& tag : decision.tags) size += 3 + tag.name.size() + tag.value.size();
    return size;
}

void encode(const Decision& decision, UnixMillis recorded, std::span<std::uint8_t> out) noexcept {
    const std::size_t size = encoded_size(decision);
    TG_ASSERT(out.size() >= size && size <= kRecordBytesMax && recorded >= 0);
    std::uint8_t* const base = out.data();
    base[0] = kRecordVersion;
    base[1] = static_cast<std::uint8_t>(decision.kind);
    base[kStatusAt] = static_cast<std::uint8_t>(decision.status);
    base[kCacheAt] = static_cast<std::uint8_t>(decision.cache);
    base[kFlagsAt] = flags_of(decision);
    base[kStagesAt] = static_cast<std::uint8_t>(decision.stages.size());
    base[kTagsAt] = static_cast<std::uint8_t>(decision.tags.size());
    base[7] = 0;
    put(base + kRecordedAt, recorded);
    put_array(base + kIdAt, decision.id.bytes);
    put_array(base + kTraceAt, decision.trace_id);
    put_array(base + kInputHashAt, decision.input_hash);
    put(base + kInputSizeAt, decision.input_size);
    // Adding +0 makes +0 of -0, so that equal Decisions have equal bytes.
    put(base + kConfidenceAt, decision.confidence ? std::bit_cast<std::uint64_t>(*decision.confidence + 0.0) : 0);
    put(base + kLatencyAt, decision.latency_us);
    put(base + kSpendAt, decision.spend_points.milli);
    put(base + kTokensAt, decision.tokens);
    put(base + kOutputSizeAt, static_cast<std::uint32_t>(decision.output.size()));
    put(base + kErrorSizeAt, static_cast<std::uint16_t>(decision.error.size()));
    const auto names = names_of(decision);
    std::uint8_t* at = base + kFixedBytes;
    for (std::size_t i = 0; i < names.size(); ++i) {
        base[kNameSizesAt + i] = static_cast<std::uint8_t>(names[i].size());
        at = put_text(at, names[i]);
    }
    put(base + 134, std::uint16_t{0});
    at = put_text(at, decision.error);
    at = put_text(at, decision.output);
    for (const StageLatency& stage : decision.stages) {
        *at++ = static_cast<std::uint8_t>(stage.name.size());
        at = put_text(at, stage.name);
        put(at, stage.us);
        at += 8;
    }
    for (const Tag& tag : decision.tags) {
        *at++ = static_cast<std::uint8_t>(tag.name.size());
        put(at, static_cast<std::uint16_t>(tag.value.size()));
        at = put_text(at + 2, tag.name);
        at = put_text(at, tag.value);
    }
    TG_ASSERT(at == base + size);
}

Result<RecordView> decode(Bytes record) {
    if (record.size() < kFixedBytes) return bad("shorter than its fixed part");
    if (record.size() > kRecordBytesMax) return bad("longer than any record");
    RecordView view;
    TG_CHECK(read_fixed(record.data(), view));
    TG_CHECK(read_texts(record, view));
    return view;
}

Decision to_decision(const RecordView& view) {
    Decision d;
    d.kind = view.kind;
    d.id = view.id;
    d.request_id = view.request_id;
    d.tenant = view.tenant;
    d.actor = view.actor;
    d.service = view.service;
    d.operation = view.operation;
    d.input_hash = view.input_hash;
    d.input_size = view.input_size;
    d.input_size_stated = view.input_size_stated;
    d.latency_stated = view.latency_stated;
    d.tokens_stated = view.tokens_stated;
    d.model = view.model;
    d.model_version = view.model_version;
    d.output = view.output;
    d.band = view.band;
    d.confidence = view.confidence;
    d.status = view.status;
    d.error = view.error;
    d.latency_us = view.latency_us;
    d.cache = view.cache;
    d.spend_points.milli = view.spend_milli;
    d.tokens = view.tokens;
    d.trace_id = view.trace_id;
    Rest rest(view.lists);
    ListItem item;
    d.stages.reserve(view.stage_count);
    for (unsigned i = 0; i < view.stage_count && take_stage(rest, item); ++i) {
        d.stages.push_back({std::string(item.name), item.us});
    }
    d.tags.reserve(view.tag_count);
    for (unsigned i = 0; i < view.tag_count && take_tag(rest, item); ++i) {
        d.tags.push_back({std::string(item.name), std::string(item.value)});
    }
    return d;
}

void each_tag(const RecordView& view, const std::function<void(std::string_view, std::string_view)>& visit) {
    Rest rest(view.lists);
    ListItem item;
    for (unsigned i = 0; i < view.stage_count && take_stage(rest, item); ++i) {
    }
    for (unsigned i = 0; i < view.tag_count && take_tag(rest, item); ++i) visit(item.name, item.value);
}

std::optional<std::string_view> tag_of(const RecordView& view, std::string_view name) noexcept {
    Rest rest(view.lists);
    ListItem item;
    for (unsigned i = 0; i < view.stage_count && take_stage(rest, item); ++i) {
    }
    for (unsigned i = 0; i < view.tag_count && take_tag(rest, item); ++i) {
        if (item.name == name) return item.value;
    }
    return std::nullopt;
}

}  // namespace tidegate::audit::segments
