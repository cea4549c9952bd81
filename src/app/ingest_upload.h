// Upload: a file of decisions to a server's POST /api/v1/decisions/batch, over one or several connections.
//
// Guarantee   Every line is acknowledged, refused by name, or counted as failed. After a broken connection a batch goes on behind its last
//             acknowledged line; a line that was recorded though its acknowledgement was lost comes back as a duplicate.
// Memory      One batch a connection: options.batch lines, 8 MiB at most (or one longer line).
// Threads     The caller's, until it is done.
#pragma once

#include <cstdint>
#include <istream>
#include <string>

#include "base/result.h"
#include "http/client/client.h"

namespace tidegate::app {

struct UploadOptions {
    http::Origin origin;
    std::string key;  // Empty: none is sent.
    std::size_t batch = 10'000;
    unsigned connections = 1;
    unsigned attempts_max = 10;  // In a row without a new acknowledgement.
};

struct UploadCounts {
    std::uint64_t sent = 0;  // Lines of the file; blank ones too.
    std::uint64_t recorded = 0;
    std::uint64_t duplicates = 0;
    std::uint64_t conflicts = 0;
    std::uint64_t invalid = 0;
    std::uint64_t failed = 0;
    std::string gave_up;  // Why not all was sent; empty: it was.
};

/// Progress and refused lines (the first 20) go to standard error. An Error: nothing could be begun.
Result<UploadCounts> upload(std::istream& in, const UploadOptions& options);

}  // namespace tidegate::app
