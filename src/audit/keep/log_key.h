// The key that signs a log's checkpoints, as a file in the data folder, and its public half beside it.
//
// Guarantee   Made once, at the first start; never replaced. A key that cannot be read, or that others may read, is an error: the program
//             does not make another one in its place.
#pragma once

#include <string>

#include "audit/proof/signing_key.h"

namespace tidegate::audit::keep {

/// `FILE.pub`: the verifier key, one line of text, for whoever checks.
std::string public_key_path(const std::string& key_path);

struct LogKey {
    proof::SigningKey key;
    bool made = false;  // Just now.
};
/// Loads the key, or makes it with its public half where there is none. Errors of SigningKey; kConflict: the public key beside it
/// is another one's.
Result<LogKey> open_log_key(const std::string& path, const std::string& origin);
/// kConflict: there is a file already.
Result<proof::SigningKey> create_log_key(const std::string& path, const std::string& origin);

}  // namespace tidegate::audit::keep
