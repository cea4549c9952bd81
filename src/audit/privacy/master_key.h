// The master key: 32 bytes in a file of mode 0600, under which every other key is sealed.
//
// Guarantee   Made once and never replaced. A file that others may read, or of another size, is refused.
#pragma once

#include <string>

#include "audit/privacy/crypto.h"

namespace tidegate::audit::privacy {

/// kNotFound: there is none. kPermissionDenied: its mode lets others read. kDataLoss: it does not hold 32 bytes.
Result<Key> load_master_key(const std::string& path);
/// kConflict: there is one already.
Result<Key> create_master_key(const std::string& path, Random& random);

}  // namespace tidegate::audit::privacy
