// POST /api/v1/decisions, /decisions/batch: decisions that were made elsewhere.
//
// Guarantee   The tenant is the key's. 202 only when the record is durable; the request itself leaves no decision of its own.
#pragma once

#include <atomic>
#include <memory>
#include <vector>

#include "pipeline/route.h"
#include "services/compliance/ingest/batch_stream.h"

namespace tidegate::compliance::ingest {

struct RouteParts {
    BatchParts batch;
    std::uint32_t streams_max = 0;
    std::shared_ptr<std::atomic<std::uint32_t>> streams;  // Open now.
};

/// `parts` outlives the routes.
void register_ingest_routes(std::vector<pipeline::Route>& routes, const RouteParts& parts);

}  // namespace tidegate::compliance::ingest
