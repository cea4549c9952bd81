#include "pipeline/identity/token_memory.h"

#include <algorithm>
#include <bit>
#include <cstring>

namespace tidegate::pipeline {

TokenMemory::TokenMemory(std::size_t entries_max)
    : entries_(std::bit_ceil(std::max(entries_max, kWays))), set_mask_(entries_.size() / kWays - 1) {}

TokenMemory::Entry* TokenMemory::set_of(const Sha256& digest) noexcept {
    std::uint64_t word = 0;
    std::memcpy(&word, digest.data(), sizeof word);
    return &entries_[(word & set_mask_) * kWays];
}

const CallerPtr* TokenMemory::find(const Sha256& digest, std::uint64_t keys_version, UnixMillis now) noexcept {
    if (keys_version != keys_version_) return nullptr;
    Entry* const set = set_of(digest);
    for (Entry* entry = set; entry != set + kWays; ++entry) {
        if (entry->expires > now && entry->digest == digest) return &entry->caller;
    }
    return nullptr;
}

void TokenMemory::keep(const Sha256& digest, std::uint64_t keys_version, CallerPtr caller, UnixMillis expires) {
    if (keys_version != keys_version_) {
        for (Entry& entry : entries_) entry = {};
        keys_version_ = keys_version;
    }
    Entry* const set = set_of(digest);
    Entry* oldest = set;
    for (Entry* entry = set; entry != set + kWays; ++entry) {
        if (entry->expires < oldest->expires) oldest = entry;
    }
    *oldest = {.digest = digest, .expires = expires, .caller = std::move(caller)};
}

}  // namespace tidegate::pipeline
