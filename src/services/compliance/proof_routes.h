// GET /api/compliance/checkpoint, /tiles/..., /proof/inclusion/{id}, /proof/consistency, /receipt/{id}; POST /api/compliance/verify.
//
// Guarantee   A caller with a tenant gets proofs and receipts of that tenant's records alone; the hashes of the tree say nothing of
//             anybody's content. Records of everybody (`tile/entries`) and the check of the whole log need the scope compliance:audit.
// When it fails  503 with Retry-After: no checkpoint covers the record yet.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "audit/keep/proof_keeper.h"
#include "audit/log_reader.h"
#include "audit/verify/verify.h"
#include "pipeline/route.h"

namespace tidegate::compliance {

struct ProofParts {
    const audit::keep::ProofKeeper& proofs;
    const audit::LogReader& reader;
    // What POST verify does: judges the log by the code that shares nothing with what writes it.
    std::function<Result<audit::verify::Report>(std::vector<audit::verify::Key> keys)> verify_log;
    bool loopback_without_keys = false;
};

void register_proof_routes(std::vector<pipeline::Route>& routes, const ProofParts& parts);

}  // namespace tidegate::compliance
