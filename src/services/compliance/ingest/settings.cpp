#include "services/compliance/ingest/settings.h"

namespace tidegate::compliance::ingest {

void declare(settings::Table& table, IngestSettings& s) {
    table.group("ingest", "Decisions that were made elsewhere");
    table.add("ingest.workers", s.workers, 2)
        .range(1, 64)
        .unit("threads")
        .doc("Threads that read what comes in as a stream; one reads some hundred thousand decisions a second.");
    table.add("ingest.streams_max", s.streams_max, 32)
        .range(1, 1024)
        .unit("streams")
        .doc("Streams of POST /api/v1/decisions/batch at once; one more is refused (503). Each holds about 1 MiB.");
    table.add("ingest.line_bytes_max", s.line_bytes_max, 1024ULL * 1024)
        .range(1024, 8ULL * 1024 * 1024)
        .bytes()
        .doc("Longest JSON text of one decision; a longer one is refused, the stream goes on.");
}

}  // namespace tidegate::compliance::ingest
