#include "audit/proof/tiles.h"

#include <fmt/core.h>

#include <algorithm>

#include "base/strings.h"

namespace tidegate::audit::proof {
namespace {

// 7 groups of 3 digits hold any u64.
constexpr std::size_t kGroupsMax = 7;

bool is_three_digits(std::string_view text) {
    return text.size() == 3 && std::ranges::all_of(text, [](char c) { return c >= '0' && c <= '9'; });
}

std::string index_path(std::uint64_t index) {
    std::string path = fmt::format("{:03}", index % 1000);
    for (index /= 1000; index != 0; index /= 1000) path = fmt::format("x{:03}/{}", index % 1000, path);
    return path;
}

// `x001/x234/067`.
std::optional<std::uint64_t> parse_index(std::string_view text) {
    const std::vector<std::string_view> groups = split(text, '/');
    if (groups.size() > kGroupsMax) return std::nullopt;
    std::string digits;
    for (std::size_t i = 0; i < groups.size(); ++i) {
        const bool last = i + 1 == groups.size();
        if (!last && !groups[i].starts_with('x')) return std::nullopt;
        const std::string_view group = last ? groups[i] : groups[i].substr(1);
        if (!is_three_digits(group)) return std::nullopt;
        digits += group;
    }
    return parse_u64(digits);
}

}  // namespace

unsigned tile_width(unsigned level, std::uint64_t index, std::uint64_t size) {
    if (level >= kTileLevels) return 0;
    const std::uint64_t hashes = size >> (8U * level);
    if (index >= hashes / kTileWidth + 1) return 0;
    return static_cast<unsigned>(std::min<std::uint64_t>(kTileWidth, hashes - index * kTileWidth));
}

std::string path_of(const TilePath& path) {
    const std::string level = path.entries ? std::string("entries") : std::to_string(path.tile.level);
    const std::string width = path.tile.width == kTileWidth ? std::string() : fmt::format(".p/{}", path.tile.width);
    return fmt::format("tile/{}/{}{}", level, index_path(path.tile.index), width);
}

std::optional<TilePath> parse_tile_path(std::string_view path) {
    constexpr std::string_view kPrefix = "tile/";
    const std::string_view whole = path;
    if (!path.starts_with(kPrefix) || path.size() > 64) return std::nullopt;
    path.remove_prefix(kPrefix.size());
    const std::size_t slash = path.find('/');
    if (slash == std::string_view::npos) return std::nullopt;
    TilePath parsed;
    parsed.entries = path.substr(0, slash) == "entries";
    if (!parsed.entries) {
        const auto level = parse_u64(path.substr(0, slash));
        if (!level || *level >= kTileLevels) return std::nullopt;
        parsed.tile.level = static_cast<unsigned>(*level);
    }
    std::string_view index = path.substr(slash + 1);
    if (const std::size_t partial = index.find(".p/"); partial != std::string_view::npos) {
        const auto width = parse_u64(index.substr(partial + 3));
        if (!width || *width == 0 || *width >= kTileWidth) return std::nullopt;
        parsed.tile.width = static_cast<unsigned>(*width);
        index = index.substr(0, partial);
    }
    const auto number = parse_index(index);
    // Its last hash must have a place among 2^64 leaves.
    const unsigned bits = 64 - 8 * (parsed.tile.level + 1);
    if (!number || *number > (bits == 0 ? 0 : (std::uint64_t{1} << bits) - 1)) return std::nullopt;
    parsed.tile.index = *number;
    // Leading zeroes and the like: only the one spelling counts.
    if (path_of(parsed) != whole) return std::nullopt;
    return parsed;
}

Result<std::string> entry_bundle(std::span<const std::string_view> records) {
    std::string bundle;
    for (const std::string_view record : records) {
        if (record.size() > kBundleRecordMax) {
            return fail(ErrorCode::kTooLarge, "a record is too large for a bundle with 16-bit lengths");
        }
        bundle.push_back(static_cast<char>(record.size() >> 8U));
        bundle.push_back(static_cast<char>(record.size() & 0xFFU));
        bundle.append(record);
    }
    return bundle;
}

Result<std::vector<std::string_view>> split_entry_bundle(std::string_view bundle, unsigned count) {
    std::vector<std::string_view> records;
    while (records.size() < count && bundle.size() >= 2) {
        const std::size_t size =
            std::size_t{static_cast<std::uint8_t>(bundle[0])} << 8U | static_cast<std::uint8_t>(bundle[1]);
        if (bundle.size() - 2 < size) break;
        records.push_back(bundle.substr(2, size));
        bundle.remove_prefix(2 + size);
    }
    if (records.size() != count || !bundle.empty()) {
        return fail(ErrorCode::kDataLoss, "a bundle does not hold the records it should");
    }
    return records;
}

}  // namespace tidegate::audit::proof
