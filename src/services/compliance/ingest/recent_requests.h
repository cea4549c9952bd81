// RecentRequests: the newest requests that came in from elsewhere, with what a second send of them is answered: no look into the log.
//
// Guarantee   What it gives is a durable record of that request. What it does not have may be in the log all the same.
// Algorithm   16 parts, each a ring of the newest with an index by key; the whole id is compared.
// Memory      Some 100 bytes each, kMax of them at most: 52 MB; nothing before the first.
// Threads     Any, for everything.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <unordered_map>
#include <vector>

#include "base/ids.h"
#include "base/mutex.h"
#include "services/compliance/ingest/request_key.h"

namespace tidegate::compliance::ingest {

/// The record of a request.
struct KnownRequest {
    using Digest = std::array<char, 32>;  // Hex: what the tag holds.
    Uuid id;
    std::uint64_t leaf = 0;
    Digest digest{};
};

class RecentRequests {
  public:
    static constexpr std::size_t kMax = 512 * 1024;

    explicit RecentRequests(std::size_t max = kMax) : max_of_part_((max + kParts - 1) / kParts) {}
    void add(const KnownRequest& known);
    std::optional<KnownRequest> find(const RequestKey& key) const;
    std::size_t size() const;

  private:
    static constexpr std::size_t kParts = 16;
    struct Part {
        mutable Mutex mutex;
        std::vector<KnownRequest> ring TG_GUARDED_BY(mutex);
        std::size_t next TG_GUARDED_BY(mutex) = 0;
        std::unordered_map<std::uint64_t, std::uint32_t> slots TG_GUARDED_BY(mutex);  // By filter_key().
    };

    const std::size_t max_of_part_;
    std::array<Part, kParts> parts_;
};

}  // namespace tidegate::compliance::ingest
