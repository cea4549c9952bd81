// The independent verifier: reads the files of a log and public keys, and says whether the log is whole.
//
// Position    Shares no hashing and no decoding with what writes the log or makes its proofs; the document docs/audit-format.md is all that
//             both have in common. From the rest of the program it uses Result and JsonWriter.
// Guarantee   Integrity: every byte that the format accounts for is what was written, and the records lead to every signed root.
//             Completeness: nothing that a signed checkpoint, HEAD or a later segment speaks of is missing. The two are reported apart.
// Memory      Two Windows (8 MiB; up to 32 MiB with the largest batches), whatever the size of the log.
// Threads     One; the folder may be written meanwhile: checkpoints are read first, HEAD until it stands still, and a batch that was half
//             there a second time. The end that is being written is judged as it was found.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "audit/verify/report.h"
#include "audit/verify/signed_text.h"

namespace tidegate::audit::verify {

struct Evidence {
    std::string folder;
    std::vector<Key> keys;                 // None: signatures are not checked, completeness is not judged.
    std::vector<std::string> checkpoints;  // Signed notes that somebody else has kept.
};
/// Error: the folder or a file cannot be read; everything else is in the report.
Result<Report> verify_log(const Evidence& evidence);

/// The records of the log in order, until `take(leaf, record)` says false; only what is sound before the first damage.
/// The record's bytes are valid during the call.
Result<void> walk_records(const std::string& folder, const std::function<bool(std::uint64_t leaf, Bytes record)>& take);

}  // namespace tidegate::audit::verify
