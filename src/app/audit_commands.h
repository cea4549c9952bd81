// `tidegate audit verify|prove|receipt|tail|export|key`: checks a log, makes the receipt of one decision, checks such a receipt,
// prints and exports records, makes and shows the key of its checkpoints. All of them beside a server that writes the log, or without.
//
// Position    The receipts are the work of audit/proof; the verification is audit/verify's, which shares nothing with what writes.
// When it fails  Exit status 0: it holds. 1: it does not, or cannot be done. 2: wrong use. 3 (verify): nothing was found, and completeness
//             cannot be judged (no key, or no checkpoint).
#pragma once

#include <string>

#include "app/audit_place.h"
#include "audit/proof/receipt.h"
#include "base/ids.h"

namespace tidegate::app {

/// The receipt of the decision with that id under the log's last checkpoint, from indexes and tiles; without tiles from a walk over the
/// records (32 bytes of memory for each 256). kNotFound: no such decision. kUnavailable: no checkpoint covers it yet, or the log's front was
/// removed and there are no tiles.
Result<audit::proof::Receipt> make_receipt(const AuditPlace& place, const Uuid& id);
inline Result<audit::proof::Receipt> make_receipt(const std::string& folder, const Uuid& id) {
    return make_receipt(AuditPlace{.folder = folder, .database = std::nullopt}, id);
}

}  // namespace tidegate::app
