// Extract: what of a record the drift monitor needs, copied.
//
// Privacy     Sizes, times, classes, declared tags; the recorded output only until the declared numbers have been read from it.
// Threads     Immutable: any number.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "audit/segments/record.h"
#include "drift/observation.h"

namespace tidegate::compliance {

struct Queued {
    std::uint64_t leaf = 0;
    drift::Observation observation;
    std::string output;  // JSON, for finish(); empty when no numbers are declared.
};

class Extract {
  public:
    Extract(std::vector<std::string> segments, std::vector<std::string> numbers);

    /// Nothing for records that are no decisions. Takes no JSON apart: it runs on the log's thread.
    std::optional<Queued> take(std::uint64_t leaf, const audit::segments::RecordView& record) const;
    /// Reads the declared numbers from the output.
    void finish(Queued& queued) const;

  private:
    std::vector<std::string> segments_;
    std::vector<std::string> numbers_;
};

}  // namespace tidegate::compliance
