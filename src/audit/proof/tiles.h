// Tiles of C2SP tlog-tiles: the tree in pieces of 256 hashes, named by paths that never change what they hold.
//
// Guarantee   path_of() and parse_tile_path() are inverse: one tile has one path, and any other text is refused.
// Algorithm   https://c2sp.org/tlog-tiles: tile N of level L holds the roots over 256^L leaves each, from leaf N * 256^(L + 1) on;
//             only whole tiles are hashed into the level above; a bundle is records with a big-endian u16 length before each.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace tidegate::audit::proof {

inline constexpr unsigned kTileWidth = 256;
/// 256^8 leaves are more than a size can name.
inline constexpr unsigned kTileLevels = 8;
/// The specification's bundles have 16-bit lengths; a larger record is served on its own.
inline constexpr std::size_t kBundleRecordMax = 65'535;

struct Tile {
    unsigned level = 0;
    std::uint64_t index = 0;
    unsigned width = kTileWidth;  // 1 to 256.
    friend bool operator==(const Tile&, const Tile&) = default;
};

/// How many hashes that tile has in a tree of `size` leaves; 0: none.
unsigned tile_width(unsigned level, std::uint64_t index, std::uint64_t size);

struct TilePath {
    bool entries = false;  // `tile/entries/...`: records; level is 0.
    Tile tile;
    friend bool operator==(const TilePath&, const TilePath&) = default;
};
/// `tile/0/x001/234.p/112`, `tile/entries/005`.
std::string path_of(const TilePath& path);
/// nullopt: not a path that path_of() writes.
std::optional<TilePath> parse_tile_path(std::string_view path);

/// kTooLarge: a record is over kBundleRecordMax bytes.
Result<std::string> entry_bundle(std::span<const std::string_view> records);
/// Views into `bundle`. kDataLoss: it does not hold exactly `count` records.
Result<std::vector<std::string_view>> split_entry_bundle(std::string_view bundle, unsigned count);

}  // namespace tidegate::audit::proof
