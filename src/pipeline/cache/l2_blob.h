// L2 blob: one kept answer as the bytes that lie in Redis.
//
// Format      `TGC1`, coding (0 plain, 1 zstd), size of the payload, checksum of what follows (SipHash-128's lower half under a
//             fixed key), the payload: numbers in little endian, texts and lists with their length before them.
// Guarantee   unpack() of any bytes gives the answer that was packed or kDataLoss; it reads no byte beyond them, keeps no more than
//             payload_bytes_max, and lets through no head line that could end the head early.
// Threads     Pure functions. Compression takes about 2.5 microseconds a KiB.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "pipeline/cache/entry.h"

namespace tidegate::cache {

/// A payload of more bytes than this is compressed.
inline constexpr std::size_t kCompressAbove = 1024;

/// `sequence`: of the invalidations known when the fill began (Coherence).
std::string pack_entry(const Entry& entry, std::uint64_t sequence);

struct Unpacked {
    std::shared_ptr<const std::string> payload;  // What the views of `draft` and `key_text` look into.
    std::string_view key_text;
    std::uint64_t sequence = 0;
    std::vector<std::uint64_t> tags;
    Draft draft;  // Without `common`; draft.tags is `tags`.
};
Result<Unpacked> unpack_entry(std::string_view blob, std::size_t payload_bytes_max);

/// Takes the lines and tags that `common` has out of `draft`, when it has them all.
void share_common(Unpacked& unpacked, const CommonPtr& common);

}  // namespace tidegate::cache
