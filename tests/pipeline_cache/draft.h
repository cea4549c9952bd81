// What the tests of the cache share: answers to keep and keys to keep them under.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <utility>

#include "pipeline/cache/store.h"

namespace tidegate::cache {

inline constexpr UnixMillis kNow = 1'700'000'000'000;

inline std::shared_ptr<const std::string> shared(std::string text) {
    return std::make_shared<const std::string>(std::move(text));
}

inline Draft draft_of(std::string body, std::uint32_t lifetime_s = 60) {
    Draft draft;
    draft.timing = {.response_ms = kNow, .lifetime_s = lifetime_s};
    draft.head = "Content-Type: text/plain\r\n";
    draft.body = shared(std::move(body));
    return draft;
}

inline Key key_of(std::string_view path) {
    return Key("GET example.org" + std::string(path));
}

inline Key key_of(int number) {
    return key_of("/item/" + std::to_string(number));
}

inline Stored put(ResponseStore& store, const Key& key, std::string body, UnixMillis now = kNow) {
    Draft draft = draft_of(std::move(body));
    draft.timing.response_ms = now;
    return store.insert(key, draft, store.begin_fill(), now);
}

/// The body found, or `-`.
inline std::string get(ResponseStore& store, const Key& key, UnixMillis now = kNow) {
    const Found found = store.lookup(key, now);
    return found.entry ? std::string(found.entry->body()) : "-";
}

}  // namespace tidegate::cache
