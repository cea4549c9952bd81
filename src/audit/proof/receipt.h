// Receipt: everything that proves one decision to somebody who has nothing but the log's public key.
//
// Guarantee   A text of C2SP tlog-proof: any tool for that format checks it. The record's bytes travel as its `extra` data, so that the
//             receipt also says what was decided. Strict: to_text() gives back what parse_receipt() took.
// Memory      At most 8 MiB of text (the largest record has 4 MiB + 64 KiB).
// When it fails  kInvalidArgument: not such a text. kPermissionDenied: not signed by the key. kDataLoss: the proof does not hold.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "audit/proof/checkpoint.h"

namespace tidegate::audit::proof {

struct Receipt {
    static constexpr std::size_t kBytesMax = 8U * 1024 * 1024;

    std::string record;  // As docs/audit-format.md says; what the leaf is the hash of.
    std::uint64_t leaf = 0;
    HashPath path;
    std::string checkpoint;  // The signed note.
    friend bool operator==(const Receipt&, const Receipt&) = default;
};
std::string to_text(const Receipt& receipt);
Result<Receipt> parse_receipt(std::string_view text);

/// The record is in the log at that leaf, and one of `keys` has signed so. Gives the checkpoint that says it.
Result<Checkpoint> check_receipt(const Receipt& receipt, const std::vector<VerifierKey>& keys);

}  // namespace tidegate::audit::proof
