// Exploder: makes of encoded records the block that is stored and the rows that can be queried.
//
// Memory      Its buffers stay: a few times the payload.
#pragma once

#include <span>
#include <vector>

#include "audit/postgres/block_writer.h"
#include "audit/segments/record.h"
#include "store/postgres.h"

namespace tidegate::audit::postgres {

class Exploder {
  public:
    /// `seed`: of the log's keys. `payload`: records with their length prefixes, at least one, encoded by this process; `leaves` as many. What it gives points
    /// into `payload` and this object, until the next call.
    Block explode(Bytes payload, std::span<const Sha256> leaves, const MerkleStack& before, std::uint64_t seed);
    /// The records of the last call.
    std::span<const segments::RecordView> views() const noexcept { return views_; }

  private:
    std::vector<segments::RecordView> views_;
    store::PostgresCopyRows recent_;
    store::PostgresCopyRows errors_;
};

}  // namespace tidegate::audit::postgres
