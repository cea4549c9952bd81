#include "audit/views/columns_chunk.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "audit/segments/crc32c.h"
#include "audit/views/kinds.h"
#include "base/pages.h"
#include "base/strings.h"

namespace tidegate::audit {
namespace {

using segments::Bytes;
using segments::bytes_of;
using segments::crc32c;
using segments::get;
using segments::put;

constexpr std::string_view kMagic = "tgcolum1";
constexpr std::string_view kSuffix = ".columns";
constexpr std::size_t kRowBytes = 4 + 8 + 4;
constexpr std::size_t kColumnsBytes = std::size_t{kChunkLeaves} * kRowBytes;
// Six names of at most 200 bytes and what stands with them, for each row at most one kind.
constexpr std::size_t kDictionaryBytesMax = std::size_t{kChunkLeaves} * 1300;

// Where the members of the fixed part lie.
constexpr std::size_t kLogAt = 8;
constexpr std::size_t kNumberAt = 24;
constexpr std::size_t kRowsAt = 32;
constexpr std::size_t kKindsAt = 36;
constexpr std::size_t kDictionaryAt = 40;  // Its bytes.
constexpr std::size_t kColumnsCrcAt = 44;
constexpr std::size_t kTimeMinAt = 48;
constexpr std::size_t kTimeMaxAt = 56;
constexpr std::size_t kLastIdAt = 64;
constexpr std::size_t kHeadCrcAt = 92;  // Of the fixed part with zeroes here, and the dictionary.

const std::uint8_t* at(std::string_view bytes, std::size_t offset) noexcept {
    return bytes_of(bytes).data() + offset;
}
std::uint8_t* at(std::string& bytes, std::size_t offset) noexcept {
    return reinterpret_cast<std::uint8_t*>(bytes.data()) + offset;
}

template <class T>
void append(std::string& out, T value) {
    std::array<std::uint8_t, sizeof(T)> bytes{};
    put(bytes.data(), value);
    out.append(segments::text_of(bytes));
}

void append_text(std::string& out, std::string_view text) {
    append(out, static_cast<std::uint16_t>(text.size()));
    out.append(text);
}

/// Takes numbers and texts from the front; `ok` turns false where they end too early.
struct Cutter {
    std::string_view left;
    bool ok = true;

    template <class T>
    T number() {
        if (left.size() < sizeof(T)) {
            ok = false;
            return {};
        }
        const T value = get<T>(at(left, 0));
        left.remove_prefix(sizeof(T));
        return value;
    }
    std::string text() {
        const auto size = number<std::uint16_t>();
        if (left.size() < size) ok = false;
        if (!ok) return {};
        std::string out(left.substr(0, size));
        left.remove_prefix(size);
        return out;
    }
};

void append_kind(std::string& out, const KindName& kind, std::uint32_t count) {
    append(out, count);
    append(out, static_cast<std::uint8_t>(kind.record));
    append(out, static_cast<std::uint8_t>(kind.status));
    append(out, static_cast<std::uint8_t>(kind.cache));
    for (const std::string* name :
         {&kind.tenant, &kind.service, &kind.operation, &kind.model, &kind.model_version, &kind.band}) {
        append_text(out, *name);
    }
}

std::optional<KindName> take_kind(Cutter& cutter, std::uint32_t& count) {
    KindName kind;
    count = cutter.number<std::uint32_t>();
    const auto record = cutter.number<std::uint8_t>();
    const auto status = cutter.number<std::uint8_t>();
    const auto cache = cutter.number<std::uint8_t>();
    for (std::string* name :
         {&kind.tenant, &kind.service, &kind.operation, &kind.model, &kind.model_version, &kind.band}) {
        *name = cutter.text();
    }
    const bool known = (record == 1 || record == 2) && status <= static_cast<std::uint8_t>(Status::kCancelled) &&
                       cache <= static_cast<std::uint8_t>(CacheState::kStale);
    if (!cutter.ok || !known) return std::nullopt;
    kind.record = static_cast<RecordKind>(record);
    kind.status = static_cast<Status>(status);
    kind.cache = static_cast<CacheState>(cache);
    return kind;
}

std::uint32_t head_crc(std::string_view head) noexcept {
    constexpr std::array<std::uint8_t, 4> kZeroes{};
    const Bytes bytes = bytes_of(head);
    return crc32c(bytes.subspan(kChunkHeaderBytes), crc32c(kZeroes, crc32c(bytes.first(kHeadCrcAt))));
}

void append_columns(std::string& out, const ColumnChunk& chunk, const std::vector<std::uint32_t>& local) {
    const std::size_t begin = out.size();
    out.resize(begin + kColumnsBytes);
    std::uint8_t* to = at(out, begin);
    for (const std::uint32_t kind : chunk.kinds) {
        put(to, kind == kNoKind ? kNoKind : local[kind]);
        to += sizeof(std::uint32_t);
    }
    for (const UnixMillis time : chunk.times) {
        put(to, time);
        to += sizeof(UnixMillis);
    }
    for (const std::uint32_t actor : chunk.actors) {
        put(to, actor);
        to += sizeof(std::uint32_t);
    }
}

}  // namespace

std::uint32_t actor_hash_of(std::string_view actor) noexcept {
    return crc32c(bytes_of(actor));
}

ChunkSummary summarise(const ColumnChunk& chunk) {
    ChunkSummary summary;
    std::vector<std::uint32_t> counts;
    bool any = false;
    for (std::size_t row = 0; row < kChunkLeaves; ++row) {
        const std::uint32_t kind = chunk.kinds[row];
        if (kind == kNoKind) continue;
        if (kind >= counts.size()) counts.resize(std::size_t{kind} + 1);
        ++counts[kind];
        const UnixMillis time = chunk.times[row];
        summary.time_min = any ? std::min(summary.time_min, time) : time;
        summary.time_max = any ? std::max(summary.time_max, time) : time;
        any = true;
    }
    for (std::uint32_t kind = 0; kind < counts.size(); ++kind) {
        if (counts[kind] != 0) summary.kinds.push_back({kind, counts[kind]});
    }
    summary.last_id = chunk.last_id;
    return summary;
}

std::string chunk_name(std::uint64_t number) {
    return fmt::format("{:06}{}", number, kSuffix);
}

std::optional<std::uint64_t> parse_chunk_name(std::string_view name) {
    if (!name.ends_with(kSuffix)) return std::nullopt;
    const auto number = parse_u64(name.substr(0, name.size() - kSuffix.size()));
    // A number that a leaf cannot have is no chunk's.
    if (!number || *number >= (1ULL << 45U) || chunk_name(*number) != name) return std::nullopt;
    return number;
}

std::string encode_chunk(const segments::LogId& log, std::uint64_t number, const ColumnChunk& chunk,
                         const ChunkSummary& summary, const Kinds& kinds) {
    std::vector<std::uint32_t> local;
    std::string dictionary;
    for (std::uint32_t i = 0; i < summary.kinds.size(); ++i) {
        const auto [kind, count] = summary.kinds[i];
        if (kind >= local.size()) local.resize(std::size_t{kind} + 1, kNoKind);
        local[kind] = i;
        append_kind(dictionary, kinds.name(kind), count);
    }
    std::string out(kChunkHeaderBytes, '\0');
    out += dictionary;
    append_columns(out, chunk, local);
    std::ranges::copy(kMagic, out.begin());
    std::ranges::copy(log, at(out, kLogAt));
    put(at(out, kNumberAt), number);
    put(at(out, kRowsAt), kChunkLeaves);
    put(at(out, kKindsAt), static_cast<std::uint32_t>(summary.kinds.size()));
    put(at(out, kDictionaryAt), static_cast<std::uint32_t>(dictionary.size()));
    put(at(out, kTimeMinAt), summary.time_min);
    put(at(out, kTimeMaxAt), summary.time_max);
    std::ranges::copy(summary.last_id.bytes, at(out, kLastIdAt));
    const std::size_t head = kChunkHeaderBytes + dictionary.size();
    put(at(out, kColumnsCrcAt), crc32c(bytes_of(out).subspan(head)));
    put(at(out, kHeadCrcAt), head_crc(std::string_view(out).substr(0, head)));
    return out;
}

std::optional<std::size_t> chunk_head_bytes(std::string_view header) {
    if (header.size() < kChunkHeaderBytes || !header.starts_with(kMagic)) return std::nullopt;
    const std::size_t dictionary = get<std::uint32_t>(at(header, kDictionaryAt));
    if (dictionary > kDictionaryBytesMax) return std::nullopt;
    return kChunkHeaderBytes + dictionary;
}

std::optional<ChunkSummary> decode_summary(const segments::LogId& log, std::uint64_t number, std::string_view head,
                                           Kinds& kinds) {
    const auto size = chunk_head_bytes(head);
    if (!size || head.size() < *size) return std::nullopt;
    head = head.substr(0, *size);
    if (get<std::uint32_t>(at(head, kHeadCrcAt)) != head_crc(head)) return std::nullopt;
    if (!std::ranges::equal(log, bytes_of(head).subspan(kLogAt, log.size()))) return std::nullopt;
    if (get<std::uint64_t>(at(head, kNumberAt)) != number) return std::nullopt;
    if (get<std::uint32_t>(at(head, kRowsAt)) != kChunkLeaves) return std::nullopt;
    ChunkSummary summary;
    summary.time_min = get<UnixMillis>(at(head, kTimeMinAt));
    summary.time_max = get<UnixMillis>(at(head, kTimeMaxAt));
    std::ranges::copy(bytes_of(head).subspan(kLastIdAt, 16), summary.last_id.bytes.begin());
    Cutter cutter{head.substr(kChunkHeaderBytes)};
    const auto count = get<std::uint32_t>(at(head, kKindsAt));
    for (std::uint32_t i = 0; i < count; ++i) {
        std::uint32_t records = 0;
        const auto kind = take_kind(cutter, records);
        if (!kind) return std::nullopt;
        summary.kinds.push_back({kinds.intern(*kind), records});
    }
    if (!cutter.left.empty()) return std::nullopt;
    return summary;
}

std::shared_ptr<ColumnChunk> decode_chunk(const segments::LogId& log, std::uint64_t number, std::string_view file,
                                          Kinds& kinds) {
    const auto summary = decode_summary(log, number, file, kinds);
    if (!summary) return nullptr;
    const std::size_t head = *chunk_head_bytes(file);
    if (file.size() != head + kColumnsBytes) return nullptr;
    if (get<std::uint32_t>(at(file, kColumnsCrcAt)) != crc32c(bytes_of(file).subspan(head))) return nullptr;
    auto chunk = make_in_pages<ColumnChunk>();
    const std::uint8_t* from = at(file, head);
    for (std::uint32_t row = 0; row < kChunkLeaves; ++row) {
        const auto local = get<std::uint32_t>(from);
        if (local != kNoKind && local >= summary->kinds.size()) return nullptr;
        chunk->put_kind(row, local == kNoKind ? kNoKind : summary->kinds[local].kind);
        from += sizeof local;
    }
    for (UnixMillis& time : chunk->times) {
        time = get<UnixMillis>(from);
        from += sizeof time;
    }
    for (std::uint32_t& actor : chunk->actors) {
        actor = get<std::uint32_t>(from);
        from += sizeof actor;
    }
    chunk->last_id = summary->last_id;
    chunk->count.store(kChunkLeaves, std::memory_order_release);
    return chunk;
}

}  // namespace tidegate::audit
