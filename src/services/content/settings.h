// Settings of the content service.
#pragma once

#include <cstdint>
#include <string>

#include "settings/table.h"

namespace tidegate::content {

struct ContentSettings {
    std::string store = "sqlite";
    std::uint32_t chunk_bytes = 2000;
    std::uint32_t dimensions = 256;
    std::uint32_t chunks_max = 100'000;
    std::uint64_t items_max = 1'000'000;
    std::uint64_t import_bytes_max = 4ULL << 30U;
    std::uint32_t imports_max = 4;
    Duration import_silence_max = std::chrono::seconds(30);
    std::string vectors_model;
    Duration query_ttl{};
};

inline void declare(settings::Table& table, ContentSettings& s) {
    table.group("content", "What do we know, and who said it first?");
    table.add("content.store", s.store, "sqlite")
        .choices({"sqlite", "postgres"})
        .doc(
            "Where texts, users, cards, attributions and tokens lie: `sqlite`, files in data.dir; `postgres`, the "
            "database of database.url, which several servers may share (docs/content.md). What lies in the other one "
            "stays there; a ledger.db that holds users stops the start with `postgres`.");
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
    table.add("content.vectors_model", s.vectors_model, "")
        .doc(
            "Name of a model of the model room (task: embedding) whose vectors make the search by meaning; empty: the "
            "space learnt from the tenant's texts does. While the model does not serve, or has vectors of fewer than "
            "nine of ten passages, that space answers, and the answer says so.");
    table.add("content.import_items_max", s.items_max, 1'000'000)
        .range(1, 1'000'000'000)
        .unit("contents")
        .doc("Most contents in one request to POST /api/contents; of lines those before the one too many are stored.");
    table.add("content.import_bytes_max", s.import_bytes_max, 4ULL << 30U)
        .range(1ULL << 20U, 1ULL << 40U)
        .bytes()
        .doc(
            "Longest body of lines to POST /api/contents. It is read while it comes: its length costs no memory. (JSON "
            "that is no lines: 64 MiB.)");
    table.add("content.imports_max", s.imports_max, 4)
        .range(1, 64)
        .doc(
            "Most imports at a time whose body is read while it comes (over 1 MiB of lines, or of unknown length); a "
            "further one gets 503. One tenant has at most half of them, at least one; a further one of its gets 429. "
            "Each holds some 10 MiB, of very long texts up to 100.");
    table.add("content.import_silence_max_s", s.import_silence_max, std::chrono::seconds(30))
        .range(std::chrono::milliseconds(100), std::chrono::minutes(10))
        .doc(
            "An import of which no byte comes for so long, though the server waits for one, ends with 408 and what of "
            "it is stored.");
    table.add("content.cache_ttl_query_s", s.query_ttl, std::chrono::seconds(60))
        .range(std::chrono::seconds(0), std::chrono::hours(24))
        .doc(
            "How long at most the answer to the same question is given again to the same tenant; a write ends it at "
            "once. 0: never.");
}

}  // namespace tidegate::content
