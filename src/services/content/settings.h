// Settings of the content service.
#pragma once

#include <cstdint>

#include "settings/table.h"

namespace tidegate::content {

struct ContentSettings {
    std::uint32_t chunk_bytes = 2000;
    std::uint32_t dimensions = 256;
    std::uint32_t chunks_max = 100'000;
    std::uint32_t items_max = 10'000;
    Duration query_ttl{};
};

inline void declare(settings::Table& table, ContentSettings& s) {
    table.group("content", "What do we know, and who said it first?");
    table.add("content.chunk_bytes", s.chunk_bytes, 2000)
        .range(200, 20'000)
        .unit("bytes")
        .doc(
            "Longest piece of a text that is found and cited as one; whole sentences. Holds for texts stored from now "
            "on.");
    table.add("content.space_dimensions", s.dimensions, 256)
        .range(0, 1024)
        .doc("Directions of the space of meanings that is learnt from each tenant's texts; 0: search by words alone.");
    table.add("content.space_chunks_max", s.chunks_max, 100'000)
        .range(50, 2'000'000)
        .unit("chunks")
        .doc(
            "Most chunks of a tenant in its space, 4 bytes a direction each; those beyond are found by their words "
            "alone.");
    table.add("content.import_items_max", s.items_max, 10'000)
        .range(1, 1'000'000)
        .unit("contents")
        .doc("Most contents in one request to POST /api/contents.");
    table.add("content.cache_ttl_query_s", s.query_ttl, std::chrono::seconds(60))
        .range(std::chrono::seconds(0), std::chrono::hours(24))
        .doc(
            "How long at most the answer to the same question is given again to the same tenant; a write ends it at "
            "once. 0: never.");
}

}  // namespace tidegate::content
