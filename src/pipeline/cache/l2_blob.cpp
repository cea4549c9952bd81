#include "pipeline/cache/l2_blob.h"

#include <zstd.h>

#include <algorithm>
#include <bit>
#include <cstring>
#include <optional>

#include "base/assert.h"

namespace tidegate::cache {
namespace {

static_assert(std::endian::native == std::endian::little, "numbers are copied as they lie");

constexpr std::string_view kMagic = "TGC1";
constexpr std::size_t kHeaderBytes = 4 + 1 + 4 + 8;
constexpr int kLevel =
    1;  // 5 KB of JSON in 8 microseconds, 1 % larger than level 3 (bench/results/http_compress.json).
enum Coding : std::uint8_t { kPlain = 0, kZstd = 1 };

std::uint64_t checksum(std::string_view bytes) noexcept {
    return siphash128(0x54474331'0000'0000ULL, 0x6c32'626c'6f62'0001ULL, bytes).low;
}

template <class T>
void put(std::string& out, T number) {
    std::array<char, sizeof(T)> bytes{};
    std::memcpy(bytes.data(), &number, sizeof(T));
    out.append(bytes.data(), bytes.size());
}
void put_text(std::string& out, std::string_view text) {
    put(out, static_cast<std::uint32_t>(text.size()));
    out.append(text);
}

/// Reads forward and stops for good at the first thing that is not there.
class Reader {
  public:
    explicit Reader(std::string_view bytes) : rest_(bytes) {}
    template <class T>
    T number() {
        T value{};
        const std::string_view bytes = take(sizeof(T));
        std::ranges::copy(bytes, reinterpret_cast<char*>(&value));
        return value;
    }
    std::string_view text() { return take(number<std::uint32_t>()); }
    std::string_view take(std::size_t size) {
        if (!good_ || size > rest_.size()) {
            good_ = false;
            return {};
        }
        const std::string_view bytes = rest_.substr(0, size);
        rest_.remove_prefix(size);
        return bytes;
    }
    bool at_end() const noexcept { return good_ && rest_.empty(); }

  private:
    std::string_view rest_;
    bool good_ = true;
};

// Lines `name: value\r\n`, without any other control character but tab.
bool is_head(std::string_view head) noexcept {
    while (!head.empty()) {
        const std::size_t end = head.find("\r\n");
        if (end == std::string_view::npos) return false;
        const std::string_view line = head.substr(0, end);
        const std::size_t colon = line.find(':');
        if (colon == 0 || colon == std::string_view::npos) return false;
        const auto is_control = [](char c) {
            const auto byte = static_cast<unsigned char>(c);
            return (byte < 0x20 && byte != '\t') || byte == 0x7f;
        };
        if (std::ranges::any_of(line, is_control)) return false;
        head.remove_prefix(end + 2);
    }
    return true;
}

std::string payload_of(const Entry& entry, std::uint64_t sequence) {
    const Timing timing = entry.timing();
    const std::shared_ptr<const std::string> head = entry.shared_head();
    std::string out;
    out.reserve(128 + entry.key_text().size() + head->size() + entry.body().size());
    put(out, sequence);
    put(out, static_cast<std::uint16_t>(entry.status()));
    put(out, entry.flags());
    put(out, timing.response_ms);
    put(out, timing.date_ms);
    put(out, timing.initial_age_s);
    put(out, timing.lifetime_s);
    put(out, timing.stale_while_revalidate_s);
    put(out, timing.stale_if_error_s);
    put_text(out, entry.key_text());
    put_text(out, *head);
    put_text(out, entry.vary());
    put_text(out, entry.selecting());
    std::vector<std::uint64_t> tags(entry.own_tags().begin(), entry.own_tags().end());
    if (entry.common() != nullptr)
        tags.insert(tags.end(), entry.common()->tags().begin(), entry.common()->tags().end());
    put(out, static_cast<std::uint16_t>(tags.size()));
    for (const std::uint64_t tag : tags) put(out, tag);
    put_text(out, entry.body());
    return out;
}

std::unexpected<Error> damaged(std::string_view what) {
    return fail(ErrorCode::kDataLoss, "the kept answer does not check out: " + std::string(what));
}

Result<std::string> payload_in(std::string_view blob, std::size_t payload_bytes_max) {
    Reader header(blob.substr(0, kHeaderBytes));
    if (header.take(kMagic.size()) != kMagic) return damaged("not a blob of this version");
    const auto coding = header.number<std::uint8_t>();
    const auto size = header.number<std::uint32_t>();
    const auto sum = header.number<std::uint64_t>();
    if (!header.at_end()) return damaged("cut short");
    const std::string_view data = blob.substr(kHeaderBytes);
    if (size > payload_bytes_max) return damaged("too large");
    if (checksum(data) != sum) return damaged("checksum");
    if (coding == kPlain) {
        if (data.size() != size) return damaged("size");
        return std::string(data);
    }
    if (coding != kZstd) return damaged("coding");
    std::string payload(size, '\0');
    const std::size_t got = ZSTD_decompress(payload.data(), payload.size(), data.data(), data.size());
    if (ZSTD_isError(got) != 0 || got != size) return damaged("compression");
    return payload;
}

}  // namespace

std::string pack_entry(const Entry& entry, std::uint64_t sequence) {
    const std::string payload = payload_of(entry, sequence);
    std::string data;
    Coding coding = kPlain;
    if (payload.size() > kCompressAbove) {
        data.resize(ZSTD_compressBound(payload.size()));
        const std::size_t size = ZSTD_compress(data.data(), data.size(), payload.data(), payload.size(), kLevel);
        // What does not become smaller stays as it is.
        if (ZSTD_isError(size) == 0 && size < payload.size()) {
            data.resize(size);
            coding = kZstd;
        }
    }
    const std::string_view bytes = coding == kZstd ? std::string_view(data) : std::string_view(payload);
    std::string blob;
    blob.reserve(kHeaderBytes + bytes.size());
    blob.append(kMagic);
    put(blob, static_cast<std::uint8_t>(coding));
    put(blob, static_cast<std::uint32_t>(payload.size()));
    put(blob, checksum(bytes));
    blob.append(bytes);
    return blob;
}

Result<Unpacked> unpack_entry(std::string_view blob, std::size_t payload_bytes_max) {
    TG_TRY(std::string payload, payload_in(blob, payload_bytes_max));
    Unpacked u;
    u.payload = std::make_shared<const std::string>(std::move(payload));
    Reader in(*u.payload);
    u.sequence = in.number<std::uint64_t>();
    u.draft.status = in.number<std::uint16_t>();
    u.draft.flags = in.number<std::uint16_t>();
    Timing& timing = u.draft.timing;
    timing.response_ms = in.number<UnixMillis>();
    timing.date_ms = in.number<UnixMillis>();
    timing.initial_age_s = in.number<std::uint32_t>();
    timing.lifetime_s = in.number<std::uint32_t>();
    timing.stale_while_revalidate_s = in.number<std::uint32_t>();
    timing.stale_if_error_s = in.number<std::uint32_t>();
    u.key_text = in.text();
    u.draft.head = in.text();
    u.draft.vary = in.text();
    u.draft.selecting = in.text();
    const auto tags = in.number<std::uint16_t>();
    if (tags > 255) return damaged("tags");
    for (std::uint16_t i = 0; i < tags; ++i) u.tags.push_back(in.number<std::uint64_t>());
    const std::string_view body = in.text();
    if (!in.at_end()) return damaged("lengths");
    if (u.draft.status < 200 || u.draft.status > 599) return damaged("status");
    // 1970 to 2500: sums of them stay far from overflow.
    constexpr UnixMillis kTimeMax = 16'725'225'600'000;
    if (timing.response_ms < 0 || timing.response_ms > kTimeMax || timing.date_ms < 0 || timing.date_ms > kTimeMax) {
        return damaged("times");
    }
    if (!is_head(u.draft.head)) return damaged("head");
    u.draft.body = std::make_shared<const std::string>(body);
    u.draft.tags = u.tags;
    return u;
}

void share_common(Unpacked& unpacked, const CommonPtr& common) {
    if (!common || !unpacked.draft.head.starts_with(common->head())) return;
    const auto has = [&](std::uint64_t tag) { return std::ranges::find(unpacked.tags, tag) != unpacked.tags.end(); };
    if (!std::ranges::all_of(common->tags(), has)) return;
    for (const std::uint64_t tag : common->tags()) std::erase(unpacked.tags, tag);
    unpacked.draft.tags = unpacked.tags;
    unpacked.draft.head.remove_prefix(common->head().size());
    unpacked.draft.common = common;
}

}  // namespace tidegate::cache
